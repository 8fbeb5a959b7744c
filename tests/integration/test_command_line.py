"""The root of the command line: quick help, faults as sentences, and exit codes that scripts can trust."""

import errno
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pod import cli
from pod.domain.errors import StoreError

HEAVY = ("numpy", "cv2", "av", "onnxruntime", "pydantic", "fastapi", "sqlite3", "yaml", "PIL")


def run(*arguments: str, code: str = "from pod.cli import main; main()") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_names_every_verb_and_exits_with_success() -> None:
    done = run("--help")
    assert done.returncode == 0
    for verb, what in cli.VERBS.items():
        assert verb in done.stdout
        assert what.help.split(",")[0] in done.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []], ids=["help", "version", "bare"])
def test_the_root_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom pod.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        f"print('HEAVY', sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    assert run(*arguments, code=code).stdout.endswith("HEAVY []\n")


def test_the_version_is_the_one_installed() -> None:
    assert run("--version").stdout == f"platebridge {version('platebridge')}\n"


def test_an_unknown_verb_suggests_the_known_one() -> None:
    done = run("aduit")
    assert done.returncode == 2
    assert "Did you mean 'audit'?" in done.stderr


def test_a_fault_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    config = tmp_path / "none.yaml"
    done = run("pod", "run", "--config", str(config))
    assert (done.returncode, done.stdout) == (2, "")
    mend = "there is no such file; copy config.example.yaml there and adapt it"
    assert done.stderr == f"platebridge: {config}: {mend}\n"


def test_every_problem_of_a_configuration_has_its_own_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("cameras: 1\ngates: 2\n")
    done = run("pod", "run", "--config", str(config))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"{config}:1: cameras: must be a list",
        f"{config}:2: gates: must be a list",
    ]


def fails_with(fault: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Exit code and standard error of a command that raises."""

    def fail(**_: object) -> None:
        raise fault

    monkeypatch.setattr(cli, "root_command", lambda: fail)
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code, capsys.readouterr().err


def test_credentials_in_a_fault_are_struck_out(monkeypatch, capsys) -> None:
    code, said = fails_with(StoreError("lost rtsp://u:hush@cam/live"), monkeypatch, capsys)
    assert (code, said) == (2, "platebridge: lost rtsp://***@cam/live\n")


def test_a_fault_of_a_model_is_a_fault_like_any_other(monkeypatch, capsys) -> None:
    from models.registry import ModelError

    code, said = fails_with(ModelError("weights are missing"), monkeypatch, capsys)
    assert (code, said) == (2, "platebridge: weights are missing\n")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(
            PermissionError(errno.EACCES, "Permission denied", "/srv/other/car.jpg"),
            "/srv/other/car.jpg: Permission denied: check the path, and whether this user may use it",
            id="path",
        ),
        pytest.param(
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device: check the disk, the network and this user's rights",
            id="no path",
        ),
    ],
)
def test_what_the_system_refuses_is_no_defect(fault: OSError, said: str, monkeypatch, capsys) -> None:
    assert fails_with(fault, monkeypatch, capsys) == (2, f"platebridge: {said}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(
            ["demo", "--video", "a" * 300], "File name too long: check the path", id="demo long name"
        ),
        pytest.param(["demo", "--video", "~nosuch/x.mp4"], "there is no such file", id="demo no such user"),
    ],
)
def test_an_odd_path_is_a_fault_and_no_defect(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr


def test_a_name_no_file_can_have_is_told_like_any_unreadable_picture() -> None:
    done = run("read", "a" * 300 + ".jpg")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "File name too long: check the path" in done.stderr


def test_a_path_in_a_folder_of_somebody_else_is_a_fault_and_no_defect(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    code = "import os, pod.commands.read\nif not os.geteuid(): os.seteuid(65534)\n"
    done = run("read", str(closed / "car.jpg"), code=code + "from pod.cli import main; main()")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert f"{closed}/car.jpg: may not be read by this user" in done.stderr


def test_a_defect_says_so_with_its_trace_but_without_credentials(monkeypatch, capsys) -> None:
    code, said = fails_with(RuntimeError("rtsp://u:hush@cam"), monkeypatch, capsys)
    assert code == 70
    assert said.startswith("this is a defect of PlateBridge; please report it")
    assert "RuntimeError: rtsp://***@cam" in said


@pytest.mark.parametrize(
    ("arguments", "loading"),
    [
        pytest.param(["--help"], "typer.core", id="root"),
        pytest.param(["read", "none.jpg"], "cv2", id="verb"),
        pytest.param(["pod", "run", "--config", "CONFIG"], "pod.app", id="daemon"),
    ],
)
def test_ctrl_c_while_modules_load_ends_it_without_a_word(
    arguments: list[str], loading: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data_dir: {tmp_path}/data\n"
        "cameras: [{name: front, url: clip.mp4, gate: main}]\ngates: [{name: main}]\n"
    )
    done = run(*(str(config) if a == "CONFIG" else a for a in arguments), code=INTERRUPTED_IMPORT % loading)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


INTERRUPTED_IMPORT = """
import signal, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == %r:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
from pod.cli import main
main()
"""


def test_ctrl_c_in_a_verb_exits_with_130_and_no_trace(monkeypatch, capsys) -> None:
    assert fails_with(KeyboardInterrupt(), monkeypatch, capsys) == (130, "")


def test_a_verb_may_tidy_up_after_ctrl_c() -> None:
    code = "import signal as s\nfrom pod import cli\nprint(s.getsignal(s.SIGINT) is s.default_int_handler)"
    assert run(code=code).stdout == "True\n"


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    code = (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nfrom pod.cli import main\n"
        "try: main()\nexcept SystemExit: pass\nprint(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    assert run("--version", code=code).stdout.endswith("True\n")
