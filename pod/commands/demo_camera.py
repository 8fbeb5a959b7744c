"""Where the demo's pictures come from: the own clip over RTSP or from its file, or a user's video."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from models.render.camera_process import CameraProcess, available
from models.render.clip import demo_clip
from pod.domain.errors import CameraError

CLIP_FOLDER = Path(".demo")
"""Where rendered clips are kept, in the working directory."""


@dataclass(frozen=True, slots=True)
class DemoCamera:
    """A camera that plays.

    Attributes:
        url: what the pod's camera is given.
        source: how the pictures travel.
        loop: whether the pod has to start it over; a stream goes on by itself.
    """

    url: str
    source: Literal["rtsp", "file"]
    loop: bool


@contextmanager
def demo_camera(video: str | None, *, console: Console) -> Iterator[DemoCamera]:
    """A playing camera for as long as the context lasts.

    Args:
        video: a user's file or stream; None: the project's own clip.
        console: is told what is being done, and why it is not RTSP where it isn't.

    Raises:
        CameraError: the file is not there, or the clip can't be written here.
    """
    if video is not None:
        yield _own_video(video)
        return
    clip = _rendered(console)
    reason = available()
    if reason is None:
        process = CameraProcess({"gate": [clip]})
        try:
            process.start()
        except RuntimeError as error:
            reason = str(error)
        else:
            with process:
                yield DemoCamera(process.url("gate"), "rtsp", loop=False)
            return
    console.print(
        f"[yellow]No RTSP here, the camera plays from its file instead:[/] {escape(reason)}", soft_wrap=True
    )
    yield DemoCamera(str(clip), "file", loop=True)


def _own_video(video: str) -> DemoCamera:
    if video.startswith(("rtsp://", "rtsps://")):
        return DemoCamera(video, "rtsp", loop=False)
    path = Path(os.path.expanduser(video))  # noqa: PTH111  Path's own raises where there is no such user
    if not path.exists():
        raise CameraError(
            f"{video}: there is no such file; name a video, a folder of pictures or rtsp://HOST/PATH"
        )
    return DemoCamera(str(path.resolve()), "file", loop=True)


def _rendered(console: Console) -> Path:
    """The demo clip; drawn first where this version of it is not at hand."""
    columns = TextColumn("rendering the demo clip, once"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        try:
            return demo_clip(CLIP_FOLDER, progress=progress).resolve()
        except OSError as error:
            raise CameraError(
                f"the demo clip can't be written to {CLIP_FOLDER.absolute()} ({error.strerror}): "
                "start the demo in a folder that you may write"
            ) from error
