"""The thread that decodes one session: units in from a bounded queue, frames out as they are done."""

import math
import threading
from collections.abc import Callable

import av.error

from pod.media.decoder import Decoder
from pod.media.fanout import Subscription
from pod.media.frame import AccessUnit, Frame


class DecodeThread:
    """Decodes every unit of its subscription, until `end`."""

    def __init__(
        self,
        camera: str,
        session: int,
        *,
        decoder: Decoder,
        units: Subscription,
        deliver: Callable[[Frame], None],
        on_quiet: Callable[[], None],
        on_fault: Callable[[Exception], None],
        quiet_s: float,
    ) -> None:
        """
        Args:
            deliver: takes each frame whose age is known; called in this thread.
            on_quiet: called in this thread whenever no unit came for `quiet_s`.
            on_fault: told, in this thread, the bug that ended it.
        """
        self.corrupt = 0
        self.undated = 0
        self._frames = 0
        self._discard = False
        self._camera = camera
        self._session = session
        self._decoder = decoder
        self._units = units
        self._deliver = deliver
        self._on_quiet = on_quiet
        self._on_fault = on_fault
        self._quiet_s = quiet_s
        self._thread = threading.Thread(target=self._run, name=f"decode-{camera}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self, *, discard: bool) -> None:
        """Close the subscription; what is queued and what the decoder holds back is shown or discarded."""
        self._discard = discard
        self._units.close(discard=discard)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread after `end`; False when it did not come in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._decode_all()
        except Exception as error:
            self._on_fault(error)

    def _decode_all(self) -> None:
        while True:
            unit = self._units.take(self._quiet_s)
            if unit is not None:
                self._decode(unit)
            elif self._units.closed:
                break
            else:
                self._on_quiet()
        if not self._discard:
            self._decode(None)

    def _decode(self, unit: AccessUnit | None) -> None:
        try:
            for source, picture in self._decoder.decode(unit):
                if picture.is_corrupt:
                    self.corrupt += 1
                    continue
                if math.isinf(source.lag_s):
                    self.undated += 1
                    continue
                self._deliver(
                    Frame(
                        camera=self._camera,
                        session=self._session,
                        index=self._frames,
                        captured_s=source.arrival_s - source.lag_s,
                        arrival_s=source.arrival_s,
                        picture=picture,
                    )
                )
                self._frames += 1
        except av.error.FFmpegError:
            self.corrupt += 1
