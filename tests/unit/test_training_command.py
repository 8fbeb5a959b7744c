"""A command of the training runs in a process of its own, tells how far it is, and dies with its parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.training import command
from models.training.stages import StageError

ROOT = Path(__file__).parents[2]
THREE_EPOCHS = """
import json, sys
print("ultralytics says hello")
for epoch in (4, 5, 6):
    print(json.dumps({"epoch": epoch, "loss": 7 - epoch, "note": "x"}), flush=True)
sys.stderr.write("a warning\\n")
"""


def python(tmp_path: Path, program: str, **options: object) -> list[str]:
    """Run a program as a stage does. Returns what was told."""
    told: list[str] = []
    arguments = [sys.executable, "-c", program]
    log = tmp_path / "logs" / "reader.log"
    command.run(arguments, log, environment={}, say=told.append, name="reader", **options)  # type: ignore[arg-type]  # options are run's own
    return told


def test_epochs_are_told_with_what_is_left_and_the_figures(tmp_path: Path) -> None:
    told = python(tmp_path, THREE_EPOCHS, epochs=6)
    assert len(told) == 3
    assert told[0].startswith("      reader: epoch 4 of 6, about 0:00:0")
    assert told[0].endswith("left  (loss 3)")
    assert "epoch 6 of 6, about 0:00:00 left" in told[2]


def test_the_log_keeps_all_that_was_said(tmp_path: Path) -> None:
    python(tmp_path, THREE_EPOCHS)
    log = (tmp_path / "logs" / "reader.log").read_text()
    assert "ultralytics says hello" in log
    assert "a warning" in log


def test_somebody_who_waits_hears_something_though_no_epoch_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SILENCE_S", 0.1)
    told = python(tmp_path, "import time; time.sleep(0.5)")
    assert "      reader: running for 0:00:00" in told


def test_a_failure_is_told_with_its_last_lines_and_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(StageError) as failed:
        python(tmp_path, "raise SystemExit('the picture x.jpg is broken')")
    assert "the picture x.jpg is broken" in str(failed.value)
    assert "reader: failed with status 1: mend what stands above, then start again to go on" in str(
        failed.value
    )
    assert str(tmp_path / "logs" / "reader.log") in str(failed.value)


def test_a_command_that_was_killed_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"was killed, most often for want of memory"):
        python(tmp_path, "import os; os.kill(os.getpid(), 9)")


def test_output_goes_whole_to_its_file_or_not_at_all(tmp_path: Path) -> None:
    output = tmp_path / "evaluation.json"
    with pytest.raises(StageError):
        python(tmp_path, "print('{'); raise SystemExit(1)", output=output)
    assert not output.exists()
    python(tmp_path, "print('{}')", output=output)
    assert output.read_text() == "{}\n"


def test_a_training_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    trainer = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(60)"
    pipeline = (
        "import sys; from pathlib import Path; from models.training import command\n"
        f"command.run([sys.executable, '-c', {trainer!r}], Path({str(tmp_path / 'log')!r}),"
        " environment={}, say=print, name='reader')"
    )
    parent = subprocess.Popen([sys.executable, "-c", pipeline], cwd=ROOT)
    wait_for(lambda: pid_file.exists() and pid_file.read_text().endswith("."))
    pid = int(pid_file.read_text().rstrip("."))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def wait_for(condition: object, timeout_s: float = 20) -> None:
    assert callable(condition)
    ends_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_s, "waited in vain"
        os.sched_yield()
        time.sleep(0.02)
