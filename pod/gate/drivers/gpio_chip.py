"""Find a GPIO chip by its label, take one of its lines, and say what mends a fault. Runs inside the guard.

Uses gpiod, the Python binding of libgpiod 2, over the kernel's character devices.
"""

import errno
from pathlib import Path

import gpiod

CONSUMER = "platebridge"
"""How the lines name their holder; `gpioinfo` shows it."""

DEVICES = "/dev"

BIASES = {
    "as_is": gpiod.line.Bias.AS_IS,
    "pull_up": gpiod.line.Bias.PULL_UP,
    "pull_down": gpiod.line.Bias.PULL_DOWN,
    "off": gpiod.line.Bias.DISABLED,
}


def take_line(chip: str, line: str, settings: gpiod.LineSettings) -> gpiod.LineRequest:
    """Take one line of a chip.

    Args:
        chip: its label, such as `pinctrl-rp1`, or its device, such as /dev/gpiochip0.
        line: its offset on the chip, or its name.

    Raises:
        OSError: no such chip or line, it is held by another (EBUSY), or this process may not have it.
    """
    device = find_chip(chip)
    with _opened(device) as opened:
        offset = _offset(opened, device, line)
        try:
            return opened.request_lines({offset: settings}, consumer=CONSUMER)
        except OSError as fault:
            if fault.errno == errno.EBUSY:
                holder = opened.get_line_info(offset).consumer or "the kernel"
                mend = f"stop that program, or choose another line (gpioinfo {device} shows them)"
                raise OSError(errno.EBUSY, f"line {line} of {chip} is held by {holder}; {mend}") from fault
            if fault.errno in (errno.EACCES, errno.EPERM):
                raise OSError(fault.errno, _permission_mend(device)) from fault
            what = f"{device} did not give line {line} ({fault.strerror})"
            raise OSError(fault.errno, f"{what}; does the chip support this bias and direction?") from fault


def find_chip(chip: str) -> str:
    """The device of the chip that has this label, or the device itself.

    Raises:
        OSError: none or several have it, or it may not be opened.
    """
    if chip.startswith("/"):
        if not Path(chip).exists():
            raise OSError(errno.ENOENT, f"there is no {chip}; {_labels_there_are()}")
        return chip
    labels, hidden = _labels()
    found = [device for device, label in labels.items() if label == chip]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(found)
        raise OSError(
            errno.EINVAL, f"several GPIO chips are labelled {chip}: name one by its path, {several}"
        )
    if hidden:
        raise OSError(
            errno.EACCES, f"no GPIO chip labelled {chip} can be seen; {_permission_mend(hidden[0])}"
        )
    raise OSError(errno.ENODEV, f"there is no GPIO chip labelled {chip}; {_labels_there_are()}")


def label_of(chip: str) -> str:
    """The label of a chip that may be given by its path; "" where it cannot be opened."""
    if not chip.startswith("/"):
        return chip
    try:
        with gpiod.Chip(chip) as opened:
            return opened.get_info().label
    except OSError:
        return ""


def holder_of(chip: str, line: str) -> str | None:
    """Who holds a line now: the name that its holder gave; None while it is free.

    Raises:
        OSError: as `take_line`.
    """
    device = find_chip(chip)
    with _opened(device) as opened:
        info = opened.get_line_info(_offset(opened, device, line))
    return (info.consumer or "the kernel") if info.used else None


def _opened(device: str) -> gpiod.Chip:
    try:
        return gpiod.Chip(device)
    except PermissionError as fault:
        raise OSError(fault.errno, _permission_mend(device)) from fault
    except OSError as fault:
        raise OSError(fault.errno, f"{device} is no GPIO chip ({fault.strerror})") from fault


def _offset(chip: gpiod.Chip, device: str, line: str) -> int:
    try:
        return chip.line_offset_from_id(line)
    except (OSError, ValueError, OverflowError) as fault:
        last = chip.get_info().num_lines - 1
        mend = f"it has 0 to {last}, and names that gpioinfo {device} shows"
        raise OSError(errno.ENOENT, f"{device} has no line {line}; {mend}") from fault


def _labels() -> tuple[dict[str, str], list[str]]:
    """Device -> label of every chip that can be opened, and the devices that may not be."""
    labels: dict[str, str] = {}
    hidden: list[str] = []
    for path in sorted(Path(DEVICES).glob("gpiochip*")):
        if path.is_symlink():  # Raspberry Pi OS keeps old names beside the chips.
            continue
        try:
            with gpiod.Chip(str(path)) as chip:
                labels[str(path)] = chip.get_info().label
        except PermissionError:
            hidden.append(str(path))
        except OSError:
            continue  # Unplugged while we looked, or no chip after all.
    return labels, hidden


def _labels_there_are() -> str:
    labels, hidden = _labels()
    if labels:
        return "this machine has: " + ", ".join(f"{label} ({device})" for device, label in labels.items())
    if hidden:
        return _permission_mend(hidden[0])
    return "this machine shows none; turn GPIO on, and give the service its device (DeviceAllow=)"


def _permission_mend(device: str) -> str:
    return (
        f"{device} may not be opened; put this user into the group that owns it (mostly gpio), and let the "
        "service see it: PrivateDevices=no, DeviceAllow= and SupplementaryGroups= in its unit"
    )
