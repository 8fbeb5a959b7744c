"""The shipped unit: accepted by systemd, well confined, and set up as the promises of the gate need it."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "platebridge.service"
GPIO = UNIT.with_name("gpio.conf")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def exposure_of(unit: Path) -> float:
    result = analyze("security", "--offline=true", "--no-pager", str(unit))
    if "unrecognized option" in result.stderr:
        pytest.skip("needs systemd 250 for offline analysis")
    exposure = re.search(r"exposure level for platebridge.service: ([\d.]+)", result.stdout)
    assert exposure is not None, result.stderr
    return float(exposure[1])


def service() -> dict[str, str]:
    """The [Service] section; of a setting given twice, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read(UNIT)
    return dict(parser["Service"])


@needs_systemd
def test_systemd_accepts_the_unit_without_a_warning(tmp_path: Path) -> None:
    installed = tmp_path / UNIT.name
    # The program is not installed where the unit expects it; all else is as shipped.
    installed.write_text(
        re.sub(r"^(Exec\w+=-?)/opt\S+", r"\1/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    )
    result = analyze("verify", "--man=no", str(installed))
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
def test_with_the_drop_in_for_gpio_it_is_accepted_and_still_confined(tmp_path: Path) -> None:
    installed = tmp_path / UNIT.name
    installed.write_text(
        re.sub(r"^(Exec\w+=-?)/opt\S+", r"\1/bin/true", UNIT.read_text(), flags=re.MULTILINE)
        + GPIO.read_text()
    )
    result = analyze("verify", "--man=no", str(installed))
    assert (result.returncode, result.stderr) == (0, "")
    exposure = exposure_of(installed)
    assert exposure <= 2.5


def test_every_relay_is_brought_to_rest_however_the_pod_ended() -> None:
    command = service()["ExecStopPost"]
    assert command.startswith("-"), "a line that cannot be driven must not keep the pod from its restart"
    assert command.endswith("platebridge gate rest --config /etc/platebridge/config.yaml")


@needs_systemd
def test_the_service_is_confined() -> None:
    assert exposure_of(UNIT) <= 2.0


def test_a_hang_or_a_crash_restarts_the_pod_for_ever() -> None:
    settings = service()
    assert settings["Type"] == "notify"
    assert settings["Restart"] == "always"
    assert settings["WatchdogSec"].endswith("s")
    assert "StartLimitIntervalSec=0" in UNIT.read_text().splitlines()


def test_stopping_tells_the_pod_and_not_its_guard() -> None:
    assert service()["KillMode"] == "mixed"


def test_the_pod_may_ask_whether_the_clock_is_synchronised_and_may_not_set_it() -> None:
    settings = service()
    assert "adjtimex" in settings["SystemCallFilter"].split()
    assert "ProtectClock" not in settings
    assert settings["CapabilityBoundingSet"] == ""


def test_the_encoder_of_live_video_may_lower_its_priority() -> None:
    assert "setpriority" in service()["SystemCallFilter"].split()
