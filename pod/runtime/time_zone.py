"""The time zone that people at the site live in."""

import os
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(configured: str | None) -> ZoneInfo:
    """The configured zone, or the machine's where none is."""
    return ZoneInfo(configured) if configured else system_zone()


def system_zone() -> ZoneInfo:
    """The machine's time zone by its IANA name; UTC where it tells none."""
    names = (
        os.environ.get("TZ", ""),
        _first_line(Path("/etc/timezone")),
        _linked_zone(Path("/etc/localtime")),
    )
    for name in names:
        # ZoneInfo refuses a name that leads out of the zone directory with ValueError.
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            if name:
                return ZoneInfo(name.removeprefix(":"))
    return ZoneInfo("UTC")


def _first_line(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text("utf-8").partition("\n")[0].strip()
    return ""


def _linked_zone(path: Path) -> str:
    """The zone a link into the zone directory names, such as ../usr/share/zoneinfo/Europe/Berlin."""
    with suppress(OSError):
        return str(path.readlink()).partition("zoneinfo/")[2]
    return ""
