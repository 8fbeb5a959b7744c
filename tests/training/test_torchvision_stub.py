"""The stub for torchvision is used only where torchvision cannot be imported."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = """
import importlib.metadata
real = importlib.metadata.version
from models.training import torchvision_stub
print(torchvision_stub.ensure(), importlib.metadata.version is real)
"""
BOXES = """
import torch
from models.training import torchvision_stub
torchvision_stub.ensure()
import torchvision, ultralytics
boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
print(torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist(), torchvision.__version__)
"""


def ask(program: str, tmp_path: Path, torchvision: str | None) -> str:
    """What a program says where importing torchvision runs this text; None: it is not installed."""
    folder = tmp_path / "packages" / "torchvision"
    folder.mkdir(parents=True)
    if torchvision is not None:
        (folder / "__init__.py").write_text(torchvision)
    else:
        folder.rmdir()
    asked = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={
            "PYTHONPATH": f"{folder.parent}:{ROOT}",
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "YOLO_OFFLINE": "1",
            "YOLO_CONFIG_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("torchvision", "used"),
    [
        ("", "torchvision True"),
        ("raise RuntimeError('operator torchvision::nms does not exist')", "stub False"),
        ("raise OSError('libcudart.so.13: cannot open shared object file')", "stub False"),
        ("raise ImportError('undefined symbol')", "stub False"),
        (None, "stub False"),
    ],
    ids=["importable", "other-torch", "no-cuda", "other-abi", "not-installed"],
)
def test_the_stub_stands_in_only_where_torchvision_cannot_be_imported(
    torchvision: str | None, used: str, tmp_path: Path
) -> None:
    assert ask(ASK, tmp_path, torchvision) == used


def test_the_stub_keeps_the_best_of_boxes_that_overlap(tmp_path: Path) -> None:
    assert ask(BOXES, tmp_path, None) == "[0, 2] 0.28.0"
