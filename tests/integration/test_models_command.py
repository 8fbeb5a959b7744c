"""`platebridge models`: what an operator sees, and what scripts get."""

import contextlib
import fcntl
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import yaml
from gate_fixtures import until
from hostile_onnx import blind_detector, going_round
from hub_server import Hub, Request, serving

from models import reference, registry
from models.disk import copy_file
from models.hub import hub_models
from models.manifest import ModelError
from pod import cli
from pod.commands.doctor import check_models
from pod.config_load import load_config
from pod.vision.detector import decode_end2end, decode_plain

READER = registry.load("bundled", "recognizer")
FINDER = registry.load("bundled", "detector")
UNPINNED = next(model for model in hub_models() if not model.is_pinned)
CONFIG = "data_dir: data\ncameras:\n  - {name: front, url: front.mp4, gate: main}\ngates:\n  - {name: main}\n"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No store and no proxy of whoever runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("PLATEBRIDGE_CONFIG", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 9 MB: room for one model at work and one kept, not for more."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs a file system to be mountable here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Has the bundled detector under the name of one whose checksum nobody has published."""
    with serving() as server:
        server.files[UNPINNED.weights.name] = FINDER.file.read_bytes()
        yield server


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: object
    stdout: str
    stderr: str


def models(*arguments: str | Path) -> Done:
    """Runs a verb in this process, through the root that turns faults into sentences."""
    out, err = io.StringIO(), io.StringIO()
    words = ["platebridge", "models", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        cli.main()
    return Done(left.value.code, out.getvalue(), err.getvalue())


def process(*arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
    """Starts a verb as a process of its own."""
    command = [sys.executable, "-m", "pod.cli", *map(str, arguments)]
    return subprocess.Popen(command, text=True, **settings)


def listed(*arguments: str | Path) -> dict[str, dict]:
    return {row["name"]: row for row in json.loads(models("list", "--json", *arguments).stdout)["models"]}


def test_on_a_fresh_clone_every_bundled_model_is_whole_and_reads() -> None:
    done = process("models", "verify", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    stdout, stderr = done.communicate(timeout=60)
    assert (done.returncode, stderr) == (0, "")
    lines = stdout.splitlines()
    assert len(lines) == len(registry.bundled_names())
    assert all(line.startswith("ok  ") and line.endswith("reads the reference plate") for line in lines)


def test_a_broken_model_fails_with_its_mend_and_the_others_are_still_checked(store: Path) -> None:
    assert models("import", FINDER.file, "--name", "mine", "--store", store).returncode == 0
    weights = next(store.glob("mine-*.onnx"))
    weights.write_bytes(weights.read_bytes()[:-9])
    done = models("verify", "--json", "--store", store)
    verdict = json.loads(done.stdout)
    assert done.returncode == 1
    assert not verdict["ok"]
    assert {row["model"]: row["ok"] for row in verdict["models"]} == {
        **dict.fromkeys(registry.bundled_names(), True),
        "mine": False,
    }
    assert "damaged or replaced" in verdict["models"][-1]["text"]
    assert "import it again with `platebridge models import`" in verdict["models"][-1]["text"]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        pytest.param(b"", "is no ONNX file", id="empty"),
        pytest.param(b"<html>", "is no ONNX file", id="a web page"),
        pytest.param(None, "is no ONNX file", id="truncated"),
    ],
)
def test_a_file_that_is_no_network_is_refused_by_verify_and_import(
    tmp_path: Path, raw: bytes | None, says: str
) -> None:
    file = tmp_path / "mine.onnx"
    file.write_bytes(FINDER.file.read_bytes()[:200_000] if raw is None else raw)
    checked = models("verify", file)
    assert checked.returncode == 1
    assert says in checked.stdout
    taken = models("import", file)
    assert taken.returncode == 2
    assert taken.stderr.startswith(f"platebridge: {file}: {says}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = models("verify", tmp_path / "mine.onnx")
    assert done.returncode == 1
    assert "mine.onnx: cannot be read (No such file or directory)" in done.stdout


def test_the_list_says_what_there_is_and_what_the_configuration_uses(config: Path) -> None:
    config.write_text(CONFIG + f"vision: {{detector: {UNPINNED.name}}}\n")
    store = config.parent / "data" / "models"
    done = models("list", "--json", "--config", config)
    assert done.returncode == 1
    assert f"no model is called '{UNPINNED.name}'" in done.stderr
    stick = config.parent / "stick"
    stick.mkdir()
    shutil.copyfile(FINDER.file, stick / UNPINNED.weights.name)
    pulled = models("pull", UNPINNED.name, "--config", config, "--trust-first-download", "--from", stick)
    assert pulled.returncode == 0, pulled.stderr
    assert "To use it, write into the configuration" in pulled.stdout
    assert "model_store" not in pulled.stdout  # it is where this POD looks anyway
    rows = listed("--config", config)
    assert [name for name, row in rows.items() if row["is_in_use"]] == [READER.name, UNPINNED.name]
    assert rows[UNPINNED.name]["state"] == "pulled"
    assert not rows[UNPINNED.name]["is_pinned"]
    assert rows[UNPINNED.name]["file"].startswith(str(store))
    assert rows[FINDER.name]["state"] == "bundled"
    findings = list(check_models(load_config(config)))
    assert [finding.status for finding in findings] == ["ok", "ok"]
    assert findings[0].text.startswith(f"{UNPINNED.name} on ")
    assert rows["cct-s-v2-global-model"] | {"source": None} == {
        "name": "cct-s-v2-global-model",
        "task": "recognizer",
        "state": "available",
        "is_in_use": False,
        "size_bytes": 5262230,
        "licence": "MIT",
        "is_pinned": True,
        "sha256": "384bbbd2cea3ef54761d3df70822ef3a349ee1a112aeafddbe0e3ba06bc6e47b",
        "file": None,
        "source": None,
    }


def test_the_list_is_readable_without_a_terminal() -> None:
    done = models("list")
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if "yolo-v9-t-384" in line)
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    assert cells == ["yolo-v9-t-384-license-plate-end2end", "detector", "available", "7.8", "MIT", "pinned"]


def test_a_pulled_model_reads_where_nothing_says_which_store(hub: Hub) -> None:
    pulled = models("pull", UNPINNED.name, "--trust-first-download", "--from", hub.url)
    assert pulled.returncode == 0
    assert pulled.stdout.splitlines()[0] == f"Try it: platebridge read --detector {UNPINNED.name} PICTURE"
    assert "nobody has published its checksum; it is pinned from this download on" in pulled.stderr
    words = ["read", "--detector", UNPINNED.name, reference.PICTURE]
    read, _ = process(*words, stdout=subprocess.PIPE).communicate(timeout=60)
    assert reference.PLATE in read


def test_read_takes_models_of_any_store(store: Path, hub: Hub) -> None:
    pulled = models("pull", UNPINNED.name, "--trust-first-download", "--from", hub.url, "--store", store)
    assert pulled.returncode == 0
    with contextlib.redirect_stdout(io.StringIO()) as out:
        words = ["read", "--detector", UNPINNED.name, "--store", str(store), str(reference.PICTURE)]
        cli.root_command()(words, standalone_mode=False)
    assert reference.PLATE in out.getvalue()


def test_a_pull_tells_its_quarters_where_there_is_no_terminal(hub: Hub) -> None:
    done = models("pull", UNPINNED.name, "--trust-first-download", "--from", hub.url)
    told = [line for line in done.stderr.splitlines() if "% of" in line]
    assert 2 <= len(told) <= 4
    assert told[-1] == f"{UNPINNED.name}: 100% of {FINDER.size_bytes:,} bytes"
    assert "\x1b" not in done.stderr


def test_a_pull_shows_a_bar_on_a_terminal(hub: Hub) -> None:
    control, terminal = pty.openpty()
    words = ["pull", UNPINNED.name, "--trust-first-download", "--from", hub.url]
    seen = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    pulling = process("models", *words, stdout=subprocess.DEVNULL, stderr=terminal, env=seen)
    os.close(terminal)
    shown = until_its_end(control)
    assert pulling.wait(30) == 0
    assert "━" in shown
    assert "MB" in shown


def until_its_end(control: int) -> str:
    """What a terminal shows until nothing holds its other end; closes it."""
    shown = b""
    try:
        while chunk := os.read(control, 4096):
            shown += chunk
    except OSError:  # a terminal without another end
        pass
    finally:
        os.close(control)
    return shown.decode()


def test_names_can_be_copied_from_a_narrow_terminal(config: Path) -> None:
    control, terminal = pty.openpty()
    seen = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    listing = process("models", "list", "--config", config, stdout=terminal, stderr=terminal, env=seen)
    os.close(terminal)
    shown = until_its_end(control)
    assert listing.wait(30) == 0
    lines = shown.splitlines()
    assert all(any(f" {name} " in line for line in lines) for name in listed("--config", config))
    assert max(map(len, (line for line in lines if "│" in line))) <= 80
    assert "with --json" in shown


def test_on_forty_columns_every_name_stands_on_a_line_of_its_own(config: Path) -> None:
    control, terminal = pty.openpty()
    seen = os.environ | {"TERM": "xterm", "COLUMNS": "40"}
    listing = process("models", "list", "--config", config, stdout=terminal, stderr=terminal, env=seen)
    os.close(terminal)
    lines = until_its_end(control).splitlines()
    assert listing.wait(30) == 0
    assert set(listed("--config", config)) <= set(lines)
    assert max(len(line) for line in lines[:-2]) <= 40


def test_an_import_onto_a_disk_without_room_leaves_what_was_there(small_disk: Path) -> None:
    store = small_disk / "store"
    assert models("import", FINDER.file, "--name", "mine", "--store", store).returncode == 0
    before = sorted(path.name for path in store.rglob("*"))
    room = shutil.disk_usage(small_disk).free - FINDER.file.stat().st_size
    (small_disk / "ballast").write_bytes(bytes(room))
    for words in (["--name", "other"], ["--name", "mine", "--again"]):
        done = models("import", FINDER.file, *words, "--store", store)
        assert done.returncode == 2
        assert "bytes are needed and" in done.stderr
        assert "free space there, or name another folder with --store" in done.stderr
        assert sorted(path.name for path in store.rglob("*")) == before
    assert models("verify", "mine", "--store", store).returncode == 0


def test_a_disk_that_fills_up_while_weights_are_copied_is_told_and_keeps_no_half_of_them(
    small_disk: Path,
) -> None:
    """Somebody else takes the space after it was found to be enough."""

    def taken_by_another(_done: int, _total: int | None) -> None:
        with contextlib.suppress(OSError), (small_disk / "log").open("ab", buffering=0) as log:
            while log.write(bytes(100_000)) == 100_000:
                pass

    with pytest.raises(ModelError, match="the disk is full, nothing was kept: free space there"):
        copy_file(
            FINDER.file, small_disk / "new.part", sha256=None, most_bytes=10**8, progress=taken_by_another
        )
    assert [path.name for path in small_disk.iterdir()] == ["log"]


def test_an_import_that_may_not_write_all_of_the_weights_leaves_none_of_them(store: Path) -> None:
    command = [sys.executable, "-m", "pod.cli", "models", "import", FINDER.file, "--name", "mine"]
    half = FINDER.file.stat().st_size // 2
    done = subprocess.run(
        ["prlimit", f"--fsize={half}", *command, "--store", store],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the disk is full, nothing was kept: free space there" in done.stderr
    assert [path for path in store.rglob("*") if path.is_file() and path.name != ".lock"] == []


@pytest.mark.parametrize("verb", ["eval", "import"])
def test_ctrl_c_in_a_verb_that_works_for_long_says_nothing_and_leaves_nothing(
    store: Path, tmp_path: Path, verb: str
) -> None:
    (tmp_path / "slow.onnx").write_bytes(going_round())
    for i in range(400):
        shutil.copy(reference.PICTURE, tmp_path / f"{i}.png")
    rows = "".join(f"{i}.png,{reference.PLATE}\n" for i in range(400))
    (tmp_path / "truth.csv").write_text(f"picture_path,plate_text\n{rows}")
    words: dict[str, list[str | Path]] = {
        "eval": ["eval", tmp_path / "truth.csv", "--store", store],
        "import": ["import", tmp_path / "slow.onnx", "--store", store],
    }
    working = process("models", *words[verb], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    threads = Path(f"/proc/{working.pid}/task")
    if verb == "import":
        children = threads / str(working.pid) / "children"
        until(lambda: children.read_text().strip(), timeout_s=30)
        child = int(children.read_text().split()[0])
    else:  # it has loaded the networks
        until(lambda: "onnxruntime" in (threads.parent / "maps").read_text(), timeout_s=30)
    working.send_signal(signal.SIGINT)
    stdout, stderr = working.communicate(timeout=30)
    assert working.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in stdout + stderr
    if verb == "import":
        until(lambda: not Path(f"/proc/{child}").exists(), timeout_s=10)
        assert list(store.glob("*.onnx")) == []
        assert [path for path in (store / ".arriving").iterdir() if path.suffix == ".part"] == []


def test_a_pull_that_is_killed_leaves_no_model_and_goes_on_in_the_next_one(store: Path, hub: Hub) -> None:
    size = FINDER.size_bytes or 0

    def halfway(request: Request, content: bytes) -> bool:
        request.head(200, len(content))
        request.wfile.write(content[: size // 2])
        request.wfile.flush()
        hub.stop.wait(20)
        return True

    hub.behave = halfway
    words = ["pull", UNPINNED.name, "--trust-first-download", "--from", hub.url, "--store", str(store)]
    pulling = process("models", *words, stderr=subprocess.DEVNULL)
    part = store / ".arriving" / f"{UNPINNED.name}.part"
    until(lambda: part.exists() and part.stat().st_size == size // 2, timeout_s=20)
    pulling.send_signal(signal.SIGKILL)
    pulling.wait()
    assert listed("--store", store)[UNPINNED.name]["state"] == "available"
    hub.behave = lambda _request, _content: False
    assert models(*words).returncode == 0
    assert hub.asked == ["", f"bytes={size // 2}-"]
    assert models("verify", UNPINNED.name, "--store", store).returncode == 0


def test_a_pull_beside_another_is_refused(store: Path, hub: Hub) -> None:
    store.mkdir()
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = models("pull", UNPINNED.name, "--trust-first-download", "--from", hub.url, "--store", store)
    assert done.returncode == 2
    assert done.stderr.endswith("another pull or import is at work there: wait until it is done\n")


def test_a_pull_without_a_network_says_so_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setattr("models.download.time.sleep", lambda _delay_s: None)
    done = models("pull", "cct-xs-v2-global-model")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "refuses the connection (through the proxy that HTTPS_PROXY names)" in last
    assert "bring the file in a folder and name that with --from" in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("mirror", "says"),
    [
        pytest.param("https://ann:hunter2@mirror.example/m", "are not supported", id="user and password"),
        pytest.param("https://ann:hun/ter2@mirror.example", "are not supported", id="a slash in it"),
        pytest.param("https://ann:2/hunter2@mirror.example", "are not supported", id="after a port"),
        pytest.param("https://ann:h@hunter2@mirror.example", "are not supported", id="an at sign in it"),
        pytest.param("https://mirror.example/m?token=hunter2", "cannot hold ? or #", id="a token"),
        pytest.param("https://a b/", "'https://a b/' is no address, as it holds a space", id="a space"),
        pytest.param("https://a\nb/", "is no address, as it holds a space or the like", id="a line end"),
        pytest.param("https://a:b/", "'https://a:b/' is no address", id="a port that is none"),
        pytest.param("http://mirror.example/", "only https is fetched from", id="plain http"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused_at_once_and_never_echoes_a_password(
    store: Path, mirror: str, says: str
) -> None:
    done = models("pull", "cct-xs-v2-global-model", "--from", mirror, "--store", store)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for secret in ("hunter2", "ter2", "ann:"):
        assert secret not in done.stderr + done.stdout


def test_the_published_files_are_pulled_from_a_folder(shared: Path, store: Path) -> None:
    done = models("pull", "cct-xs-v2-global-model", "--from", shared / "weights", "--store", store)
    assert done.returncode == 0, done.stderr
    row = listed("--store", store)["cct-xs-v2-global-model"]
    assert (row["state"], row["is_pinned"]) == ("pulled", True)


def test_another_file_under_a_published_name_is_refused(store: Path, tmp_path: Path) -> None:
    shutil.copyfile(FINDER.file, tmp_path / "yolo-v9-t-384-license-plates-end2end.onnx")
    done = models("pull", "yolo-v9-t-384-license-plate-end2end", "--from", tmp_path, "--store", store)
    assert done.returncode == 2
    assert "is pinned: it is damaged or another file; bring it again" in done.stderr
    assert list(store.glob("*.onnx")) == []


def test_a_detector_of_ones_own_is_imported_by_what_it_takes(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "My Detector (v2).onnx"
    shutil.copyfile(FINDER.file, file)
    done = models("import", file, "--store", store)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("my-detector-v2: detector of ")
    assert f"    model_store: {store}" in done.stdout.splitlines()
    described = yaml.safe_load((store / "my-detector-v2.yaml").read_text())
    assert (described["sha256"], described["origin"]) == (FINDER.sha256, "imported")
    assert models("verify", "my-detector-v2", "--store", store).returncode == 0


def test_a_reader_of_ones_own_needs_its_configuration(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    shutil.copyfile(READER.file, file)
    refused = models("import", file, "--store", store)
    assert refused.returncode == 2
    assert "put mine_plate_config.yaml beside it, or name it with --plate-config" in refused.stderr
    contract = tmp_path / "mine_plate_config.yaml"
    contract.write_text(yaml.safe_dump(READER.plate_config))
    assert models("import", file, "--store", store).returncode == 0
    contract.rename(tmp_path / "elsewhere.yaml")
    named = ["--plate-config", tmp_path / "elsewhere.yaml", "--name", "two"]
    assert models("import", file, "--store", store, *named).returncode == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"alphabet": "ABC_"}, "reads the characters 'ABC_'", id="another alphabet"),
        pytest.param({"max_plate_slots": 9}, "has 9 slots: use a model trained for 10", id="another length"),
        pytest.param({"img_height": 32}, "of the expected shape", id="another input"),
        pytest.param({"nonsense": 1}, "its plate_config is not fast-plate-ocr's", id="another file"),
        pytest.param({1: "A"}, "must hold 'key: value' lines", id="keys that are no names"),
        pytest.param({"interpolation": "none"}, "no crop can be resized", id="no such interpolation"),
    ],
)
def test_a_reader_with_a_wrong_contract_is_refused(
    store: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    file = tmp_path / "mine.onnx"
    shutil.copyfile(READER.file, file)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump((READER.plate_config or {}) | change))
    done = models("import", file, "--store", store)
    assert done.returncode == 2
    assert done.stderr.startswith(f"platebridge: {file}: ")
    assert says in done.stderr
    assert list(store.glob("*.yaml")) == []
    assert list((store / ".arriving").iterdir()) == []


def test_a_network_that_does_not_read_the_known_plate_is_refused_and_not_kept(
    store: Path, tmp_path: Path
) -> None:
    file = tmp_path / "blind.onnx"
    file.write_bytes(blind_detector())
    taken = models("import", file, "--name", "mine", "--store", store)
    assert taken.returncode == 2
    assert taken.stderr.startswith(f"platebridge: {file}: mine on cpu and {READER.name} on cpu read nothing ")
    assert f"in the reference picture, not {reference.PLATE}" in taken.stderr
    assert [path.name for path in store.iterdir() if path.is_file()] == [".lock"]
    assert models("verify", file).returncode == 1


def test_a_network_for_another_task_than_the_one_named_is_refused(store: Path) -> None:
    done = models("import", FINDER.file, "--name", "mine", "--task", "recognizer", "--store", store)
    assert done.returncode == 2
    assert "it takes what a detector takes, and --task says recognizer" in done.stderr


def test_a_plate_class_that_is_not_there_is_refused(store: Path) -> None:
    done = models("import", FINDER.file, "--name", "mine", "--plate-class", "7", "--store", store)
    assert done.returncode == 2
    assert "it has no class '7'" in done.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param(FINDER.name, "is the name of another model", id="a bundled one's"),
        pytest.param("cct-s-v2-global-model", "is the name of another model", id="a hub's"),
        pytest.param("bundled", "is the name of another model", id="the word for the default"),
        pytest.param("../mine", "cannot be a model's name", id="a path"),
    ],
)
def test_a_name_that_is_taken_or_leads_elsewhere_is_refused(store: Path, name: str, says: str) -> None:
    done = models("import", FINDER.file, "--name", name, "--store", store)
    assert done.returncode == 2
    assert says in done.stderr


def test_an_imported_model_is_replaced_only_when_asked(store: Path) -> None:
    words = ["import", FINDER.file, "--name", "mine", "--store", store]
    assert models(*words).returncode == 0
    refused = models(*words)
    assert refused.returncode == 2
    assert "give this one another name with --name, or add --again" in refused.stderr
    assert models(*words, "--again").returncode == 0


def test_a_network_that_keeps_its_weights_elsewhere_is_refused(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "split.onnx"
    # ModelProto.graph (7), an initialiser (5) in it, and its data_location (14): EXTERNAL.
    file.write_bytes(FINDER.file.read_bytes() + bytes([7 << 3 | 2, 4, 5 << 3 | 2, 2, 14 << 3, 1]))
    done = models("import", file, "--store", store)
    assert done.returncode == 2
    assert "keeps its weights in another file (external data): save it as one file" in done.stderr


def test_what_a_detector_finds_of_several_classes_is_only_the_plate() -> None:
    plain = np.zeros((1, 7, 2), np.float32)
    plain[0, :4] = [[50, 50], [50, 150], [20, 20], [10, 10]]
    plain[0, 4:] = [[0.9, 0], [0, 0.8], [0, 0]]
    boxes, scores = decode_plain(plain, confidence=0.5, plate_class=1)
    assert (boxes.tolist(), scores.tolist()) == ([[40, 145, 60, 155]], [pytest.approx(0.8)])
    assert len(decode_plain(plain, confidence=0.5)[0]) == 2
    rows = np.array([[0, 1, 1, 9, 9, 0, 0.9], [0, 2, 2, 8, 8, 1, 0.8]], np.float32)
    boxes, _ = decode_end2end(rows, confidence=0.5, plate_class=1)
    assert boxes.tolist() == [[2, 2, 8, 8]]


def test_a_model_in_use_stays_unless_forced(config: Path) -> None:
    config.write_text(CONFIG + "vision: {detector: mine}\n")
    where = ["--config", config]
    assert models("import", FINDER.file, "--name", "mine", *where).returncode == 0
    refused = models("remove", "mine", *where)
    assert refused.returncode == 2
    assert f"'mine' is used by {config}: name another model there and restart the POD first" in refused.stderr
    assert listed(*where)["mine"]["is_in_use"]
    assert models("remove", "mine", "--force", *where).returncode == 0
    assert "mine" not in listed(*where)


def test_a_bundled_model_cannot_be_removed(store: Path) -> None:
    done = models("remove", FINDER.name, "--store", store)
    assert done.returncode == 2
    assert "came with PlateBridge and is not in the store: it stays" in done.stderr


def test_listing_and_removing_load_no_network() -> None:
    code = (
        "import sys\nfrom pod.cli import main\nsys.argv = ['platebridge', 'models', 'list', '--json']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('HEAVY', sorted({'onnxruntime', 'cv2', 'torch', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.endswith("HEAVY []\n")


def test_what_a_file_says_cannot_steer_the_terminal(store: Path) -> None:
    store.mkdir()
    (store / "odd.yaml").write_text('name: odd\n"\\e]0;owned\\a\\e[2J": 1\n')
    said = [models("list", "--store", store), models("verify", "--store", store)]
    said.append(models("import", store / "\x1b[2J.onnx", "--store", store, "--name", "mine"))
    assert [done.returncode for done in said] == [1, 1, 2]
    for done in said:
        assert "\ufffd[2J" in done.stdout + done.stderr
        assert not set("\x1b\a") & set(done.stdout + done.stderr)
