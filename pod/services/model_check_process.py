"""Tries one network in a process of its own (`pod.services.model_check_apart`), which has limits and an end.

    python -I -m pod.services.model_check_process MEMORY_BYTES <question.json >answer.json

The question is `{"facts": PATH}` or `{"trial": MANIFEST}`; the answer has `facts`, `tried`, or why it is
refused.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1  # of prctl(2)
_FIRST_TO_GO = "1000"
_MEMORY_WORDS = ("bad_alloc", "allocate memory", "Cannot allocate")
"""Of onnxruntime and the system where memory was refused: onnxruntime has no exception of its own for it."""
_KEPT_METADATA = "names"
_MOST_METADATA = 50_000


def main() -> None:
    """Answer the question that stands on standard input."""
    _limit(int(sys.argv[1]))
    # Libraries may print: the answer has a channel of its own.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    json.dump(_answered(json.load(sys.stdin)), answer)
    answer.close()


def _limit(memory_bytes: int) -> None:
    """Bounds what a network can take, and ends with the process that waits for the answer."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard_bytes = resource.getrlimit(resource.RLIMIT_AS)[1]
    allowed_bytes = memory_bytes if hard_bytes == resource.RLIM_INFINITY else min(memory_bytes, hard_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (allowed_bytes, allowed_bytes))
    # Where the memory of the box ends before that limit, this process goes and not the POD beside it.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)


def _answered(question: dict[str, Any]) -> dict[str, Any]:
    from models.manifest import Manifest, ModelError
    from pod.services.model_check import network_facts, try_out

    try:
        if "facts" in question:
            facts = network_facts(Path(question["facts"]))
            said = facts.metadata.get(_KEPT_METADATA, "")
            kept = {_KEPT_METADATA: said} if 0 < len(said) <= _MOST_METADATA else {}
            return {"facts": {"task": facts.task, "classes": facts.classes, "metadata": kept}}
        tried = try_out(Manifest.model_validate(question["trial"]))
        return {"tried": {"input": tried.input.model_dump(), "crop_margin": tried.crop_margin}}
    except MemoryError:
        return {"refused": "", "is_out_of_memory": True}
    except ModelError as error:
        return {"refused": str(error), "is_out_of_memory": _is_of_memory(error)}


def _is_of_memory(error: BaseException | None) -> bool:
    if error is None:
        return False
    is_so = isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY_WORDS)
    return is_so or _is_of_memory(error.__cause__)


if __name__ == "__main__":
    main()
