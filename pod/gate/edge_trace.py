"""Read what the simulated line recorded: its edges, and whether it is active now."""

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Edge:
    """One change of the line, or the rest state that a new holder drives.

    Attributes:
        t_mono_ns: CLOCK_MONOTONIC, comparable between processes of one boot.
        t_wall_s: seconds since 1970, for people.
        pulse: the pulse that caused it; None for the rest state at a holder's start.
    """

    t_mono_ns: int
    t_wall_s: float
    state: Literal["on", "off"]
    pulse: str | None


def trace_path(run_dir: Path, gate: str) -> Path:
    """Where the simulated line of `gate` records its edges."""
    return run_dir / f"{gate}.edges.jsonl"


def read_edges(trace: Path) -> tuple[Edge, ...]:
    """All edges in order; none without a trace. What a power cut left half written is left out."""
    try:
        lines = trace.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    return tuple(edge for line in lines if (edge := _parsed(line)) is not None)


def line_is_active(trace: Path) -> bool:
    """Whether the relay would be energised now: the last edge says on, and its holder lives."""
    edges = read_edges(trace)
    return bool(edges) and edges[-1].state == "on" and _is_held(trace)


def _parsed(line: bytes) -> Edge | None:
    try:
        row = json.loads(line)
        return Edge(row["t_mono_ns"], row["t_wall"], row["state"], row["pulse"])
    except (ValueError, TypeError, KeyError):
        return None


def _is_held(trace: Path) -> bool:
    fd = os.open(trace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
