"""Coded pictures for clips: of files and freshly encoded, and what of them a kept clip holds."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from pod.media.clip import ANNEX_B_FILTERS
from pod.media.clips.stream import ClipStream
from pod.media.clips.timeline import reordering
from pod.media.frame import AccessUnit
from pod.media.nal import nal_units, rules_of
from pod.store.media import MediaStore
from pod.store.media_clip import ClipFile

VideoCodec = Literal["h264", "hevc"]

FPS = 25


def units_of(path: Path) -> list[AccessUnit]:
    """Every unit of a video file; it arrives when it is decoded."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec: VideoCodec = "h264" if stream.codec_context.name == "h264" else "hevc"
        to_annex_b = BitStreamFilterContext(ANNEX_B_FILTERS[codec], stream)
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and packet.dts is not None:
                shown_s = float(packet.pts * packet.time_base)
                arrival_s = float(packet.dts * packet.time_base)
                keyframe = packet.is_keyframe
                found += [
                    AccessUnit(bytes(unit), codec, keyframe, shown_s, arrival_s)
                    for unit in to_annex_b.filter(packet)
                ]
    return found


STRIPES = 8
"""In numbered pictures, from the left: white for a one of the number, its highest bit first."""


def encoded(
    codec: VideoCodec,
    frames: int,
    *,
    gop: int = FPS,
    b_frames: int = 0,
    width: int = 320,
    numbered: bool = False,
) -> list[AccessUnit]:
    """Units of pictures of which no two are alike, `FPS` a second, parameter sets with each keyframe.

    Args:
        numbered: the pictures show their number in stripes, else noise.
    """
    names = {"h264": "libx264", "hevc": "libx265"}
    options = {"preset": "ultrafast", "threads": "1", "sc_threshold": "0"}
    if codec == "hevc":
        options = {"preset": "ultrafast", "x265-params": "log-level=none:repeat-headers=1:pools=1"}
    encoder = av.CodecContext.create(names[codec], "w")
    encoder.width, encoder.height = width, width * 9 // 16 // 2 * 2
    encoder.pix_fmt, encoder.options = "yuv420p", options
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.gop_size, encoder.max_b_frames = gop, b_frames
    noise = np.random.default_rng(7)
    packets = []
    for index in range(frames):
        picture = noise.integers(0, 255, (encoder.height, encoder.width, 3), np.uint8)
        picture = picture // 8 + index % 200
        if numbered:
            bits = [index >> bit & 1 for bit in reversed(range(STRIPES))]
            picture = np.repeat(np.array(bits, np.uint8) * 255, encoder.width // STRIPES)
            picture = np.broadcast_to(picture[None, :, None], (encoder.height, encoder.width, 3)).copy()
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [
        AccessUnit(bytes(packet), codec, packet.is_keyframe, float(packet.pts) / FPS, index / FPS)
        for index, packet in enumerate(packets)
        if packet.pts is not None
    ]


def slices(units: Iterable[AccessUnit]) -> list[bytes]:
    """The coded slices of units, in order."""
    found = []
    for unit in units:
        assert unit.codec in ("h264", "hevc")
        rules = rules_of(unit.codec)
        found += [nal for nal in nal_units(unit.data) if rules.kind(nal) in rules.slices]
    return found


def slices_of_clip(path: Path) -> list[bytes]:
    """The coded slices of an MP4 file, in order, as it holds them."""
    found = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rules = rules_of("h264" if stream.codec_context.name == "h264" else "hevc")
        for packet in container.demux(stream):
            data, at = bytes(packet), 0
            while at < len(data):
                size = int.from_bytes(data[at : at + 4], "big")
                nal = data[at + 4 : at + 4 + size]
                found += [nal] if rules.kind(nal) in rules.slices else []
                at += 4 + size
    return found


def times_shown(path: Path) -> list[float]:
    """When each picture of a clip is shown, seconds; every picture is decoded for it."""
    with av.open(str(path)) as container:
        return [float(frame.time) for frame in container.decode(video=0) if frame.time is not None]


def write_clip(path: Path, units: Sequence[AccessUnit]) -> list[int]:
    """Write the whole clip of these units, not sealed; returns where each fragment ends, bytes."""
    stream = ClipStream(units[0], late=reordering(units))
    ends, data = [], stream.header
    for unit in units:
        fragment, _ = stream.add(unit)
        data += fragment
        ends += [len(data)] if fragment else []
    data += stream.flush()
    path.write_bytes(data)
    return [*ends, len(data)]


def begin_clip(media: MediaStore, approach: str) -> ClipFile:
    """A clip that is being recorded, with its row there, and nothing in it yet."""
    file = media.begin_clip(
        approach, 1, camera="entry", at=datetime.now(UTC), known=True, codec="h264", plate_at_ms=0
    )
    until_row = time.monotonic() + 10
    while not media.clips(approach):
        assert time.monotonic() < until_row, "waited in vain for the row of a clip"
        time.sleep(0.005)
    return file


def keep_clip(
    media: MediaStore,
    approach: str,
    units: Sequence[AccessUnit],
    *,
    at: datetime | None = None,
    known: bool = True,
    plate_at_s: float = 0.0,
    revision: int = 1,
) -> None:
    """Keep the whole clip of these units."""
    stream = ClipStream(units[0], late=reordering(units))
    file = media.begin_clip(
        approach,
        revision,
        camera="entry",
        at=at or datetime.now(UTC),
        known=known,
        codec=stream.codec,
        plate_at_ms=round(plate_at_s * 1000),
    )
    assert file.append(stream.header)
    for unit in units:
        fragment, _ = stream.add(unit)
        assert not fragment or file.append(fragment)
    assert file.append(stream.flush())
    file.finish()
