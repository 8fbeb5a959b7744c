"""The shipped `platebridge`, one thing made worse: `troubled_pod.py TROUBLE pod run ...`. For tests only."""

import gc
import sys
import threading
import time
from collections.abc import Callable, Mapping

from pod.cli import main
from pod.media.live.relay import CameraRelay
from pod.media.live.service import LiveVideo
from pod.media.packets import PacketBatch


def collects_often() -> None:
    """Say how long each full collection of garbage takes, five times a second."""

    def collect() -> None:
        while True:
            time.sleep(0.2)
            began_s = time.thread_time()
            gc.collect()
            print(f"collected in {time.thread_time() - began_s:.6f} s", file=sys.stderr, flush=True)

    threading.Thread(target=collect, name="collect", daemon=True).start()


def _on_the_live_thread(work: Callable[[LiveVideo], object]) -> None:
    start = LiveVideo.start

    def start_and_work(self: LiveVideo) -> None:
        start(self)
        self._thread.loop.call_soon_threadsafe(work, self)

    _replace(LiveVideo, start=start_and_work)


def live_hangs() -> None:
    _on_the_live_thread(lambda live: time.sleep(3600))


def live_dies() -> None:
    _on_the_live_thread(lambda live: live._thread.loop.stop())


def live_spins() -> None:
    """Takes all of the interpreter that it is given."""

    def spin(live: LiveVideo) -> None:
        while True:
            pass

    _on_the_live_thread(spin)


def live_fails_at_every_packet() -> None:
    def broken(self: CameraRelay) -> None:
        raise ZeroDivisionError

    def each(self: CameraRelay, batch: PacketBatch) -> None:
        self._loop.call_soon_threadsafe(self._drain)

    _replace(CameraRelay, _drain=broken, _from_camera=each)


def _replace(kind: type, **methods: object) -> None:
    for name, method in methods.items():
        setattr(kind, name, method)


TROUBLES: Mapping[str, Callable[[], None]] = {
    trouble.__name__: trouble
    for trouble in (collects_often, live_hangs, live_dies, live_spins, live_fails_at_every_packet)
}

if __name__ == "__main__":
    TROUBLES[sys.argv.pop(1)]()
    main()
