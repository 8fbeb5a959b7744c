"""The header of a clip: what libav's MP4 muxer writes for parameter sets, and room for an index."""

import io
from fractions import Fraction

import av
import av.error

from pod.domain.errors import CameraError
from pod.media.clips.boxes import TIMESCALE, index_room
from pod.media.frame import AccessUnit
from pod.media.parameter_sets import has_parameter_sets

_PLAYS_IN_CLIPS = ("h264", "hevc")
_MUXER_OPTIONS = {"movflags": "empty_moov+default_base_moof+skip_trailer", "use_editlist": "0"}


class _Written:
    """Takes what a muxer writes; it cannot be rewound, so the muxer never comes back to what it wrote."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


def clip_header(keyframe: AccessUnit) -> bytes:
    """ftyp, moov and the room for the index, for a clip that begins with this unit.

    Only the parameter sets are read; the tables that libav writes them into name one video track, number 1.

    Raises:
        CameraError: there is no clip of this: another codec, no parameter sets, or none that make sense.
    """
    if keyframe.codec not in _PLAYS_IN_CLIPS:
        raise CameraError(f"no clip can be made of {keyframe.codec}: set the camera to H.264")
    if not has_parameter_sets(keyframe.data, keyframe.codec):
        raise CameraError("its keyframes come without parameter sets: have the camera send them with each")
    written = _Written()
    try:
        with av.open(io.BytesIO(keyframe.data), format=keyframe.codec) as units:
            stream = units.streams.video[0]
            if not stream.codec_context.extradata or not stream.codec_context.width:
                raise CameraError("its parameter sets make no sense: restart the camera")
            with av.open(written, "w", format="mp4", options=_MUXER_OPTIONS) as clip:
                track = clip.add_stream_from_template(stream)
                track.time_base = Fraction(1, TIMESCALE)
                clip.start_encoding()
    except av.error.FFmpegError as error:
        raise CameraError(
            f"its parameter sets make no sense ({error.strerror}): restart the camera"
        ) from error
    # Apple plays H.265 only under this name: parameter sets in the header, where these are.
    return bytes(written.data).replace(b"hev1", b"hvc1", 1) + index_room()
