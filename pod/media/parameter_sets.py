"""Finds parameter sets in Annex B access units and puts missing ones in front of keyframes. Pure.

H.264 NAL unit types: ITU-T H.264 table 7-1; H.265: ITU-T H.265 table 7-1.
"""

from collections.abc import Iterator

from pod.media.frame import Codec

START_CODE = b"\x00\x00\x01"
H264_SPS = 7
H264_LAST_SLICE = 5
H265_SPS = 33
H265_LAST_SLICE = 31


def nal_types(data: bytes, codec: Codec) -> Iterator[int]:
    """The type of each NAL unit in an access unit of H.264 or H.265, in order; read as far as asked for."""
    at = data.find(START_CODE)
    while 0 <= at < len(data) - len(START_CODE):
        header = data[at + len(START_CODE)]
        yield header & 0x1F if codec == "h264" else header >> 1 & 0x3F
        at = data.find(START_CODE, at + len(START_CODE))


def has_parameter_sets(data: bytes, codec: Codec) -> bool:
    """Whether a sequence parameter set stands before the first slice."""
    sps, last_slice = (H264_SPS, H264_LAST_SLICE) if codec == "h264" else (H265_SPS, H265_LAST_SLICE)
    for kind in nal_types(data, codec):
        if kind == sps:
            return True
        if 1 <= kind <= last_slice or (kind == 0 and codec == "hevc"):
            return False
    return False


def with_parameter_sets(data: bytes, codec: Codec, parameter_sets: bytes) -> bytes:
    """A keyframe that can be decoded alone: `data`, after `parameter_sets` where it brings none itself.

    Args:
        parameter_sets: Annex B, as announced beside the stream; empty where nothing was announced.
    """
    if codec not in ("h264", "hevc") or has_parameter_sets(data, codec):
        return data
    return parameter_sets + data
