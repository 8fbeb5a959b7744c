"""Has a network tried by a process of its own: one that hangs, crashes or eats memory ends alone.

Somebody's network decides by itself how long it computes and what it takes; no check of its bytes can tell.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.manifest import InputShape, Manifest, ModelError
from pod.services.model_check import NetworkFacts, Tried

_COMMAND = (sys.executable, "-I", "-m", "pod.services.model_check_process")
_MOST_TOLD = 300


@dataclass(frozen=True, slots=True)
class TrialLimits:
    """What trying one network may take.

    Attributes:
        deadline_s: wall time, the start of the process and its imports included.
        memory_bytes: address space, which onnxruntime's libraries take a part of.
    """

    deadline_s: float = 120.0
    memory_bytes: int = 4 << 30


PATIENT = TrialLimits()
"""Measured: the hubs' networks are tried in seconds and in 0.6 GiB."""


def facts_apart(path: Path, limits: TrialLimits = PATIENT) -> NetworkFacts:
    """`network_facts`, by a process of its own.

    The metadata has no more than the names of the classes.

    Raises:
        ModelError: as `network_facts`; or it was not done in time, took too much memory, or crashed.
    """
    return NetworkFacts(**_answer({"facts": str(path.absolute())}, path, limits)["facts"])


def try_apart(manifest: Manifest, limits: TrialLimits = PATIENT) -> Tried:
    """`try_out`, by a process of its own.

    Raises:
        ModelError: as `try_out`; or it was not done in time, took too much memory, or crashed.
    """
    question = {"trial": manifest.model_dump(mode="json") | {"file": str(manifest.file.absolute())}}
    tried = _answer(question, manifest.file, limits)["tried"]
    return Tried(InputShape.model_validate(tried["input"]), tried["crop_margin"])


def _answer(question: Mapping[str, object], file: Path, limits: TrialLimits) -> dict[str, Any]:
    command = (*_COMMAND, str(limits.memory_bytes))
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            said, complained = process.communicate(json.dumps(question), limits.deadline_s)
        except subprocess.TimeoutExpired:
            raise ModelError(
                f"{file}: was not done within {limits.deadline_s:.0f} s when it was tried, and no gate can "
                "wait so long: take a smaller network, or export it again"
            ) from None
        finally:
            process.kill()
    if process.returncode != 0:
        raise ModelError(
            f"{file}: ended the process that tried it ({_end(process.returncode, complained)}): export it "
            "again, or take another network"
        )
    answer: dict[str, Any] = json.loads(said)
    if answer.get("is_out_of_memory"):
        raise ModelError(
            f"{file}: needs more than the {limits.memory_bytes / 2**30:.1f} GiB of memory that a network may "
            "take: take a smaller one, or export it for smaller pictures"
        )
    if "refused" in answer:
        raise ModelError(answer["refused"])
    return answer


def _end(code: int, complained: str) -> str:
    """How a process ended, in words."""
    if code < 0:
        return signal.strsignal(-code) or f"signal {-code}"
    lines = complained.strip().splitlines()
    told = "".join(c if c.isprintable() else " " for c in lines[-1]) if lines else "it said nothing"
    return told[:_MOST_TOLD]
