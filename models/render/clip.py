"""Render the demo clip to a file, once for each version of the renderer."""

import hashlib
import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av

from models.render import story
from models.render.lettering import Picture

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames in all."""


def renderer_version() -> str:
    """Changes whenever anything does that the clip is drawn with."""
    folder = Path(__file__).parent
    digest = hashlib.sha256(av.__version__.encode())
    for path in sorted((*folder.glob("*.py"), *folder.glob("fonts/*.ttf"))):
        if path.stem not in ("rtsp_camera", "camera_process"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def encode(pictures: Iterable[Picture], path: Path, *, fps: int) -> None:
    """Write H.264 baseline without B-frames and with a keyframe each second.

    The file appears under its name when it is complete, never before.

    Args:
        pictures: all of one even size, uint8, RGB.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with av.open(str(part), "w", format="mp4") as container:
            options = {
                "preset": "superfast",
                "profile": "baseline",
                "crf": "28",
                "threads": "1",
                "sc_threshold": "0",
            }
            stream = container.add_stream("libx264", rate=fps, options=options)
            stream.pix_fmt = "yuv420p"
            stream.time_base = Fraction(1, fps)
            stream.gop_size = fps
            stream.max_b_frames = 0
            for index, picture in enumerate(pictures):
                if index == 0:
                    stream.height, stream.width = picture.shape[:2]
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def demo_clip(folder: Path, *, progress: Progress = lambda done, total: None) -> Path:
    """The demo's clip, rendered where this version of the renderer has not left one; half a minute.

    Args:
        folder: made where missing; clips of other versions in it are removed.

    Raises:
        OSError: the folder can't be written.
    """
    path = folder / f"gate-{renderer_version()}.mp4"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    total = round(story.duration_s() * story.FPS)
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    encode(story.frames(tick=tick), path, fps=story.FPS)
    for stale in folder.glob("gate-*.mp4"):
        if stale != path:
            stale.unlink(missing_ok=True)
    return path
