"""`platebridge read`: reads the plates in pictures, folders, videos and streams, and prints what it finds."""

import json
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from pod.commands.read_inputs import Input, Picture, Unreadable, inputs, missing, pictures
from pod.config import VisionConfig
from pod.domain.errors import PictureError
from pod.domain.reads import PlateRead
from pod.vision.annotate import annotated, save_picture
from pod.vision.pictures import PICTURE_SUFFIXES
from pod.vision.pipeline import open_reader

_DEFAULTS = VisionConfig()
_BAR_FROM_INPUTS = 10


def read(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|URL...",
            help="Pictures, folders (links in them to other folders are not followed), videos, or rtsp:// "
            "addresses. Of a file with several pictures the first is read.",
            show_default=False,
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line per picture, for programs.")
    ] = False,
    annotate: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write each picture there with boxes and texts drawn in.", show_default=False
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Read at most so many pictures a second of videos and streams.", show_default="all"
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many pictures; ends a stream, too.", show_default="none"),
    ] = None,
    detector: Annotated[
        str, typer.Option(metavar="MODEL", help="A detector of `models list`, or the path of an .onnx file.")
    ] = _DEFAULTS.detector,
    recognizer: Annotated[
        str,
        typer.Option(metavar="MODEL", help="A recogniser of `models list`, or the path of an .onnx file."),
    ] = _DEFAULTS.recognizer,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The folder of pulled and imported models.",
            show_default="this user's own",
        ),
    ] = None,
    provider: Annotated[
        str, typer.Option(metavar="auto|cpu|openvino|cuda", help="What computes.")
    ] = _DEFAULTS.provider,
    threads: Annotated[
        int, typer.Option(min=1, max=16, help="Threads of one inference.")
    ] = _DEFAULTS.threads,
) -> None:
    """Read the plates in pictures, folders, videos and streams.

    Exit status: 0 all was read, 1 some of it could not be, 2 nothing was tried.

    Examples:

      platebridge read car.jpg

      platebridge read --json photographs/ > reads.jsonl

      platebridge read --annotate out/ --fps 5 clip.mp4

      platebridge read --limit 100 rtsp://user:password@camera/stream
    """
    if absent := missing(sources):
        raise PictureError(f"no such file or folder: {', '.join(absent)}: check the spelling")
    try:
        vision = VisionConfig.model_validate(
            {
                "detector": detector,
                "recognizer": recognizer,
                "model_store": store,
                "provider": provider,
                "threads": threads,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise typer.BadParameter(f"--{first['loc'][0]}: {first['msg']}") from None
    todo = inputs(sources, leave_out=annotate)
    reader = open_reader(vision)
    unread = 0
    count = 0
    with closing(_each(todo, fps)) as found:
        for item in found:
            if isinstance(item, Unreadable):
                unread += 1
                _report(item, as_json=as_json)
                continue
            started_s = time.perf_counter()
            answers = reader.read_boxes(item.rgb, reader.detect(item.rgb))
            ms = (time.perf_counter() - started_s) * 1000
            reads = [answer for answer in answers if answer.is_plate]
            line = _json_line if as_json else _human_line
            print(line(item, reads, no_plate=len(answers) - len(reads), ms=ms), flush=True)
            if annotate is not None:
                try:
                    save_picture(_annotated_path(annotate, item), annotated(item.rgb, reads))
                except PictureError as error:
                    unread += 1
                    _report(Unreadable(item.file, str(error)), as_json=as_json)
            count += 1
            if count == limit:
                break
    if unread:
        raise typer.Exit(1)


def _each(todo: Sequence[Input | Unreadable], fps: float | None) -> Generator[Picture | Unreadable]:
    """All pictures of all inputs; a bar on the terminal where the lines go elsewhere."""
    shown = len(todo) >= _BAR_FROM_INPUTS and sys.stderr.isatty() and not sys.stdout.isatty()
    # Left to itself the bar would carry stdout's lines off to stderr.
    with Progress(console=Console(stderr=True), redirect_stdout=False, disable=not shown) as progress:
        for step in progress.track(todo, description="Reading"):
            if isinstance(step, Unreadable):
                yield step
            else:
                yield from pictures(step, fps=fps)


def _json_line(picture: Picture, reads: Sequence[PlateRead], *, no_plate: int, ms: float) -> str:
    """
    Args:
        no_plate: places that the detector took for a plate, and the recogniser does not.
    """
    fields: dict[str, object] = {"file": picture.file}
    if picture.time_s is not None:
        fields["time_s"] = round(picture.time_s, 3)
    fields["plates"] = [
        {
            "text": read.text,
            "confidence": round(read.confidence, 4),
            "box": [round(edge) for edge in read.box],
        }
        for read in reads
    ]
    fields["no_plate"] = no_plate
    fields["ms"] = round(ms, 2)
    return json.dumps(fields)


def _human_line(picture: Picture, reads: Sequence[PlateRead], *, no_plate: int, ms: float) -> str:
    name = _printable(picture.file) + ("" if picture.time_s is None else f" at {picture.time_s:.2f} s")
    plates = ", ".join(f"{read.text} {read.confidence:.0%}" for read in reads) or "no plate"
    if no_plate:
        plates += f" ({no_plate} not legible as one)"
    return f"{name:<48} {plates:<32} {ms:7.1f} ms"


def _report(item: Unreadable, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": item.file, "error": item.error}), flush=True)
    else:
        print(f"{_printable(item.file)}: {_printable(item.error)}", file=sys.stderr, flush=True)


def _printable(name: str) -> str:
    """A file name's line ends, commands to the terminal and bytes that are no text show as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def _annotated_path(folder: Path, picture: Picture) -> Path:
    """Keeps sub-folders and names; a video's picture gets its time, and a suffix that pictures can have."""
    under = picture.under
    if picture.time_s is not None:
        return folder / under.with_name(f"{under.name}-{picture.time_s:09.3f}.jpg")
    return folder / (
        under if under.suffix.lower() in PICTURE_SUFFIXES else under.with_name(f"{under.name}.jpg")
    )
