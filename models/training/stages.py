"""Run stages one after the other, each once for what it depends on: a stamp says that a stage is done.

A stamp holds the fingerprint of the stage's inputs and of each file it made. A stage is run again when its
inputs changed, a file of it is gone or changed, or it never came to its end; what depends on it follows.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class StageError(Exception):
    """A stage failed; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step from pictures to cards.

    Attributes:
        title: what it does, for people.
        inputs: whatever the outcome depends on, asked when the stage's turn comes; must be JSON.
        outputs: files that the stage makes.
        run: does it. Is called again after a kill and goes on from there as far as it can.
    """

    name: str
    title: str
    inputs: Callable[[], Mapping[str, object]]
    outputs: tuple[Path, ...]
    run: Callable[[], None]


def run_stages(stages: Sequence[Stage], stamps: Path, say: Callable[[str], None]) -> None:
    """Run what is not done yet.

    Raises:
        StageError: a stage ended without its files.
    """
    stamps.mkdir(parents=True, exist_ok=True)
    started_s = time.monotonic()
    for number, stage in enumerate(stages, start=1):
        where = f"[{number}/{len(stages)}] {stage.name}"
        stamp, wanted = stamps / f"{stage.name}.json", fingerprint(stage.inputs())
        if _is_done(stage, stamp, wanted):
            say(f"{where}: done before")
            continue
        say(f"{where}: {stage.title}  (elapsed {clock(time.monotonic() - started_s)})")
        stamp.unlink(missing_ok=True)
        stage_started_s = time.monotonic()
        stage.run()
        missing = [str(file) for file in stage.outputs if not file.is_file()]
        if missing:
            logs = stamps.parent / "logs"
            raise StageError(f"{stage.name}: ended without {', '.join(missing)}: its log is in {logs}")
        _write_stamp(stage, stamp, wanted)
        say(f"{where}: done in {clock(time.monotonic() - stage_started_s)}")


def fingerprint(inputs: Mapping[str, object]) -> str:
    """Of what JSON says of the inputs."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def sha256_of(file: Path) -> str:
    """Lower-case hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def clock(seconds: float) -> str:
    """As h:mm:ss."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _is_done(stage: Stage, stamp: Path, wanted: str) -> bool:
    try:
        said = json.loads(stamp.read_text())
        return said["inputs"] == wanted and all(
            said["outputs"].get(str(file)) == sha256_of(file) for file in stage.outputs
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return False


def _write_stamp(stage: Stage, stamp: Path, wanted: str) -> None:
    """Moved to its place whole: a kill leaves no half of a stamp."""
    part = stamp.with_suffix(".part")
    outputs = {str(file): sha256_of(file) for file in stage.outputs}
    part.write_text(json.dumps({"inputs": wanted, "outputs": outputs}, indent=1))
    part.replace(stamp)
