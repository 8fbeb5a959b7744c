"""The gpio driver against a stand-in chip: no kernel here has one. The drill runs it on a real kernel's."""

import errno
from pathlib import Path
from typing import Any

import gpiod
import pytest
from gpiod.line import Bias, Direction, Edge, Value

from pod.gate.drivers import gpio_chip
from pod.gate.drivers.gpio import GpioInput, GpioLine
from pod.gate.drivers.line import fault_text

RELAY = {"chip": "pinctrl-rp1", "line": "17", "active_low": False, "bias": "pull_down"}
CONTACT = {"chip": "pinctrl-rp1", "line": "GATE", "active_low": True, "bias": "pull_up", "debounce_ms": 30}


class Kernel:
    """Chips by device, and every call that touched a line, in order."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.settings: gpiod.LineSettings | None = None
        self.holder: str | None = None
        self.denied: set[str] = set()
        self.value = Value.INACTIVE
        self.fault: OSError | None = None

    def chip(self, device: str) -> "Chip":
        if device in self.denied:
            raise PermissionError(errno.EACCES, "Permission denied")
        if device not in self.labels:
            raise OSError(errno.ENODEV, "No such device")
        return Chip(self, device)


class Chip:
    def __init__(self, kernel: Kernel, device: str) -> None:
        self.kernel, self.device = kernel, device

    def __enter__(self) -> "Chip":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_info(self) -> Any:
        return type("Info", (), {"label": self.kernel.labels[self.device], "num_lines": 54})

    def line_offset_from_id(self, line: str) -> int:
        if line == "GATE":
            return 27
        if not line.isdigit():
            raise OSError(errno.ENOENT, "No such file or directory")
        if int(line) >= 54:
            raise ValueError("line offset of out range")
        return int(line)

    def get_line_info(self, offset: int) -> Any:
        return type("Info", (), {"consumer": self.kernel.holder, "used": self.kernel.holder is not None})

    def request_lines(self, config: dict[int, gpiod.LineSettings], consumer: str) -> "Request":
        if self.kernel.fault is not None:
            raise self.kernel.fault
        if self.kernel.holder is not None:
            raise OSError(errno.EBUSY, "Device or resource busy")
        ((offset, settings),) = config.items()
        self.kernel.settings = settings
        self.kernel.calls.append(("request", self.device, offset, consumer))
        return Request(self.kernel, offset)


class Request:
    fd = 99

    def __init__(self, kernel: Kernel, offset: int) -> None:
        self.kernel, self.offsets = kernel, [offset]

    def set_value(self, offset: int, value: Value) -> None:
        self.kernel.calls.append(("set", offset, value))
        if self.kernel.fault is not None:
            raise self.kernel.fault

    def get_value(self, offset: int) -> Value:
        return self.kernel.value

    def wait_edge_events(self, timeout: float) -> bool:
        return False

    def release(self) -> None:
        self.kernel.calls.append(("release",))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    stand_in = Kernel()
    monkeypatch.setattr(gpio_chip.gpiod, "Chip", stand_in.chip)
    monkeypatch.setattr(gpio_chip, "DEVICES", str(tmp_path))
    for number, label in enumerate(("pinctrl-rp1", "gpio-brcmstb")):
        (tmp_path / f"gpiochip{number}").touch()
        stand_in.labels[str(tmp_path / f"gpiochip{number}")] = label
    return stand_in


def test_the_line_is_inactive_from_the_one_call_that_makes_it_an_output(
    kernel: Kernel, tmp_path: Path
) -> None:
    GpioLine(RELAY)
    assert kernel.calls == [("request", str(tmp_path / "gpiochip0"), 17, "platebridge")]
    assert kernel.settings == gpiod.LineSettings(
        direction=Direction.OUTPUT, output_value=Value.INACTIVE, bias=Bias.PULL_DOWN
    )


def test_a_pulse_sets_active_and_inactive_and_a_release_drives_inactive_first(kernel: Kernel) -> None:
    line = GpioLine(RELAY)
    line.on("p")
    line.off("p")
    line.release()
    line.release()
    assert kernel.calls[1:] == [
        ("set", 17, Value.ACTIVE),
        ("set", 17, Value.INACTIVE),
        ("set", 17, Value.INACTIVE),
        ("release",),
    ]


def test_a_line_that_cannot_be_driven_to_rest_is_given_back_all_the_same(kernel: Kernel) -> None:
    line = GpioLine(RELAY)
    kernel.fault = OSError(errno.EIO, "Input/output error")
    with pytest.raises(OSError, match="Input/output"):
        line.release()
    assert kernel.calls[-1] == ("release",)


def test_a_line_that_was_given_back_is_never_driven_again(kernel: Kernel) -> None:
    line = GpioLine(RELAY)
    line.release()
    calls = list(kernel.calls)
    with pytest.raises(OSError, match="line 17 of pinctrl-rp1 was given back"):
        line.on("p")
    assert kernel.calls == calls


def test_active_low_is_left_to_the_kernel(kernel: Kernel) -> None:
    GpioLine(RELAY | {"active_low": True})
    assert kernel.settings is not None
    assert kernel.settings.active_low
    assert kernel.settings.output_value is Value.INACTIVE


def test_a_contact_is_an_input_with_its_bias_and_its_calm(kernel: Kernel) -> None:
    contact = GpioInput(CONTACT)
    assert kernel.settings is not None
    assert kernel.settings.direction is Direction.INPUT
    assert kernel.settings.edge_detection is Edge.BOTH
    assert kernel.settings.debounce_period.total_seconds() == pytest.approx(0.03)
    assert (kernel.settings.active_low, kernel.settings.bias) == (True, Bias.PULL_UP)
    assert contact.read()[0] is False
    kernel.value = Value.ACTIVE
    assert contact.read()[0] is True
    assert contact.fileno() == 99


def refusal(given: dict[str, Any]) -> OSError:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (the callers look at what it says)
        GpioLine(given)
    return caught.value


def test_a_chip_that_is_not_there_is_answered_with_those_that_are(kernel: Kernel, tmp_path: Path) -> None:
    assert fault_text(refusal(RELAY | {"chip": "pinctrl-bcm2711"})) == (
        "there is no GPIO chip labelled pinctrl-bcm2711; this machine has: "
        f"pinctrl-rp1 ({tmp_path}/gpiochip0), gpio-brcmstb ({tmp_path}/gpiochip1)"
    )
    assert "this machine has: pinctrl-rp1" in str(refusal(RELAY | {"chip": "/dev/gpiochip77"}))


def test_a_machine_without_chips_says_how_to_get_one(kernel: Kernel) -> None:
    kernel.labels.clear()
    assert "this machine shows none; turn GPIO on, and give the service its device" in str(refusal(RELAY))


def test_a_label_that_two_chips_have_is_refused_with_their_paths(kernel: Kernel, tmp_path: Path) -> None:
    kernel.labels[str(tmp_path / "gpiochip1")] = "pinctrl-rp1"
    text = str(refusal(RELAY))
    assert f"name one by its path, {tmp_path}/gpiochip0, {tmp_path}/gpiochip1" in text


def test_an_old_name_that_links_to_a_chip_is_no_second_chip(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "gpiochip4").symlink_to(tmp_path / "gpiochip0")
    kernel.labels[str(tmp_path / "gpiochip4")] = "pinctrl-rp1"
    GpioLine(RELAY)


def test_a_held_line_names_its_holder_and_may_be_asked_for_again(kernel: Kernel) -> None:
    kernel.holder = "lights"
    fault = refusal(RELAY)
    assert fault.errno == errno.EBUSY
    assert "line 17 of pinctrl-rp1 is held by lights; stop that program" in fault_text(fault)


@pytest.mark.parametrize("where", ["chip", "path", "line"])
def test_a_lack_of_rights_names_the_group_and_the_setting_of_the_service(
    kernel: Kernel, tmp_path: Path, where: str
) -> None:
    device = str(tmp_path / "gpiochip0")
    if where == "line":
        kernel.fault = PermissionError(errno.EPERM, "Operation not permitted")
    else:
        kernel.denied.add(device)
    text = str(refusal(RELAY | ({"chip": device} if where == "path" else {})))
    assert "put this user into the group that owns it (mostly gpio)" in text
    assert "DeviceAllow=" in text


@pytest.mark.parametrize("line", ["54", "NOPE", "99999999999"])
def test_a_line_that_the_chip_does_not_have_is_refused_with_those_it_has(kernel: Kernel, line: str) -> None:
    assert f"has no line {line}; it has 0 to 53" in str(refusal(RELAY | {"line": line}))


def test_what_a_chip_cannot_do_is_said(kernel: Kernel) -> None:
    kernel.fault = OSError(errno.EOPNOTSUPP, "Operation not supported")
    assert "does the chip support this bias and direction?" in str(refusal(RELAY))


def test_who_holds_a_line_is_told_without_taking_it(kernel: Kernel) -> None:
    assert gpio_chip.holder_of("pinctrl-rp1", "17") is None
    kernel.holder = "platebridge"
    assert gpio_chip.holder_of("pinctrl-rp1", "17") == "platebridge"
    assert kernel.calls == []
