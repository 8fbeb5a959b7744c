"""`scripts/train.sh` in a checkout without anything installed tells a mistake before it fetches gigabytes."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script needs until it would install."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copytree(ROOT / "models" / "training", folder / "models" / "training")
    for name in ("models/__init__.py", "pyproject.toml", "requirements.lock"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def train(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = checkout / "scripts" / "train.sh"
    return subprocess.run([script, *arguments], capture_output=True, text=True, cwd="/", timeout=60)


@pytest.mark.parametrize(
    "arguments", [(), ("--plates", "/nowhere")], ids=["no-shared-folder", "wrong-folder"]
)
def test_missing_pictures_are_named_before_anything_is_installed(
    checkout: Path, arguments: tuple[str, ...]
) -> None:
    refused = train(checkout, *arguments)
    place = Path(arguments[1]) if arguments else checkout.parent / "shared" / "plates"
    assert refused.returncode == 1
    assert refused.stderr == (
        f"error: {place}: no set of plates: detect/images/train is missing: name the folder with detect/ and "
        "ocr/ by --plates\n"
    )
    assert not (checkout / ".train").exists()


def test_a_mistyped_option_is_named_before_anything_is_installed(checkout: Path) -> None:
    refused = train(checkout, "--smok3")
    assert refused.returncode == 2
    assert "unrecognized arguments: --smok3" in refused.stderr
    assert not (checkout / ".train").exists()


def test_help_installs_nothing(checkout: Path) -> None:
    told = train(checkout, "--help")
    assert told.returncode == 0
    assert "a drill of three minutes through all stages" in told.stdout
    assert not (checkout / ".train").exists()
