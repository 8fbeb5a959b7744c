"""Turns an ultralytics .pt into ONNX, in a process of its own (`models.pickles`): loading runs foreign code.

    python -I -m models.convert_pickle model.pt

writes `model.onnx` beside it, for one picture of the size it was trained for, without suppression.
"""

import ctypes
import resource
import shutil
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # of prctl(2)
_MOST_FILE_BYTES = 1 << 30
_MOST_MEMORY_BYTES = 12 << 30


def main() -> None:
    """Convert the file that the only argument names."""
    source = Path(sys.argv[1])
    _end_with_the_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_FILE_BYTES, _MOST_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))

    from models.training import torchvision_stub

    torchvision_stub.ensure()
    from ultralytics import YOLO

    made = Path(
        YOLO(str(source), task="detect").export(format="onnx", device="cpu", nms=False, dynamic=False)
    )
    if made != source.with_suffix(".onnx"):
        shutil.move(made, source.with_suffix(".onnx"))


def _end_with_the_parent() -> None:
    """Nobody else would end foreign code whose importer was killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
