"""What to tell somebody on the next page after a change, with its undo. In memory, once, per session."""

from collections import OrderedDict
from dataclasses import dataclass

MOST_SESSIONS = 64
"""Sessions with news at once; the oldest news is forgotten first."""


@dataclass(frozen=True, slots=True)
class News:
    """One sentence about a change.

    Attributes:
        undo: the change that can be taken back; None where there is none.
        more: a second sentence, or "".
    """

    text: str
    undo: int | None = None
    more: str = ""


class NewsBoard:
    """At most one piece of news a session; a newer one takes its place. Used by the event loop alone."""

    def __init__(self) -> None:
        self._news: OrderedDict[str, News] = OrderedDict()

    def leave(self, session: str, news: News) -> None:
        """Keep the news until that session asks.

        Args:
            session: its token.
        """
        self._news.pop(session, None)
        while len(self._news) >= MOST_SESSIONS:
            self._news.popitem(last=False)
        self._news[session] = news

    def take(self, session: str) -> News | None:
        """The news for a session, which then is told."""
        return self._news.pop(session, None)
