"""A folder of pictures, or one picture, played as a slow camera: each picture is one access unit."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from pod.media.decoder import PictureDecoder
from pod.media.faults import SessionError, no_access
from pod.media.frame import AccessUnit
from pod.media.session import StreamLosses
from pod.media.stream_facts import SessionPath

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
MAX_FILE_BYTES = 64 * 1024 * 1024
"""A larger picture file is passed over unread."""


def is_picture(path: Path) -> bool:
    """Whether the name says that `path` is a picture."""
    return path.suffix.lower() in SUFFIXES


class PictureSession:
    """Plays the pictures of a folder in the order of their names."""

    live = False
    path: SessionPath = "file"
    losses = StreamLosses()

    def __init__(self, path: Path, stop: Event, *, loop: bool, interval_s: float = 1.0) -> None:
        """
        Args:
            path: a picture or a folder; what is no picture in it is ignored.
            stop: ends `units` at once when set.

        Raises:
            SessionError: `forbidden` or `no_pictures`.
        """
        self._stop = stop
        self._loop = loop
        self._interval_s = interval_s
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            self._files = [file for file in files if is_picture(file) and file.is_file()]
        except OSError as error:
            raise no_access(path, error) from None
        if not self._files:
            kinds = ", ".join(sorted(SUFFIXES))
            raise SessionError(
                "no_pictures", f"{path} holds no picture: put files of these kinds there: {kinds}"
            )

    def decoder(self) -> PictureDecoder:
        return PictureDecoder()

    def close(self) -> None:
        return

    def units(self) -> Iterator[AccessUnit]:
        start_s = time.monotonic()
        number = 0
        while True:
            for file in self._files:
                at_s = number * self._interval_s
                if self._stop.wait(max(0.0, start_s + at_s - time.monotonic())):
                    return
                number += 1
                yield AccessUnit(
                    data=_content(file),
                    codec="mjpeg" if file.suffix.lower() in (".jpg", ".jpeg") else "other",
                    keyframe=True,
                    rtp_time_s=at_s,
                    arrival_s=time.monotonic(),
                )
            if not self._loop:
                return


def _content(file: Path) -> bytes:
    """The file's bytes; empty where it is too large or went away, which the decoder counts as corrupt."""
    try:
        return file.read_bytes() if file.stat().st_size <= MAX_FILE_BYTES else b""
    except OSError:
        return b""
