"""Models of a hub on this machine come into a store: whole, checked, tried out, and never half."""

import contextlib
import hashlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from hub_server import Hub, once, say, serving

from models import registry
from models.download import Limits
from models.hub import HubFile, HubModel
from models.manifest import ModelError, Task
from models.pull import Way, pull
from models.store import writing
from pod.services import model_check
from pod.services.model_check import try_out

QUICK = Limits(stall_s=2, deadline_s=20, attempts=2, first_delay_s=0.01)
READER = registry.load("bundled", "recognizer")
FINDER = registry.load("bundled", "detector")
CONTRACT = yaml.safe_dump(READER.plate_config).encode()


@dataclass
class Told:
    """What a pull reported."""

    done: list[int] = field(default_factory=list)

    def progress(self, done_bytes: int, total_bytes: int | None) -> None:
        self.done.append(done_bytes)

    def waits(self, reason: str, delay_s: float) -> None:
        self.done.append(-1)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as server:
        server.files = {
            "reader.onnx": READER.file.read_bytes(),
            "reader_plate_config.yaml": CONTRACT,
            "finder.onnx": FINDER.file.read_bytes(),
        }
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def on(hub: Hub, task: Task = "recognizer", *, pinned: bool = True) -> HubModel:
    """What a hub calls the bundled model of a task."""
    file = "reader.onnx" if task == "recognizer" else "finder.onnx"
    content = (READER if task == "recognizer" else FINDER).file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest() if pinned else None
    weights = HubFile(f"{hub.url}/{file}", sha256, len(content) if pinned else None)
    contract = HubFile(f"{hub.url}/reader_plate_config.yaml", hashlib.sha256(CONTRACT).hexdigest(), None)
    return HubModel(
        f"hub-{task}", task, weights, contract if task == "recognizer" else None, "MIT", "some", "a-hub"
    )


def fetch(model: HubModel, store: Path, **changes: object) -> registry.Manifest:
    way = Way(Told(), limits=QUICK, **changes)
    return pull(model, way, store=store, trial=lambda manifest: try_out(manifest).input).manifest


def in_store(store: Path) -> list[str]:
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


@pytest.mark.parametrize("task", ["detector", "recognizer"])
def test_a_pulled_model_is_found_by_its_name_and_pinned(hub: Hub, store: Path, task: Task) -> None:
    model = on(hub, task)
    fetch(model, store)
    found = registry.load(model.name, task, store=store)
    registry.verify(found)
    assert (found.origin, found.licence, found.source) == ("pulled", "MIT", model.weights.url)
    assert found.sha256 == model.weights.sha256
    assert found.input is not None
    assert not found.trusted_on_first_download
    assert try_out(found).input == found.input


def test_a_model_that_is_there_and_whole_is_not_fetched_again(hub: Hub, store: Path) -> None:
    model = on(hub)
    fetch(model, store)
    asked = len(hub.asked)
    assert not pull(model, Way(Told()), store=store, trial=lambda m: try_out(m).input).is_new
    assert len(hub.asked) == asked
    fetch(model, store, again=True)
    assert len(hub.asked) == asked + 2


def test_a_damaged_model_of_the_store_is_fetched_anew(hub: Hub, store: Path) -> None:
    model = on(hub)
    kept = fetch(model, store).file
    kept.write_bytes(kept.read_bytes()[:-1])
    with pytest.raises(
        ModelError, match="fetch it again with `platebridge models pull --again hub-recognizer`"
    ):
        registry.verify(registry.find(model.name, store=store))
    registry.verify(fetch(model, store))


def test_a_model_whose_checksum_nobody_knows_needs_a_word_and_is_pinned_from_then_on(
    hub: Hub, store: Path
) -> None:
    model = on(hub, "detector", pinned=False)
    with pytest.raises(ModelError, match=r"nobody has published a checksum of it.*--trust-first-download"):
        fetch(model, store)
    assert hub.asked == []
    assert fetch(model, store, trust_first_download=True).trusted_on_first_download
    found = registry.find(model.name, store=store)
    assert found.sha256 == FINDER.sha256
    assert found.trusted_on_first_download


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        pytest.param(
            "reader_plate_config.yaml",
            CONTRACT.replace(b"ABC", b"BAC"),
            "reads the characters",
            id="another alphabet",
        ),
        pytest.param(
            "reader_plate_config.yaml",
            CONTRACT.replace(b"img_height: 64", b"img_height: 32"),
            "not a plate recogniser of the expected shape",
            id="another input",
        ),
        pytest.param("reader_plate_config.yaml", b"- 1", "must hold 'key: value' lines", id="no contract"),
        pytest.param("reader.onnx", FINDER.file.read_bytes(), "takes tensor", id="a detector in its place"),
        pytest.param("reader.onnx", b"\x08\x07 cut short", "is no ONNX file", id="no network"),
        pytest.param(
            "reader.onnx", READER.file.read_bytes()[:100_000], "is no ONNX file", id="a truncated network"
        ),
    ],
)
def test_a_model_that_cannot_read_here_is_refused_by_its_address_and_not_kept(
    hub: Hub, store: Path, file: str, content: bytes, says: str
) -> None:
    model = on(hub, pinned=False)
    assert model.plate_config is not None
    model = replace(model, plate_config=replace(model.plate_config, sha256=None))
    hub.files[file] = content
    with pytest.raises(ModelError, match=says) as caught:
        fetch(model, store, trust_first_download=True)
    assert str(caught.value).startswith(hub.url)
    assert in_store(store) == [".lock"]


