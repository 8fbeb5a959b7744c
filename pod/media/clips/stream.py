"""Units of one camera to the fragments of a clip: the same bytes, cut about a second apart. No I/O."""

from itertools import pairwise

from pod.media.clips.boxes import TIMESCALE, Sample, fragment
from pod.media.clips.header import clip_header
from pod.media.clips.timeline import Timeline
from pod.media.frame import AccessUnit
from pod.media.nal import NalCodec, nal_units, rules_of

FRAGMENT_S = 1.0
"""A fragment ends when it is this long: a crash costs a clip no more."""

KEYFRAME_FRAGMENT_S = 0.5
"""At a keyframe it may end after half of that."""

MOST_FRAGMENT_BYTES = 8 * 1024 * 1024
"""A fragment that outgrows this ends where it is, whatever order its pictures are in."""

_SEQUENCE_SETS = {"h264": frozenset({7}), "hevc": frozenset({32, 33})}
"""NAL unit types that say how large pictures are and how to decode them; one clip has one of each."""


class ClipStream:
    """One clip in the making, from its first keyframe on. Belongs to one thread.

    Args:
        late: by how much each picture is shown late, ticks; what `timeline.reordering` says of such units.

    Attributes:
        header: what the file begins with.
        codec: "h264" or "hevc".

    Raises:
        CameraError: no clip can be made of these units (`clip_header`).
    """

    def __init__(self, first: AccessUnit, *, late: int = 0) -> None:
        self.header = clip_header(first)
        self.codec: NalCodec = "h264" if first.codec == "h264" else "hevc"
        self._late = late
        self._timeline = Timeline(first)
        self._sets = _sequence_sets(first, self.codec)
        self._pending: list[tuple[int, AccessUnit]] = []
        self._pending_bytes = 0
        self._newest = -1
        self._decoded_until = 0
        self._number = 0
        self._usual = TIMESCALE // 25

    def fits(self, unit: AccessUnit) -> bool:
        """Whether `unit` can go on this clip: same codec, same size of picture."""
        if unit.codec != self.codec:
            return False
        sets = _sequence_sets(unit, self.codec) if unit.keyframe else frozenset()
        return not sets or sets == self._sets

    def add(self, unit: AccessUnit) -> tuple[bytes, int]:
        """Take one more unit.

        Returns:
            The fragment that ended before it, empty where none did; and when the unit is shown, ticks.
        """
        shown = self._timeline.place(unit)
        if shown < 0:  # its references are from before the clip
            return b"", shown + self._late
        ended = b""
        if self._pending and self._ends_before(unit, shown):
            ended = self._fragment(next_at=shown)
        self._pending.append((shown, unit))
        self._pending_bytes += len(unit.data)
        self._newest = max(self._newest, shown)
        return ended, shown + self._late

    def flush(self) -> bytes:
        """What is left, as the last fragment; empty where nothing is."""
        return self._fragment(next_at=self._newest + self._usual) if self._pending else b""

    def _ends_before(self, unit: AccessUnit, shown: int) -> bool:
        if self._pending_bytes >= MOST_FRAGMENT_BYTES:
            return True
        if shown <= self._newest:  # in between those that came already
            return False
        least_s = KEYFRAME_FRAGMENT_S if unit.keyframe else FRAGMENT_S
        return shown - self._pending[0][0] >= least_s * TIMESCALE

    def _fragment(self, *, next_at: int) -> bytes:
        """The pending units as a fragment.

        They are decoded in coded order, each when one is shown; the offsets say which one. No offset is
        negative: players disagree about those.
        """
        times = sorted(shown for shown, _ in self._pending)
        decoded: list[int] = []
        for time in times:
            decoded.append(max(time, decoded[-1] + 1 if decoded else self._decoded_until))
        if len(decoded) > 1:
            self._usual = decoded[-1] - decoded[-2]
        # Where pictures are reordered, some of the next fragment may be shown before its first one.
        end = max(decoded[-1] + self._usual if self._late else next_at, decoded[-1] + 1)
        samples = [
            Sample(
                data=_length_prefixed(unit.data),
                duration=until - at,
                offset=max(0, shown + self._late - at),
                keyframe=unit.keyframe,
            )
            for (shown, unit), (at, until) in zip(self._pending, pairwise([*decoded, end]), strict=True)
        ]
        self._number += 1
        made = fragment(self._number, decoded[0], samples)
        self._decoded_until = end
        self._pending, self._pending_bytes = [], 0
        return made


def _length_prefixed(data: bytes) -> bytes:
    """Annex B as MP4 has it: each NAL unit, unchanged, behind its length in four bytes."""
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nal_units(data))


def _sequence_sets(unit: AccessUnit, codec: NalCodec) -> frozenset[bytes]:
    """The sequence (and video) parameter sets of a unit; they stand before its first slice."""
    rules, found = rules_of(codec), set[bytes]()
    for nal in nal_units(unit.data):
        kind = rules.kind(nal)
        if kind in rules.slices:
            break
        if kind in _SEQUENCE_SETS[codec]:
            found.add(nal)
    return frozenset(found)
