"""The doctor: each check tells what is wrong here and how to mend it, and touches no gate."""

import json
import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_device import OK, GateDevice
from gate_fixtures import until
from PIL import Image

from models import registry
from pod.commands import doctor
from pod.commands.doctor import Finding, check_certificate
from pod.config import CameraConfig, GateConfig, PodConfig, WebConfig
from pod.runtime.clock_sync import is_clock_synchronised
from pod.runtime.instance_lock import InstanceLock
from pod.store.copies import find_copies
from pod.store.keeping import Keeping
from pod.store.store import Store
from pod.web.tls import certificate_of

Usage = namedtuple("Usage", "total used free")


def camera(url: str, **settings: object) -> CameraConfig:
    return CameraConfig.model_validate({"name": "front", "url": url, "gate": "main", **settings})


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (320, 200), (number * 40, 90, 90)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_folder_that_can_be_written_is_good_and_stays_empty(tmp_path: Path) -> None:
    findings = list(doctor.check_data_dir(tmp_path))
    assert findings[0].status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_yet_to_be_made_is_good_and_not_made(tmp_path: Path) -> None:
    findings = list(doctor.check_data_dir(tmp_path / "a" / "b"))
    assert findings[0] == Finding("data_dir", "ok", f"{tmp_path}/a/b is made at the first start")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_names_the_mend() -> None:
    findings = list(doctor.check_data_dir(Path("/proc/platebridge")))
    assert findings[0].status == "fail"
    assert "make /proc/platebridge and give it to the user who runs the POD" in findings[0].text


def test_a_file_in_place_of_the_folder_names_the_mend(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert [f.status for f in doctor.check_data_dir(tmp_path / "data")] == ["fail"]


@pytest.mark.parametrize(
    ("free_mb", "status"),
    [(5000, "ok"), (1000, "ok"), (999, "warn"), (200, "warn"), (199, "fail"), (0, "fail")],
)
def test_little_free_space_warns_and_then_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mb: int, status: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free_mb * 1_000_000))
    assert [f.status for f in doctor.check_data_dir(tmp_path) if f.check == "disk"] == [status]


def test_what_guards_the_database_is_told(tmp_path: Path) -> None:
    assert list(doctor.check_store(tmp_path)) == []
    Store.open(tmp_path / "pod.db").close()
    assert [f.status for f in doctor.check_store(tmp_path)] == ["warn", "warn"]
    with Store.open(tmp_path / "pod.db", keeping=Keeping(reserve_bytes=4096, journal_bytes=4096)):
        until(lambda: find_copies(tmp_path / "backups"))
        assert [f.status for f in doctor.check_store(tmp_path)] == ["ok"]
    (tmp_path / "quarantine" / "20260701T000000.000000Z").mkdir(parents=True)
    assert "replaced databases lie in" in list(doctor.check_store(tmp_path))[-1].text


def test_a_network_share_is_no_place_for_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_filesystem", lambda _: "nfs4")
    assert [f.status for f in doctor.check_data_dir(tmp_path)] == ["ok", "fail", "ok"]


def test_the_filesystem_of_a_folder_is_that_of_its_nearest_mount() -> None:
    assert doctor._filesystem(Path("/proc/self")) == "proc"
    assert doctor._filesystem(Path("/sys")) in ("sysfs", "tmpfs")


@pytest.mark.parametrize(("synchronised", "status"), [(True, "ok"), (False, "warn"), (None, "warn")])
def test_a_clock_that_may_be_wrong_warns(synchronised: bool | None, status: str) -> None:
    assert doctor.check_clock(synchronised).status == status


def test_the_kernel_tells_whether_the_clock_is_synchronised() -> None:
    assert is_clock_synchronised() in (True, False)


def test_a_zone_of_ones_own_is_better_than_the_machines() -> None:
    assert (doctor.check_time_zone("Europe/Berlin").status, doctor.check_time_zone(None).status) == (
        "ok",
        "warn",
    )


def test_a_port_that_another_program_took_is_named(taken_port: int, tmp_path: Path) -> None:
    (finding,) = doctor.check_page("127.0.0.1", taken_port, data_dir=tmp_path)
    assert finding.status == "fail"
    assert f"port {taken_port} is taken by another program" in finding.text


def test_a_port_taken_while_this_pod_runs_is_no_failure(taken_port: int, tmp_path: Path) -> None:
    with InstanceLock(tmp_path):
        (finding,) = doctor.check_page("127.0.0.1", taken_port, data_dir=tmp_path)
    assert finding.status == "warn"
    (finding,) = doctor.check_page("127.0.0.1", taken_port, data_dir=tmp_path)
    assert finding.status == "fail"


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_cannot_be_listened_on(host: str, tmp_path: Path) -> None:
    (finding,) = doctor.check_page(host, 0, data_dir=tmp_path)
    assert finding.status == "fail"
    assert "not an address of this machine" in finding.text


def test_a_page_for_this_machine_alone_is_good(tmp_path: Path) -> None:
    assert [f.status for f in doctor.check_page("127.0.0.1", 0, data_dir=tmp_path)] == ["ok"]


