"""Remember which tokens were spent, in bounded memory. Pure; not thread-safe."""

import heapq

MOST = 4096


class SpentTokens:
    """Says of each token once that it is fresh.

    Nothing is forgotten by the clock, which may be set back: only when there are more than `most`, the one
    that expires first is, and from then on every token that expires no later is refused, seen or not.
    """

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._names: set[str] = set()
        self._by_end: list[tuple[float, str]] = []
        self._floor_s = float("-inf")

    def __len__(self) -> int:
        return len(self._names)

    def spend(self, name: str, *, expires_s: float) -> bool:
        """Whether this token was not spent before; from now on it is.

        Args:
            name: unlike that of any other token.
            expires_s: Unix time, as the token says.
        """
        if expires_s <= self._floor_s or name in self._names:
            return False
        self._names.add(name)
        heapq.heappush(self._by_end, (expires_s, name))
        if len(self._names) > self._most:
            self._floor_s, forgotten = heapq.heappop(self._by_end)
            self._names.remove(forgotten)
        return True
