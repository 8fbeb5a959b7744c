"""Parameter sets in access units."""

import pytest

from pod.media.frame import Codec
from pod.media.parameter_sets import has_parameter_sets, nal_types, with_parameter_sets


def annex_b(*headers: int, long_code: bool = True) -> bytes:
    code = b"\x00\x00\x00\x01" if long_code else b"\x00\x00\x01"
    return b"".join(code + bytes([header]) + b"\x11\x22" for header in headers)


H264_SPS, H264_PPS, H264_IDR, H264_AUD = 0x67, 0x68, 0x65, 0x09
H265_VPS, H265_SPS, H265_IDR = 0x40, 0x42, 0x26


@pytest.mark.parametrize("long_code", [True, False], ids=["four-bytes", "three-bytes"])
def test_the_types_of_nal_units_are_read_in_order(long_code: bool) -> None:
    data = annex_b(H264_AUD, H264_SPS, H264_PPS, H264_IDR, long_code=long_code)
    assert list(nal_types(data, "h264")) == [9, 7, 8, 5]


@pytest.mark.parametrize(
    ("codec", "bare", "sets"),
    [
        pytest.param("h264", (H264_AUD, H264_IDR), (H264_SPS, H264_PPS), id="h264"),
        pytest.param("hevc", (H265_IDR,), (H265_VPS, H265_SPS), id="h265"),
    ],
)
def test_a_keyframe_without_parameter_sets_gets_the_announced_ones(
    codec: Codec, bare: tuple[int, ...], sets: tuple[int, ...]
) -> None:
    keyframe = with_parameter_sets(annex_b(*bare), codec, annex_b(*sets))
    assert keyframe == annex_b(*sets, *bare)
    assert has_parameter_sets(keyframe, codec)


def test_a_keyframe_keeps_the_parameter_sets_it_brings() -> None:
    own = annex_b(H264_SPS, H264_PPS, H264_IDR)
    assert with_parameter_sets(own, "h264", annex_b(H264_SPS, long_code=False)) == own


def test_parameter_sets_after_the_first_slice_come_too_late() -> None:
    assert not has_parameter_sets(annex_b(H264_IDR, H264_SPS), "h264")


@pytest.mark.parametrize("data", [b"", b"\x00\x00\x01", b"\x00\x00", b"junk"])
def test_a_broken_unit_has_no_parameter_sets(data: bytes) -> None:
    assert not has_parameter_sets(data, "h264")


def test_other_codecs_are_left_alone() -> None:
    assert with_parameter_sets(b"jpeg", "mjpeg", b"sets") == b"jpeg"
