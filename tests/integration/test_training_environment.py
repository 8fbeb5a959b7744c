"""The tests that need torch run in the training's own environment, a file at a time."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".train" / "venv" / "bin" / "python"
FILES = sorted((ROOT / "tests" / "training").glob("test_*.py"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_training_keeps_its_word_where_torch_is_installed(file: Path) -> None:
    if not list(PYTHON.parents[1].glob("installed-train-*")):
        pytest.skip("needs the training environment: ./scripts/test.sh makes it")
    run = subprocess.run(
        [PYTHON, "-m", "pytest", file, "-q", "-p", "no:cacheprovider", "-W", "ignore"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
    assert "skipped" not in run.stdout.splitlines()[-1]