def test_a_camera_that_shows_pictures_is_good(pictures: Path) -> None:
    assert doctor.check_camera(camera(str(pictures))) == Finding("cameras", "ok", "front: 320x200")


def test_a_camera_that_is_not_there_says_so(tmp_path: Path) -> None:
    finding = doctor.check_camera(camera(str(tmp_path / "clip.mp4")))
    assert finding.status == "fail"
    assert "clip.mp4" in finding.text


def test_a_camera_that_refuses_says_so_without_its_password() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: the connection is refused
        port = closed.getsockname()[1]
        finding = doctor.check_camera(camera(f"rtsp://user:s3cret-word@127.0.0.1:{port}/live"))
    assert finding.status == "fail"
    assert f"127.0.0.1:{port}" in finding.text
    assert "s3cret-word" not in finding.text


def test_a_camera_that_accepts_and_stays_silent_is_given_up(taken_port: int) -> None:
    finding = doctor.check_camera(camera(f"rtsp://127.0.0.1:{taken_port}/live"), timeout_s=0.3)
    assert finding.status == "fail"
    assert "check its address, network and power" in finding.text


def small_config(tmp_path: Path, **settings: object) -> PodConfig:
    return PodConfig.model_validate(
        {
            "data_dir": str(tmp_path / "data"),
            "cameras": (camera(str(tmp_path / "nothing.mp4")),),
            "gates": (GateConfig(name="main"),),
            **settings,
        }
    )


def test_a_simulated_gate_warns_that_nothing_moves_and_is_not_pulsed(tmp_path: Path) -> None:
    (finding,) = doctor.check_gates(small_config(tmp_path))
    assert finding.status == "warn"
    assert "main: simulated, nothing moves" in finding.text
    assert not (tmp_path / "data").exists()


def test_missing_models_are_told_one_by_one(tmp_path: Path) -> None:
    vision = {"detector": str(tmp_path / "d.onnx"), "recognizer": str(tmp_path / "r.onnx")}
    findings = list(doctor.check_models(small_config(tmp_path, vision=vision)))
    assert [finding.status for finding in findings] == ["fail", "fail"]
    assert "d.onnx" in findings[0].text
    assert "r.onnx" in findings[1].text


def test_good_models_are_named_with_what_they_run_on(tmp_path: Path, shared: Path) -> None:
    vision = {
        "provider": "cpu",
        "detector": str(shared / "weights" / "yolo-v9-t-416-license-plates-end2end1.onnx"),
        "recognizer": str(shared / "weights" / "cct_xs_v2_global.onnx"),
    }
    findings = list(doctor.check_models(small_config(tmp_path, vision=vision)))
    assert [finding.status for finding in findings] == ["ok", "ok"]
    assert all(" on cpu, no checksum to compare with" in finding.text for finding in findings)


def test_models_that_are_whole_are_named_with_their_checksum(tmp_path: Path) -> None:
    findings = list(doctor.check_models(small_config(tmp_path, vision={"provider": "cpu"})))
    bundled = [registry.load("bundled", task) for task in ("detector", "recognizer")]
    assert [finding.text for finding in findings] == [
        f"{model.name} on cpu, SHA-256 {model.sha256[:12]} as it should be" for model in bundled
    ]


def run_doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pod.cli", "pod", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_doctor_answers_for_the_whole_machine(tmp_path: Path, pictures: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "data_dir: data\nweb: {port: 0}\ncameras:\n  - {name: front, url: pictures, gate: main}\n"
        "  - {name: rear, url: nothing, gate: main}\ngates: [{name: main}]\n"
    )
    done = run_doctor("--json", "--config", str(config))
    answer = json.loads(done.stdout)
    by_check = {finding["check"]: finding["status"] for finding in answer["findings"]}
    assert set(by_check) == {
        "config",
        "data_dir",
        "disk",
        "time zone",
        "clock",
        "page",
        "models",
        "gates",
        "cameras",
    }
    assert {"check": "cameras", "status": "ok", "text": "front: 320x200"} in answer["findings"]
    assert (done.returncode, answer["ok"], by_check["cameras"]) == (1, False, "fail")
    assert not (tmp_path / "data").exists()


