"""A device on the network that is gone is told before a car needs it, and is asked for nothing meanwhile."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import gate_clips
import pytest
import running_pod
from gate_device import OK, GateDevice
from gate_fixtures import until
from running_pod import RunningPod

from pod.config import GateConfig
from pod.gate.device_watch import DeviceWatch


def http_gate(url: str) -> GateConfig:
    http = {"url": url, "timeout_ms": 400}
    return GateConfig.model_validate({"name": "web", "driver": "http", "http": http})


def no_bug(error: Exception) -> None:
    raise AssertionError(error)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod.gate.device_watch.EVERY_S", 0.02)
    monkeypatch.setattr("pod.gate.device_watch.AGAIN_S", 0.02)


@pytest.mark.usefixtures("soon")
def test_a_device_that_goes_and_comes_is_told_without_a_request() -> None:
    device = GateDevice(OK)
    watch = DeviceWatch(http_gate(device.url()), on_fault=no_bug)
    try:
        with device:
            watch.start()
            until(lambda: device.connections > 3)
            assert watch.fault is None
        until(lambda: watch.fault is not None)
        assert f"127.0.0.1:{device.port} was not reached" in str(watch.fault)
        with socket.create_server(("127.0.0.1", device.port)):
            until(lambda: watch.fault is None)
    finally:
        watch.stop()
    assert not any(device.requests), "a request was sent"


def test_a_name_whose_look_up_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pod.gate.device_watch.LONGEST_LOOK_S", 0.05)
    answer = threading.Event()

    def hangs(*_: object, **__: object) -> list[object]:
        answer.wait(10)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hangs)
    watch = DeviceWatch(http_gate("http://relay.example/"), on_fault=no_bug)
    watch.start()
    try:
        until(lambda: watch.fault is not None and "look-up of its name hangs" in watch.fault)
    finally:
        watch.stop()
        answer.set()


def test_a_bug_in_the_watch_is_told_and_never_a_device_that_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(gate: GateConfig) -> str | None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pod.gate.device_watch.device_fault", fails)
    told: list[Exception] = []
    DeviceWatch(http_gate("http://127.0.0.1/"), on_fault=told.append).start()
    until(lambda: [str(error) for error in told] == ["a bug"])


def gate_health(pod: RunningPod, get: Callable[[str], bytes]) -> tuple[str, str]:
    [gate] = [part for part in json.loads(get("healthz"))["parts"] if part["part"] == "gate main"]
    return gate["status"], gate["sentence"]


def test_a_pod_whose_device_is_gone_is_degraded_and_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gate = {"driver": "http", "http": {"url": f"http://127.0.0.1:{port}/pulse"}}
    with RunningPod(tmp_path, str(gate_clips.visits()), sections={"gate": gate}) as pod:
        running_pod.until(lambda: pod.address is not None, what="the page")
        running_pod.until(lambda: gate_health(pod, pod.get)[0] == "degraded", what="the look at the device")
        assert f"127.0.0.1:{port} was not reached" in gate_health(pod, pod.get)[1]
