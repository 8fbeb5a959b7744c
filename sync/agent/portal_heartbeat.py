"""Tell the portal over HTTPS that the POD is alive, for as long as no broker can be reached."""

import threading
from collections.abc import Callable

from sync.agent.identity_error import IdentityError
from sync.agent.portal_client import PortalClient
from sync.protocol.health import Health
from sync.protocol.portal import Heartbeat


class PortalHeartbeat:
    """One thread that does so.

    Attributes:
        sent: heartbeats that the portal heard.
        failures: that it did not.
    """

    def __init__(
        self,
        client: Callable[[], PortalClient],
        *,
        health: Callable[[], Health],
        is_needed: Callable[[], bool],
        on_fault: Callable[[Exception], None],
        every_s: float,
    ) -> None:
        """
        Args:
            client: of the portal as it is now; it may raise IdentityError.
            is_needed: whether no broker is connected; asked twice in a row, so that a short break is none.
            on_fault: called on this thread, for what is no trouble of the network.
        """
        self.sent = self.failures = 0
        self._client, self._health = client, health
        self._is_needed, self._on_fault, self._every_s = is_needed, on_fault, every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync-heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no other; the one that is under way is left to its end."""
        self._stopping.set()

    def _run(self) -> None:
        was_needed = False
        while not self._stopping.wait(self._every_s):
            is_needed = self._is_needed()
            if is_needed and was_needed:
                self._tell()
            was_needed = is_needed

    def _tell(self) -> None:
        try:
            health = self._health()
            self._client().heartbeat(Heartbeat(tailscale_ip=health.tailscale_ip, health=health))
            self.sent += 1
        except IdentityError:
            self.failures += 1
        except Exception as error:
            self._on_fault(error)
