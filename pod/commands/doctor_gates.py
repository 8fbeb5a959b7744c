"""The doctor's checks of gates: lines, contacts and devices are looked at; none is taken, driven or asked."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from pod.commands.finding import Finding, Status
from pod.config import GateConfig, PodConfig
from pod.config_gates import GpioConfig, HttpConfig, InputConfig
from pod.domain.errors import PlateBridgeError

MODULES = Path("/sys/module")

KEEPERS = {"pinctrl-rp1": "pinctrl_rp1", "pinctrl-bcm": "pinctrl_bcm2835"}
"""Beginning of a chip's label -> the kernel module that may leave a released line as it was driven."""


def check_gates(config: PodConfig) -> Iterator[Finding]:
    """Whether the guard process starts here, and what stands in the way of each gate."""
    from pod.gate.guard_client import RUN_DIR
    from pod.gate.latches import Latches

    if (fault := _guard_fault()) is not None:
        yield Finding("gates", "fail", fault)
        return
    latches = Latches(Path(config.data_dir) / RUN_DIR)
    for gate in config.gates:
        if (latch := latches.read(gate.name)) is not None:
            yield Finding("gates", "fail", f"{gate.name}: latched: {latch.sentence()}")
        if gate.gpio is not None:
            yield from _check_line(gate, gate.gpio)
        elif gate.http is not None:
            yield from _check_device(gate, gate.http)
        else:
            text = f"{gate.name}: simulated, nothing moves; that is right for trying out only"
            yield Finding("gates", "warn", text)
        for one in gate.inputs:
            yield from _check_input(gate.name, one)


def _guard_fault() -> str | None:
    """Why a guard does not start, tried with a line that is only a file; None when it does."""
    from pod.gate.guard_client import GuardClient

    with tempfile.TemporaryDirectory(prefix="platebridge-doctor-") as folder:
        try:
            guard = GuardClient.start([GateConfig(name="doctor")], Path(folder))
        except PlateBridgeError as error:
            return str(error)
        state = guard.state("doctor")
        guard.close()
    return None if state.condition == "ready" else state.reason


def _check_line(gate: GateConfig, line: GpioConfig) -> Iterator[Finding]:
    yield _line_finding(f"{gate.name}: relay", line.chip, line.line)
    if (keeper := _keeper(line.chip)) is not None:
        text = (
            f"{gate.name}: this kernel leaves a line as it was when its holder dies, so a killed guard could "
            f"leave the relay on; add dtparam=strict_gpiod to config.txt and start again ({keeper})"
        )
        yield Finding("gates", "warn", text)
    yield _limit_finding(gate, line)


def _limit_finding(gate: GateConfig, line: GpioConfig) -> Finding:
    if line.monostable_ms is None:
        text = (
            f"{gate.name}: nothing bounds the pulse when the whole machine freezes; use a relay that limits "
            "it by itself (monostable), and write its time as monostable_ms"
        )
        return Finding("gates", "warn", text)
    if line.monostable_ms < gate.pulse_ms:
        text = (
            f"{gate.name}: the relay ends the pulse of {gate.pulse_ms} ms after {line.monostable_ms} ms; "
            "lower pulse_ms, or set the relay higher"
        )
        return Finding("gates", "warn", text)
    return Finding("gates", "ok", f"{gate.name}: the relay itself ends a pulse after {line.monostable_ms} ms")


def _check_input(gate: str, one: InputConfig) -> Iterator[Finding]:
    if one.chip is not None and one.line is not None:
        yield _line_finding(f"{gate}: contact {one.shows}", one.chip, one.line)


def _line_finding(what: str, chip: str, line: str) -> Finding:
    from pod.gate.drivers.gpio_chip import CONSUMER, find_chip, holder_of
    from pod.gate.drivers.line import fault_text

    try:
        where = f"{what}: line {line} of {chip} ({find_chip(chip)})"
        holder = holder_of(chip, line)
    except OSError as fault:
        return Finding("gates", "fail", f"{what}: {fault_text(fault)}")
    if holder is None:
        return Finding("gates", "ok", f"{where} is free")
    if holder == CONSUMER:
        return Finding("gates", "ok", f"{where} is held by the POD, as it should be while it runs")
    return Finding("gates", "fail", f"{where} is held by {holder}; stop that, or choose another line")


def _keeper(chip: str) -> str | None:
    """The setting of the kernel that leaves a released line as it was; None where it does not."""
    from pod.gate.drivers.gpio_chip import label_of

    label = label_of(chip)
    for beginning, module in KEEPERS.items():
        if label.startswith(beginning):
            setting = MODULES / module / "parameters" / "persist_gpio_outputs"
            try:
                keeps = setting.read_text().strip() != "N"
            except OSError:
                keeps = True  # Kernels from before the setting always keep it.
            return f"{module}.persist_gpio_outputs" if keeps else None
    return None


def _check_device(gate: GateConfig, given: HttpConfig) -> Iterator[Finding]:
    from pod.gate.device_watch import device_fault

    fault = device_fault(gate)
    status: Status = "ok" if fault is None else "fail"
    yield Finding(
        "gates", status, f"{gate.name}: {fault or 'the device takes connections; it was not asked'}"
    )
    if "{pulse_ms}" not in given.url and "{pulse_s}" not in given.url:
        text = (
            f"{gate.name}: its address holds no length; the device's own timer must be at {gate.pulse_ms} ms"
        )
        yield Finding("gates", "warn", text)
