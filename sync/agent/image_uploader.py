"""Bring pictures to the portal over HTTPS, on a thread of its own: what no gate, list or audit waits for."""

import threading
from collections import deque
from collections.abc import Callable

from sync.agent.identity_error import IdentityError
from sync.agent.portal_client import PortalClient, PortalRefusedError
from sync.agent.ports import ImageSource
from sync.protocol.portal import OfferedImage

WAITING = 2_000
WAITING_BYTES = 512 * 2**20
"""Pictures that may wait, and their bytes on the disk; the oldest make room."""

PART_BYTES = 256 * 2**10
AGAIN_S, AGAIN_AT_MOST_S = 5.0, 300.0

_COME_AGAIN = frozenset({401, 408, 409, 429})
"""Refusals that say nothing of the picture: a key that is renewed, an upload that still ends, too many."""


class ImageUploader:
    """One thread that uploads what was offered, the oldest first. `offer` may be called by any thread.

    Attributes:
        sent: pictures that the portal has.
        dropped: that made room for newer ones, were refused, or were gone when it was their turn.
        failures: attempts that broke; each goes on where it broke.
    """

    def __init__(
        self,
        client: Callable[[], PortalClient],
        source: ImageSource,
        *,
        on_fault: Callable[[Exception], None],
        again_s: float = AGAIN_S,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        """
        Args:
            client: of the portal as it is now; it may raise IdentityError.
            on_fault: called on the uploader's thread, for what is no trouble of the network.
            again_s: before the next attempt after one that broke; doubled each time.
        """
        self.sent = self.dropped = self.failures = 0
        self._client, self._source, self._on_fault = client, source, on_fault
        self._again_s, self._most_bytes = again_s, waiting_bytes
        self._waiting: deque[OfferedImage] = deque()
        self._bytes = 0
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sync-images", daemon=True)

    @property
    def waiting_bytes(self) -> int:
        """Of pictures that wait."""
        return self._bytes

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no other part; the request that is under way is left to its end."""
        self._stopping.set()
        with self._news:
            self._news.notify_all()

    def offer(self, image: OfferedImage) -> None:
        """Have a picture uploaded some time. Never blocks."""
        with self._news:
            if image.size_bytes > self._most_bytes:
                self.dropped += 1
                return
            self._waiting.append(image)
            self._bytes += image.size_bytes
            while len(self._waiting) > WAITING or self._bytes > self._most_bytes:
                self._bytes -= self._waiting.popleft().size_bytes
                self.dropped += 1
            self._news.notify_all()

    def _run(self) -> None:
        failures = 0
        while (image := self._next()) is not None:
            try:
                is_kept = self._upload(image)
            except PortalRefusedError as refused:
                is_kept = False
                if refused.status >= 500 or refused.status in _COME_AGAIN:
                    is_kept = None
            except IdentityError:
                is_kept = None
            except Exception as error:
                self._on_fault(error)
                is_kept = False
            if is_kept is None:
                failures += 1
                self.failures += 1
                self._stopping.wait(min(AGAIN_AT_MOST_S, self._again_s * 2 ** min(failures - 1, 10)))
            else:
                failures = 0
                self._done(image, is_kept=is_kept)

    def _next(self) -> OfferedImage | None:
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._stopping.is_set())
            return None if self._stopping.is_set() else self._waiting[0]

    def _done(self, image: OfferedImage, *, is_kept: bool) -> None:
        with self._news:
            if self._waiting and self._waiting[0] is image:  # else it made room meanwhile
                self._waiting.popleft()
                self._bytes -= image.size_bytes
                self.sent += is_kept
                self.dropped += not is_kept

    def _upload(self, image: OfferedImage) -> bool | None:
        """Whether it is there now; None: it broke off.

        Raises:
            IdentityError: the portal cannot be asked, or refuses.
        """
        client = self._client()
        place = client.offer_image(image)
        while place.from_byte is not None:
            if self._stopping.is_set():
                return None
            part = self._source.read(image.name, place.from_byte, most_bytes=PART_BYTES)
            if not part:
                return False
            place = client.put_image(image.name, part, from_byte=place.from_byte)
        return True
