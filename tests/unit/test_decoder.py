"""What a running codec is given: the units' own bytes, and zeroes behind them."""

import io
from fractions import Fraction
from typing import cast

import av
import av.error
import numpy as np
import pytest

from pod.media.decoder import MAX_STREAM_PIXELS, StreamDecoder
from pod.media.frame import AccessUnit

PICTURES = 40


def clip() -> tuple[list[bytes], bytes | None]:
    """The packets of an MPEG-4 clip whose picture changes, and what stands before them."""
    file = io.BytesIO()
    with av.open(file, "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(PICTURES):
            picture = np.full((240, 320, 3), 90, np.uint8)
            picture[120:, (number * 8) % 320 :][:, :40] = 200
            for bit in range(8):
                picture[:32, bit * 32 : bit * 32 + 32] = 235 if number >> bit & 1 else 16
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        return packets, container.streams.video[0].codec_context.extradata


@pytest.mark.parametrize("rubbish", [b"\x00\x80", b"\x00\xff", b"\xff\xff"], ids=bytes.hex)
def test_what_lies_behind_a_unit_in_memory_is_not_decoded(rubbish: bytes) -> None:
    packets, extradata = clip()
    decoder = StreamDecoder("mpeg4", extradata)
    found: list[bool] = []
    for data in packets:
        view = memoryview(data + rubbish * 32)[: len(data)]
        found += [
            picture.is_corrupt
            for _, picture in decoder.decode(AccessUnit(cast(bytes, view), "other", True, 0, 0))
        ]
    found += [picture.is_corrupt for _, picture in decoder.decode(None)]
    assert found == [False] * PICTURES


def test_a_unit_without_a_byte_is_no_end_of_the_stream() -> None:
    packets, extradata = clip()
    decoder = StreamDecoder("mpeg4", extradata)
    shown = 0
    for data in [packets[0], b"", *packets[1:]]:
        shown += len(list(decoder.decode(AccessUnit(data, "other", True, 0, 0))))
    assert shown + len(list(decoder.decode(None))) == PICTURES


@pytest.mark.parametrize(
    "size",
    [pytest.param((8192, 4368), id="beyond 8K"), pytest.param((16000, 2400), id="too wide for its height")],
)
def test_pictures_larger_than_any_level_allows_are_refused_before_a_stream_takes_memory(
    size: tuple[int, int],
) -> None:
    width, height = size
    assert width * height > MAX_STREAM_PIXELS
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
    picture = av.VideoFrame(width, height, "yuv420p")
    picture.pts = 0
    (packet,) = encoder.encode(picture)
    with pytest.raises(av.error.FFmpegError):
        list(StreamDecoder("h264", None).decode(AccessUnit(bytes(packet), "h264", True, 0, 0)))
