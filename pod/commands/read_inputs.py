"""What `platebridge read` was pointed at, one picture at a time: pictures, folders, videos, streams."""

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

from pod.config import CameraConfig
from pod.domain.errors import CameraError, PictureError
from pod.media.fanout import AccessUnitFanout
from pod.media.location import locate, redact
from pod.media.slot import LatestFrame
from pod.media.source import CameraSource
from pod.media.state import CameraState
from pod.vision.pictures import FOREIGN_SUFFIXES, PICTURE_SUFFIXES, load_picture

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mjpeg", ".h264", ".264", ".h265", ".265")
)
"""Lower case; a file with one of these is decoded as a video."""

_FRAME_TIMEOUT_S = 15.0
"""A stream that shows nothing new for so long is given up."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to read.

    Attributes:
        file: as it was named, without credentials.
        rgb: shape (H, W, 3), uint8, RGB.
        time_s: its place in the video or stream, from the start; None for a picture file.
        under: where it lies below the folder that was named, or just its name; for files made from it.
    """

    file: str
    rgb: npt.NDArray[np.uint8]
    time_s: float | None
    under: Path


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or stream that gave no picture, or stopped giving them; `error` names the mend."""

    file: str
    error: str


@dataclass(frozen=True, slots=True)
class Input:
    """One file or stream to take pictures from.

    Attributes:
        address: the path or URL, credentials and all.
        under: as in `Picture`.
    """

    address: str
    under: Path

    @property
    def is_stream(self) -> bool:
        return is_url(self.address)


def is_url(source: str) -> bool:
    return "://" in source


def missing(sources: Sequence[str]) -> list[str]:
    """The sources that are paths to nothing."""
    return [source for source in sources if not is_url(source) and not _is_there(Path(source))]


def _is_there(path: Path) -> bool:
    """Also where one may not look or the system takes no such name; that is told when it is read."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def inputs(sources: Sequence[str], *, leave_out: Path | None) -> list[Input | Unreadable]:
    """Every file and stream to read, in the order named; folders are searched in depth, sorted by path.

    Args:
        leave_out: a folder whose content is skipped, because this run writes into it.
    """
    found: list[Input | Unreadable] = []
    for source in sources:
        path = Path(source)
        if is_url(source) or not _is_folder(path):
            found.append(Input(source, Path(path.name)))
            continue
        files, closed = _files_below(path)
        if leave_out is not None:
            own = leave_out.resolve()
            files = [file for file in files if own not in file.resolve().parents]
        found.extend(Input(str(file), file.relative_to(path)) for file in files)
        found.extend(closed)
        if not files and not closed:
            found.append(Unreadable(source, "no pictures or videos in this folder: name one that holds some"))
    return found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def pictures(source: Input, *, fps: float | None) -> Iterator[Picture | Unreadable]:
    """The pictures of one input. A fault is the last thing it gives.

    Args:
        fps: at most so many pictures a second of a video's own time; None: every one.
    """
    shown = redact(source.address)
    try:
        if source.is_stream:
            yield from _thinned(_stream(source, shown), fps)
        elif Path(source.address).suffix.lower() in VIDEO_SUFFIXES:
            yield from _thinned(_video(source), fps)
        else:
            yield Picture(shown, load_picture(Path(source.address)), None, source.under)
    except (PictureError, CameraError) as error:
        yield Unreadable(shown, redact(str(error)))


def _files_below(folder: Path) -> tuple[list[Path], list[Unreadable]]:
    """The files to read in a folder and in those below it, sorted; and what cannot be opened there.

    Links to folders are not followed, so no loop of them is entered.
    """
    wanted = PICTURE_SUFFIXES | FOREIGN_SUFFIXES | VIDEO_SUFFIXES
    files: list[Path] = []
    closed: list[Unreadable] = []

    def refuse(error: OSError) -> None:
        mend = "give this user access to it, or name another"
        closed.append(Unreadable(str(error.filename), f"it cannot be opened ({error.strerror}): {mend}"))

    for place, _, names in os.walk(folder, onerror=refuse):
        for path in (Path(place, name) for name in names):
            if path.suffix.lower() not in wanted or path.name.startswith("."):
                continue
            try:
                path.stat()
            except OSError as error:
                refuse(error)
            else:
                files.append(path)
    return sorted(files), sorted(closed, key=lambda item: item.file)


def _thinned(frames: Iterator[Picture], fps: float | None) -> Iterator[Picture]:
    due_s = 0.0
    for frame in frames:
        if fps is None or frame.time_s is None:
            yield frame
        # Half a millisecond of grace: time stamps are rounded, and 0.0999 is meant as 0.1.
        elif frame.time_s >= due_s - 0.0005:
            due_s = max(due_s + 1 / fps, frame.time_s)
            yield frame


def _video(source: Input) -> Iterator[Picture]:
    """Every picture of a video file, as fast as they are wanted.

    Raises:
        PictureError: it holds no video, or breaks off.
    """
    path = Path(source.address)
    decoded = 0
    try:
        if not path.is_file():
            raise PictureError("not a regular file, or gone: name a video, a picture or a folder")
        if not path.stat().st_size:
            raise PictureError("the file is empty: copy it again from where it came from")
        with av.open(source.address) as container:
            if not container.streams.video:
                raise PictureError("the file holds sound but no pictures: name a video")
            stream = container.streams.video[0]
            rate = float(stream.average_rate or 25)
            start_s: float | None = None
            for frame in container.decode(stream):
                time_s = decoded / rate if frame.time is None else frame.time
                start_s = time_s if start_s is None else start_s
                decoded += 1
                rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                yield Picture(source.address, rgb, time_s - start_s, source.under)
    except PermissionError:
        raise PictureError("may not be read by this user: change its permissions") from None
    except (av.error.FFmpegError, OSError) as error:
        after = f" after {decoded} pictures" if decoded else ""
        raise PictureError(
            f"the video cannot be decoded{after}: copy it again, or convert it to H.264 ({error.strerror})"
        ) from error
    if not decoded:
        raise PictureError("the video holds no whole picture: copy it again from where it came from")


def _stream(source: Input, shown: str) -> Iterator[Picture]:
    """The newest picture of a live stream, again and again; those that come while one is read are skipped.

    Raises:
        CameraError: it cannot be reached or decoded, or shows nothing.
    """
    locate(source.address, None, password=None)
    camera = CameraConfig(name="read", url=source.address, gate="none")
    slot, newest = LatestFrame(), deque[CameraState](maxlen=1)
    live = CameraSource(camera, slot, AccessUnitFanout(), on_state=newest.append)
    live.start()
    try:
        first_s: float | None = None
        given_up_s = time.monotonic() + _FRAME_TIMEOUT_S
        while True:
            frame = slot.take(0.25)
            if frame is not None:
                first_s = frame.captured_s if first_s is None else first_s
                yield Picture(shown, frame.rgb(), frame.captured_s - first_s, source.under)
                given_up_s = time.monotonic() + _FRAME_TIMEOUT_S
                continue
            state = newest[-1] if newest else None
            if state is not None and state.kind == "ended":
                return
            if state is not None and state.kind == "failed":
                raise CameraError(state.text)
            if time.monotonic() > given_up_s:
                raise CameraError(f"no picture came for {_FRAME_TIMEOUT_S:.0f} s: check camera and network")
    finally:
        live.stop(2.0)
