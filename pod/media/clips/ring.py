"""The newest access units of one camera, whole GOPs of them, so that a clip can begin before its cause."""

from collections import deque

from pod.media.frame import AccessUnit


class UnitRing:
    """Bounded in seconds and in bytes; the oldest GOP goes first. Belongs to one thread.

    A single GOP beyond the bytes is let go whole, for a part of it without its keyframe shows nothing: that
    camera has nothing held until its next keyframe.

    Args:
        most_s: units at least this old are not needed; as GOPs go whole, up to one GOP more is held.
        most_bytes: what all units together hold at most.
    """

    def __init__(self, *, most_s: float, most_bytes: int) -> None:
        self._most_s = most_s
        self._most_bytes = most_bytes
        self._gops: deque[list[AccessUnit]] = deque()
        self._bytes = 0
        self._dropped = 0

    @property
    def held_bytes(self) -> int:
        return self._bytes

    @property
    def dropped(self) -> int:
        """Units let go for want of room, before their time."""
        return self._dropped

    def add(self, unit: AccessUnit) -> None:
        """Hold one more unit; those before the first keyframe are passed over."""
        if unit.keyframe:
            self._gops.append([])
        elif not self._gops:
            return
        self._gops[-1].append(unit)
        self._bytes += unit.held_bytes
        while len(self._gops) > 1 and self._gops[1][0].arrival_s <= unit.arrival_s - self._most_s:
            self._let_go()
        while self._bytes > self._most_bytes:
            self._dropped += self._let_go()

    def since(self, moment_s: float) -> tuple[AccessUnit, ...]:
        """The units from the last keyframe that came by `moment_s` (monotonic), else from the oldest held.

        Returns:
            In the order in which they came, a keyframe first; empty where none is held.
        """
        first = 0
        for index, gop in enumerate(self._gops):
            if gop[0].arrival_s <= moment_s:
                first = index
        return tuple(unit for gop in list(self._gops)[first:] for unit in gop)

    def clear(self) -> None:
        self._gops.clear()
        self._bytes = 0

    def _let_go(self) -> int:
        gop = self._gops.popleft()
        self._bytes -= sum(unit.held_bytes for unit in gop)
        return len(gop)
