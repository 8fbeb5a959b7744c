"""WebRTC viewers who watch, come and go while something else is measured."""

import threading
from types import TracebackType
from typing import Self

from benchmarks.webrtc_receivers import Receiver, Receivers
from benchmarks.webrtc_whep import WhepCamera, WhepSession

STAYING = 16
COMING_AND_GOING = 4
_WATCHED_S = 2.0


class WebrtcStorm:
    """`with WebrtcStorm(camera, receivers) as storm:` blows while it lasts, on a thread of its own.

    Attributes:
        opened: sessions so far, those that stay included.
    """

    def __init__(self, camera: WhepCamera, receivers: Receivers, *, staying: int = STAYING) -> None:
        self.opened = 0
        self._camera = camera
        self._receivers = receivers
        self._staying = staying
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._blow, name="storm")
        self._fault: Exception | None = None

    def check(self) -> None:
        """
        Raises:
            RuntimeError: it stopped blowing, or one of those that stay gets nothing.
        """
        if self._fault is not None:
            raise RuntimeError(f"the storm of viewers ended: {self._fault}")

    def _blow(self) -> None:
        try:
            while not self._over.is_set():
                visitors = [self._open() for _ in range(COMING_AND_GOING)]
                self._over.wait(_WATCHED_S)
                for visitor, session in visitors:
                    session.end()
                    visitor.close()
        except Exception as error:  # told by check, on the thread that measures
            self._fault = error

    def _open(self) -> tuple[Receiver, WhepSession]:
        viewer = self._receivers.new()
        session = self._camera.open(viewer)
        self.opened += 1
        return viewer, session

    def __enter__(self) -> Self:
        for _ in range(self._staying):
            self._open()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
