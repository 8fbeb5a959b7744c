"""What a WebRTC server and a viewer of it ask of each other, so that every viewer can watch every server."""

from typing import Protocol


class Peer(Protocol):
    """A viewer that is about to watch; SDP goes in and out, with or without candidates."""

    def offer(self) -> str:
        """Its own offer, to receive one H.264 video."""
        ...

    def accept(self, answer: str) -> None:
        """Go on with the answer to its offer."""
        ...

    def answer(self, offer: str) -> str:
        """Its answer to a server's offer."""
        ...


class Server(Protocol):
    """Shows one camera to whoever comes."""

    def connect(self, peer: Peer) -> None:
        """Exchange offer and answer; the media comes by itself then.

        Raises:
            RuntimeError: the server refused.
        """
        ...