def test_config_only_looks_at_nothing_but_the_file(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("cameras: [{name: front, url: nothing, gate: main}]\ngates: [{name: main}]\n")
    done = run_doctor("--config-only", "--config", str(config))
    assert (done.returncode, done.stdout) == (0, f"ok    config     {config} can be used\n")


def test_a_bad_configuration_is_told_line_by_line(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("cameras: [{name: front, url: nothing, gate: main, loop: 7}]\ngates: [{name: mian}]\n")
    done = run_doctor("--config", str(config))
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"fail  config     {config}:1: cameras.0.gate: is not the name of any entry under gates",
        f"fail  config     {config}:1: cameras.0.loop: must be true or false",
    ]


def gate_findings(tmp_path: Path, **gate: object) -> list[Finding]:
    gates = (GateConfig.model_validate({"name": "main", **gate}),)
    return list(doctor.check_gates(small_config(tmp_path, gates=gates)))


def test_a_line_whose_chip_is_missing_fails_with_those_that_are_there(tmp_path: Path) -> None:
    line = {"chip": "no-such-chip", "line": 17, "monostable_ms": 1000}
    inputs = [{"shows": "closed", "chip": "/dev/null", "line": 3}]
    relay, limit, contact = gate_findings(tmp_path, driver="gpio", gpio=line, inputs=inputs)
    assert (relay.status, limit.status, contact.status) == ("fail", "ok", "fail")
    assert "main: relay: there is no GPIO chip labelled no-such-chip; this machine " in relay.text
    assert contact.text == "main: contact closed: /dev/null is no GPIO chip (No such device)"


@pytest.mark.parametrize(
    ("holder", "status", "words"),
    [
        pytest.param(None, "ok", "is free", id="free"),
        pytest.param("platebridge", "ok", "held by the POD", id="held-by-the-pod"),
        pytest.param("lights", "fail", "held by lights; stop that", id="held-by-another"),
    ],
)
def test_a_line_is_told_with_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, holder: str | None, status: str, words: str
) -> None:
    monkeypatch.setattr("pod.gate.drivers.gpio_chip.find_chip", lambda chip: "/dev/gpiochip0")
    monkeypatch.setattr("pod.gate.drivers.gpio_chip.holder_of", lambda chip, line: holder)
    relay, *_ = gate_findings(tmp_path, driver="gpio", gpio={"chip": "some-chip", "line": 17})
    assert relay.status == status
    assert words in relay.text
    assert "main: relay: line 17 of some-chip (/dev/gpiochip0)" in relay.text


@pytest.mark.parametrize(
    ("monostable_ms", "status", "words"),
    [
        pytest.param(None, "warn", "use a relay that limits it by itself", id="unbounded"),
        pytest.param(400, "warn", "ends the pulse of 500 ms after 400 ms", id="shorter-than-the-pulse"),
        pytest.param(800, "ok", "the relay itself ends a pulse after 800 ms", id="longer"),
    ],
)
def test_the_limit_of_the_relay_itself_is_compared_with_the_pulse(
    tmp_path: Path, monostable_ms: int | None, status: str, words: str
) -> None:
    line = {"chip": "no-such-chip", "line": 17, "monostable_ms": monostable_ms}
    limit = gate_findings(tmp_path, driver="gpio", gpio=line)[-1]
    assert limit.status == status
    assert words in limit.text


@pytest.mark.parametrize(
    ("chip", "setting", "warned"),
    [
        pytest.param("pinctrl-rp1", "Y", True, id="Pi-5-as-delivered"),
        pytest.param("pinctrl-rp1", "N", False, id="Pi-5-with-strict-gpiod"),
        pytest.param("pinctrl-bcm2711", None, True, id="Pi-4-before-the-setting"),
        pytest.param("gpio-sim.0-node0", None, False, id="another-kernel"),
    ],
)
def test_a_kernel_that_leaves_a_released_line_as_it_was_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chip: str, setting: str | None, warned: bool
) -> None:
    monkeypatch.setattr("pod.commands.doctor_gates.MODULES", tmp_path)
    module = tmp_path / ("pinctrl_rp1" if "rp1" in chip else "pinctrl_bcm2835")
    if setting is not None:
        (module / "parameters").mkdir(parents=True)
        (module / "parameters" / "persist_gpio_outputs").write_text(f"{setting}\n")
    findings = gate_findings(tmp_path, driver="gpio", gpio={"chip": chip, "line": 17, "monostable_ms": 600})
    told = [finding for finding in findings if "dtparam=strict_gpiod" in finding.text]
    assert [finding.status for finding in told] == ["warn"] * warned


def test_a_device_on_the_network_is_reached_and_not_asked(tmp_path: Path) -> None:
    with GateDevice(OK) as device:
        http = {"url": device.url("/pulse?ms={pulse_ms}")}
        (finding,) = gate_findings(tmp_path, driver="http", http=http)
        until(lambda: device.connections == 1)
    assert finding.status == "ok"
    assert device.requests in ([], [b""])


def test_a_device_that_is_not_there_fails_and_one_that_knows_no_length_is_warned_of(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    reached, length = gate_findings(tmp_path, driver="http", http={"url": f"http://127.0.0.1:{port}/on"})
    assert (reached.status, length.status) == ("fail", "warn")
    assert "was not reached" in reached.text
    assert "the device's own timer must be at 500 ms" in length.text


def test_the_fingerprint_of_the_page_is_told_and_a_certificate_that_does_not_fit_fails(
    tmp_path: Path,
) -> None:
    web = WebConfig(host="0.0.0.0")
    assert [finding.text for finding in check_certificate(web, tmp_path)] == [
        "open to the network; its certificate is made at the first start"
    ]
    certificate = certificate_of(web, tmp_path)
    assert certificate is not None
    (told,) = check_certificate(web, tmp_path)
    assert (told.status, told.text) == ("ok", f"certificate SHA-256 {certificate.fingerprint}")
    certificate.path.write_text("no PEM")
    (told,) = check_certificate(web, tmp_path)
    assert (told.status, told.check) == ("fail", "page")
