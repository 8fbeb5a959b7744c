"""A GPIO chip of the kernel's gpio-sim: made through configfs, its wires pulled and read through sysfs."""

from pathlib import Path
from typing import Literal

CONFIG = Path("/sys/kernel/config/gpio-sim")

Pull = Literal["pull-up", "pull-down"]


class SimChip:
    """One chip from its making to the power-off.

    Attributes:
        device: its character device.
    """

    def __init__(self, name: str, *, label: str, lines: dict[int, str], count: int) -> None:
        """Make the chip.

        Args:
            label: what a configuration finds it by.
            lines: offset -> name, of the lines that have one.
            count: how many lines it has.
        """
        bank = CONFIG / name / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(count))
        (bank / "label").write_text(label)
        for offset, line_name in lines.items():
            (bank / f"line{offset}").mkdir()
            (bank / f"line{offset}" / "name").write_text(line_name)
        (CONFIG / name / "live").write_text("1")
        chip = (bank / "chip_name").read_text().strip()
        self.device = f"/dev/{chip}"
        self._wires = Path("/sys/devices/platform", (CONFIG / name / "dev_name").read_text().strip(), chip)

    def pull(self, offset: int, pull: Pull) -> None:
        """Where the wire goes while nobody drives it: what a resistor, or a contact that closes, does."""
        (self._wires / f"sim_gpio{offset}" / "pull").write_text(pull)

    def level(self, offset: int) -> int:
        """The wire as a voltmeter sees it: 0 or 1."""
        return int((self._wires / f"sim_gpio{offset}" / "value").read_text())
