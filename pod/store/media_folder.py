"""The folder of kept pictures and clips: safe names, whole files, the oldest first when there must be room.

    known|unknown / day / moment-random-kind.jpg (a clip: .mp4)

The names hold nothing that came from outside, so no name leads out of the folder; they sort by age, so what
is oldest is found without the database, which may be full or damaged at that very moment.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pod.store.moments import to_us
from pod.store.private_file import create_private

PictureKind = Literal["scene", "plate"]
MediaKind = Literal[PictureKind, "clip"]

CLIP_SUFFIX = ".mp4"

_NAME = re.compile(r"(known|unknown)/[0-9]{8}/([0-9]{18})-[0-9a-f]{16}-((scene|plate)\.jpg|clip\.mp4)")
_CLASSES = ("unknown", "known")
"""In the order in which they make room."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of the folder.

    Attributes:
        name: relative to the folder, as the index has it.
        ts_us: when it was taken, microseconds since 1970.
    """

    name: str
    ts_us: int


def new_names(kinds: Iterable[PictureKind], *, at: datetime, known: bool) -> dict[PictureKind, str]:
    """Names that no other files have, relative to the folder, for the pictures of one moment."""
    stem = _new_stem(at, known=known)
    return {kind: f"{stem}-{kind}.jpg" for kind in kinds}


def new_clip_name(*, at: datetime, known: bool) -> str:
    """A name that no other file has, relative to the folder."""
    return f"{_new_stem(at, known=known)}-clip{CLIP_SUFFIX}"


def _new_stem(at: datetime, *, known: bool) -> str:
    day = at.astimezone(UTC).strftime("%Y%m%d")
    of_class = "known" if known else "unknown"
    return f"{of_class}/{day}/{max(0, to_us(at)):018d}-{secrets.token_hex(8)}"


class MediaFolder:
    """The files alone; whose they are is the index's to say. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Create the folder for its owner alone. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)

    def free_bytes(self) -> int:
        """What the file system still takes. Raises OSError."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def write(self, name: str, picture: bytes) -> None:
        """Write a picture under a name of `new_names`.

        Until it has its row nobody is shown it, and a crash leaves it to `MediaStore.tidy`. It is not synced
        to the disk: that would hold up the commits of decisions. A file that a power cut emptied has another
        size than its row says, and is cleared away, too.

        Raises:
            OSError: nothing, or not all, was written.
        """
        target = self.folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(picture)

    def create(self, name: str) -> int:
        """An empty file under a name of `new_names`, open for writing; else as `write`. Raises OSError."""
        target = self.folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return create_private(target)

    def path(self, name: str) -> Path | None:
        """Where a picture lies; None where it is gone, or where the name is none of this folder's."""
        if _NAME.fullmatch(name) is None:
            return None
        path = self.folder / name
        return path if path.is_file() else None

    def remove(self, name: str) -> int:
        """Delete a picture; returns the bytes freed, 0 where it was gone already.

        Raises:
            OSError: it cannot be deleted.
        """
        if _NAME.fullmatch(name) is None:
            return 0
        path = self.folder / name
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def size(self, name: str) -> int | None:
        """Bytes of a picture; None where it is gone. Raises OSError where that cannot be told."""
        try:
            return (self.folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def oldest(self) -> Iterator[KeptFile]:
        """Every picture in the order in which they go: unknown plates before known ones, old before new."""
        for of_class in _CLASSES:
            yield from self.oldest_of(known=of_class == "known")

    def oldest_of(self, *, known: bool) -> Iterator[KeptFile]:
        """The pictures of known, or of unknown plates, oldest first."""
        of_class = "known" if known else "unknown"
        for day in _entries(self.folder / of_class):
            for file in _entries(self.folder / of_class / day):
                name = f"{of_class}/{day}/{file}"
                if (form := _NAME.fullmatch(name)) is not None:
                    yield KeptFile(name, int(form[2]))

    def sizes(self) -> dict[str, int]:
        """Every picture's size in bytes, by name. Raises OSError where the folder cannot be read."""
        next(self.folder.iterdir(), None)  # a folder that cannot be read is a fault, not an empty one
        found = {}
        for kept in self.oldest():
            with contextlib.suppress(FileNotFoundError):
                found[kept.name] = (self.folder / kept.name).stat().st_size
        return found

    def clear_days(self, *, older_than_s: float) -> None:
        """Remove the folders of days without a picture.

        Args:
            older_than_s: in younger ones a picture may be in the making; seconds.
        """
        for of_class in _CLASSES:
            for day in _entries(self.folder / of_class):
                place = self.folder / of_class / day
                with contextlib.suppress(OSError):  # mostly: it is not empty
                    if _age_s(place) >= older_than_s:
                        place.rmdir()


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _age_s(path: Path) -> float:
    return datetime.now(UTC).timestamp() - path.stat().st_mtime
