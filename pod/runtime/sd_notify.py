"""Tell systemd how the pod fares (sd_notify(3)): a few words over a datagram socket; silent elsewhere."""

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class SystemdNotifier:
    """What the service manager wants to hear. Never blocks, never raises.

    Attributes:
        watchdog_interval_s: how often to call `watchdog`, half of WatchdogSec; None where there is none.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_interval_s = _watchdog_interval_s(environ)

    def ready(self, status: str) -> None:
        """The pod has started; `status` is shown by `systemctl status`."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def extend_start(self, by_s: float) -> None:
        """The start goes on; systemd gives it up where nothing more is heard for so long."""
        self._send(f"EXTEND_TIMEOUT_USEC={by_s * 1e6:.0f}")

    def watchdog(self) -> None:
        """All critical parts work. Not calling this for WatchdogSec restarts the pod."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The pod has begun to shut down."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as notify:
                notify.sendto(message.encode(), self._address)
        except OSError as fault:
            log.warning("systemd was not told %s: %s", message.partition("=")[0], fault)


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    allowed_us, for_pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    meant_for_us = for_pid in ("", str(os.getpid()))
    if not (allowed_us.isdecimal() and int(allowed_us) > 0 and meant_for_us):
        return None
    return int(allowed_us) / 1e6 / 2


def _one_line(text: str) -> str:
    return " ".join(text.split())