def test_a_wrong_checksum_leaves_the_model_that_was_there(hub: Hub, store: Path) -> None:
    model = on(hub)
    before = fetch(model, store)
    hub.files["reader.onnx"] = bytes(len(hub.files["reader.onnx"]))
    with pytest.raises(ModelError, match="is pinned; it was removed"):
        fetch(model, store, again=True)
    registry.verify(registry.find(model.name, store=store))
    assert registry.find(model.name, store=store) == before


def test_a_newer_version_takes_the_place_of_the_older_in_one_step(hub: Hub, store: Path) -> None:
    model = on(hub, "detector", pinned=False)
    old = fetch(model, store, trust_first_download=True)
    newer = (
        FINDER.file.read_bytes() + b"\x12\x03new"
    )  # ModelProto.producer_name: another file, the same network
    hub.files["finder.onnx"] = newer
    fetch(model, store, trust_first_download=True, again=True)
    found = registry.find(model.name, store=store)
    registry.verify(found)
    assert found.file.read_bytes() == newer
    assert not old.file.exists()
    assert in_store(store) == sorted([".lock", found.file.name, f"{model.name}.yaml"])


def test_two_who_write_never_meet(hub: Hub, store: Path) -> None:
    with writing(store), pytest.raises(ModelError, match="another pull or import is at work there: wait"):
        fetch(on(hub), store)
    assert hub.asked == []


def test_files_of_a_mirror_are_taken_from_its_address(hub: Hub, store: Path) -> None:
    model = on(hub, "detector")
    elsewhere = replace(model, weights=replace(model.weights, url="https://hub.invalid/a/finder.onnx"))
    assert fetch(elsewhere, store, mirror=f"{hub.url}/mirror/").source == "https://hub.invalid/a/finder.onnx"
    assert len(hub.asked) == 1


def test_files_of_a_folder_are_copied_under_the_same_checks(hub: Hub, store: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "finder.onnx").write_bytes(FINDER.file.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match=r"finder\.onnx: has the SHA-256 .* is pinned: it is damaged"):
        fetch(on(hub, "detector"), store, mirror=str(stick))
    assert in_store(store) == [".lock"]
    (stick / "finder.onnx").write_bytes(FINDER.file.read_bytes())
    registry.verify(fetch(on(hub, "detector"), store, mirror=str(stick)))
    with pytest.raises(ModelError, match=r"reader_plate_config\.yaml: cannot be read \(No such file"):
        fetch(on(hub), store, mirror=str(stick))
    assert hub.asked == []


def test_a_pull_that_broke_off_goes_on_in_the_next_one(hub: Hub, store: Path) -> None:
    model = on(hub, "detector")
    hub.behave = once(lambda request, content: not request.serve(content, body=content[:1_000_000]))
    with pytest.raises(ModelError, match="1,000,000 bytes are kept for the next try"):
        pull(
            model,
            Way(Told(), limits=replace(QUICK, attempts=1)),
            store=store,
            trial=lambda m: try_out(m).input,
        )
    with pytest.raises(ModelError, match="no model is called"):
        registry.find(model.name, store=store)
    fetch(model, store)
    assert hub.asked == ["", "bytes=1000000-"]
    assert in_store(store) == sorted(
        [".lock", registry.find(model.name, store=store).file.name, f"{model.name}.yaml"]
    )


