"""The thread that decodes: it may be slow, and units may be damaged; neither holds up the camera."""

import threading
from collections.abc import Iterator

import av
import av.error

from pod.media.decode_thread import DecodeThread
from pod.media.fanout import AccessUnitFanout
from pod.media.frame import AccessUnit, Frame


class SlowDecoder:
    """Makes a picture of every unit but those that say they are damaged, once it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()

    def decode(self, unit: AccessUnit | None) -> Iterator[tuple[AccessUnit, av.VideoFrame]]:
        self.let.wait(10)
        if unit is None:
            return
        if unit.data == b"damaged":
            raise av.error.InvalidDataError(0, "damaged")
        yield unit, av.VideoFrame(16, 16, "yuv420p")


def raise_(error: Exception) -> None:
    raise error


def unit(number: int, data: bytes = b"whole") -> AccessUnit:
    return AccessUnit(data, "h264", number % 10 == 0, number / 25, float(number))


def test_a_slow_decoder_loses_counted_units_and_goes_on_from_a_keyframe() -> None:
    fanout, decoder, shown = AccessUnitFanout(), SlowDecoder(), list[Frame]()
    units = fanout.subscribe(5)
    thread = DecodeThread(
        "gate",
        1,
        decoder=decoder,
        units=units,
        deliver=shown.append,
        on_quiet=lambda: None,
        on_fault=raise_,
        quiet_s=9,
    )
    thread.start()
    for number in range(33):
        fanout.publish(unit(number))
    decoder.let.set()
    thread.end(discard=False)
    assert thread.join(5)
    arrivals = [int(frame.arrival_s) for frame in shown]
    assert arrivals[-3:] == [30, 31, 32]
    assert len(arrivals) + units.dropped == 33
    assert [frame.index for frame in shown] == list(range(len(shown)))


def test_damaged_units_are_counted_and_the_next_is_decoded() -> None:
    fanout, decoder, shown = AccessUnitFanout(), SlowDecoder(), list[Frame]()
    decoder.let.set()
    thread = DecodeThread(
        "gate",
        1,
        decoder=decoder,
        units=fanout.subscribe(9),
        deliver=shown.append,
        on_quiet=lambda: None,
        on_fault=raise_,
        quiet_s=9,
    )
    for number, data in ((0, b"whole"), (1, b"damaged"), (2, b"whole")):
        fanout.publish(unit(number, data))
    thread.start()
    thread.end(discard=False)
    assert thread.join(5)
    assert [int(frame.arrival_s) for frame in shown] == [0, 2]
    assert thread.corrupt == 1


def test_silence_is_reported_while_it_lasts() -> None:
    reported = threading.Event()
    thread = DecodeThread(
        "gate",
        1,
        decoder=SlowDecoder(),
        units=AccessUnitFanout().subscribe(9),
        deliver=lambda frame: None,
        on_quiet=reported.set,
        on_fault=raise_,
        quiet_s=0.02,
    )
    thread.start()
    assert reported.wait(5)
    thread.end(discard=True)
    assert thread.join(5)


def test_a_bug_ends_the_thread_and_is_handed_on() -> None:
    def broken(frame: Frame) -> None:
        raise ZeroDivisionError

    fanout, decoder, faults = AccessUnitFanout(), SlowDecoder(), list[Exception]()
    decoder.let.set()
    thread = DecodeThread(
        "gate",
        1,
        decoder=decoder,
        units=fanout.subscribe(9),
        deliver=broken,
        on_quiet=lambda: None,
        on_fault=faults.append,
        quiet_s=9,
    )
    fanout.publish(unit(0))
    thread.start()
    assert thread.join(5)
    assert [type(error) for error in faults] == [ZeroDivisionError]
