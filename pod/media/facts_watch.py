"""Learns what a session sends from its access units: codec, profile, order of pictures. Pure."""

from dataclasses import replace

from pod.media.frame import AccessUnit
from pod.media.nal import H264, nal_units
from pod.media.stream_facts import SessionPath, StreamFacts

SPS = 7
SPS_PROFILE = slice(1, 4)
BASELINE = "42"
"""profile_idc 66, in which pictures are never sent in another order than shown (ITU-T H.264, A.2.1)."""
JUDGED_UNITS = 50
"""Without a step back in so many units a stream has no B-frames. Two within so many are some; a single one is
a camera that set its clock, as some do every day."""
LONGEST_STEP_BACK_S = 1.0

REFRESHES, REFRESHES_AFTER_ONE = 3, 60
"""So many points at which decoding may begin, and none of them a keyframe: there are none, or no more.
Some cameras send one in many."""


class FactsWatch:
    """Reads one session's units, up to the few facts that a relay needs.

    Units come from one thread, sizes may come from another.
    """

    def __init__(self, path: SessionPath) -> None:
        self._facts: StreamFacts | None = None
        self._size_px = (0, 0)
        self._path = path
        self._units = 0
        self._last_step_back: int | None = None
        self._reorders = False
        self._previous_s: float | None = None
        self._refreshes, self._most_refreshes = 0, REFRESHES

    @property
    def facts(self) -> StreamFacts | None:
        """None before the first unit."""
        if self._facts is None:
            return None
        width, height = self._size_px
        return replace(self._facts, width=width, height=height)

    def take(self, unit: AccessUnit) -> None:
        """Take in the next unit."""
        facts = self._facts
        if facts is None:
            facts = StreamFacts(unit.codec, None, None, 0, 0, self._path)
        if unit.codec == "h264" and unit.keyframe:
            facts = replace(facts, profile_level_id=_profile_level_id(unit.data) or facts.profile_level_id)
            self._refreshes += 1
            if _is_keyframe(unit.data):
                self._refreshes, self._most_refreshes = 0, REFRESHES_AFTER_ONE
            has_keyframes = self._refreshes < self._most_refreshes
            if has_keyframes != facts.has_keyframes:
                facts = replace(facts, has_keyframes=has_keyframes)
        self._watch_order(unit.rtp_time_s)
        has_b_frames = self._has_b_frames(facts.profile_level_id)
        if has_b_frames != facts.has_b_frames:
            facts = replace(facts, has_b_frames=has_b_frames)
        self._facts = facts

    def show(self, width: int, height: int) -> None:
        """Take in the size of the newest picture, in pixels."""
        self._size_px = (width, height)

    def _watch_order(self, shown_s: float) -> None:
        self._units += 1
        step_s = 0.0 if self._previous_s is None else shown_s - self._previous_s
        self._previous_s = shown_s
        if -LONGEST_STEP_BACK_S < step_s < 0:
            last, self._last_step_back = self._last_step_back, self._units
            self._reorders |= last is not None and self._units - last <= JUDGED_UNITS

    def _has_b_frames(self, profile_level_id: str | None) -> bool | None:
        if self._reorders:
            return True
        known = self._units >= JUDGED_UNITS or (profile_level_id or "").startswith(BASELINE)
        return False if known else None


def _is_keyframe(data: bytes) -> bool:
    """Whether its slices can be decoded without what came before, as browsers want it."""
    return any(H264.kind(nal) in H264.keyframes for nal in nal_units(data))


def _profile_level_id(data: bytes) -> str | None:
    for nal in nal_units(data):
        kind = H264.kind(nal)
        if kind == SPS and len(nal) >= SPS_PROFILE.stop:
            return nal[SPS_PROFILE].hex()
        if kind in H264.slices:
            return None
    return None