def test_a_store_that_a_file_stands_in_the_way_of_is_named(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(ModelError, match="store: no model can be kept there"):
        fetch(on(hub), tmp_path / "store")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB: room for a model, and for little else."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs a file system to be mountable here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_without_room_is_told_with_what_is_needed_before_anything_is_written(
    hub: Hub, small_disk: Path, tmp_path: Path
) -> None:
    (small_disk / "ballast").write_bytes(bytes(4_000_000))
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "finder.onnx").write_bytes(FINDER.file.read_bytes())
    with pytest.raises(
        ModelError, match=r"[0-9,]+ bytes are needed and [0-9,]+ are free: free space"
    ) as told:
        fetch(on(hub, "detector"), small_disk)
    needed, free = (
        int(number.replace(",", "")) for number in re.findall(r"\b[0-9][0-9,]+", str(told.value))[-2:]
    )
    assert needed > free
    with pytest.raises(ModelError, match="bytes are needed and"):
        fetch(on(hub, "detector"), small_disk, mirror=str(stick))
    assert in_store(small_disk) == [".lock", "ballast"]


def fill(ballast: Path) -> None:
    """Take all the room that there is."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_disk_that_fills_up_during_a_pull_keeps_nothing_half(hub: Hub, small_disk: Path) -> None:
    model = on(hub, "detector")
    gone_on = threading.Event()

    def fill_midway(request: object, content: bytes) -> bool:
        request.head(200, len(content))
        request.wfile.write(content[:1_000_000])
        gone_on.wait(10)
        request.wfile.write(content[1_000_000:])
        return True

    class Filler(Told):
        def progress(self, done_bytes: int, total_bytes: int | None) -> None:
            if done_bytes >= 1_000_000 and not gone_on.is_set():
                fill(small_disk / "ballast")
                gone_on.set()

    hub.behave = once(fill_midway)
    way = Way(Filler(), limits=QUICK)
    with pytest.raises(ModelError, match="the disk is full, nothing was kept: free space there"):
        pull(model, way, store=small_disk, trial=lambda m: try_out(m).input)
    assert in_store(small_disk) == [".lock", "ballast"]
    (small_disk / "ballast").unlink()
    registry.verify(fetch(model, small_disk))


def test_a_full_disk_leaves_the_model_that_was_there(hub: Hub, small_disk: Path) -> None:
    model = on(hub, "detector", pinned=False)
    before = fetch(model, small_disk, trust_first_download=True)
    half_a_model = before.file.stat().st_size // 2
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - half_a_model))
    hub.files["finder.onnx"] += b"\x12\x03new"
    with pytest.raises(ModelError, match="bytes are needed and"):
        fetch(model, small_disk, trust_first_download=True, again=True)
    assert registry.find(model.name, store=small_disk) == before
    registry.verify(before)


def test_a_hub_that_has_it_no_more_is_told_with_the_way_out(hub: Hub, store: Path) -> None:
    hub.behave = say(404)
    with pytest.raises(ModelError, match="has no such file: look whether the model is still offered there"):
        fetch(on(hub), store)


def test_a_detector_of_a_hub_brings_the_rim_along_that_readers_want_around_its_boxes(
    hub: Hub, store: Path
) -> None:
    assert fetch(on(hub, "detector"), store).crop_margin == 0.08
    assert registry.load("hub-detector", "detector", store=store).crop_margin == 0.08
    assert fetch(on(hub), store).crop_margin is None


@pytest.mark.parametrize(
    ("stated", "reads_from", "tried", "has_to_state"),
    [
        pytest.param(None, 0.0, [0.02], None, id="the usual rim will do"),
        pytest.param(None, 0.05, [0.02, 0.08], 0.08, id="it draws tightly"),
        pytest.param(0.11, 0.05, [0.11], 0.11, id="it is stated"),
    ],
)
def test_a_detector_is_tried_with_the_rim_that_it_will_be_used_with(
    monkeypatch: pytest.MonkeyPatch,
    stated: float | None,
    reads_from: float,
    tried: list[float],
    has_to_state: float | None,
) -> None:
    margins: list[float] = []

    def reads(reader: float) -> None:
        margins.append(reader)
        if reader < reads_from:
            raise ModelError("it reads nothing")

    monkeypatch.setattr(model_check, "PlateReader", lambda *_, crop_margin: crop_margin)
    monkeypatch.setattr(model_check, "self_check", reads)
    assert try_out(FINDER.model_copy(update={"crop_margin": stated})).crop_margin == has_to_state
    assert margins == tried


def test_a_detector_whose_stated_rim_does_not_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_reader: object) -> None:
        raise ModelError("it reads nothing")

    monkeypatch.setattr(model_check, "self_check", refuse)
    with pytest.raises(ModelError, match="it reads nothing"):
        try_out(FINDER)
