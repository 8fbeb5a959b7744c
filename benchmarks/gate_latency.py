"""`gate-latency`: from the camera sending a legible plate to the relay's edge, calm and in a storm.

Needs ../shared, GStreamer, Go and pion.

Real pictures drive up to an RTSP camera that plays in real time, before the shipped `platebridge pod run`. No
set says which plates the validation pictures show, so the upstream models do: a picture takes part where they
read exactly one plate of it and are sure of every character. What those models misread with certainty counts
against the POD.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import av
import cv2
import numpy as np

from benchmarks.drive_up import Appearance, Visitor, drive_up_clip, schedule
from benchmarks.gate_timing import Car, Opening, Passage, Refusal, figures, passages
from benchmarks.pod_process import PodProcess, wait_until
from benchmarks.prerequisites import (
    CACHE,
    UPSTREAM_DETECTOR,
    UPSTREAM_RECOGNIZER,
    VALIDATION_PICTURES,
    need_camera,
    need_files,
)
from benchmarks.webrtc_receivers import Receivers, build_receivers
from benchmarks.webrtc_storm import COMING_AND_GOING, STAYING, WebrtcStorm
from benchmarks.webrtc_whep import ViewingKey, WhepCamera
from models.render.camera_process import CameraProcess
from models.render.lettering import Picture
from pod.config import VisionConfig
from pod.domain.plates import match_key
from pod.media.frame import Frame
from pod.store.audit import AuditRow
from pod.vision.pipeline import PlateReader, open_reader

CARS = 40
_CAMERA = "gate"
_LEGIBLE_SHARE = 0.067
_SURE = 0.9
_NARROWEST_PX = 60
_PART_OF_PICTURE = (0.09, 0.45)
_LENGTHS = range(4, 10)
_WITHOUT_LATIN_PLATES = ("easypr_cn", "neg_openalpr")
_EMPTY = "neg_openalpr"
_SEED = 5
_SETTLE_S = 1.3
"""Shorter than the empty stretch between two cars."""


def measure(*, cars: int = CARS) -> dict[str, float]:
    """The figures of `gate_timing`, of one pass of the clip; and of another one, as `storm_...`.

    Raises:
        CannotRunError: the pictures, the weights, GStreamer, Go or pion are missing.
    """
    need_files(VALIDATION_PICTURES, UPSTREAM_DETECTOR, UPSTREAM_RECOGNIZER)
    need_camera()
    program = build_receivers()
    visitors = choose_visitors(cars)
    _say(f"{len(visitors)} cars; their plates are what the upstream models read in the pictures")
    clip = drive_up_clip(
        visitors, _empty_view(), folder=CACHE, name="gate-latency", progress=_say_every_thousandth
    )
    appearances = schedule([visitor.plate for visitor in visitors])
    legible = first_legible_frames(clip, appearances)
    _say(f"{sum(frame is not None for frame in legible)} cars have a legible frame; the camera plays now")
    calm = _one_pass(clip, appearances, legible, storm=None)
    _say(f"and now with viewers: {STAYING} stay, {COMING_AND_GOING} at a time come and go")
    stormy = _one_pass(clip, appearances, legible, storm=program)
    return calm | {f"storm_{name}": value for name, value in stormy.items()}


def _one_pass(
    clip: Path,
    appearances: Sequence[Appearance],
    legible: Sequence[int | None],
    *,
    storm: Path | None,
) -> dict[str, float]:
    """
    Args:
        storm: the viewers' program; None for a calm.
    """
    key = ViewingKey()
    with tempfile.TemporaryDirectory() as folder:
        sent_log = Path(folder) / "sent.jsonl"
        with CameraProcess({_CAMERA: [clip]}, log=sent_log) as camera:
            pod = PodProcess(
                Path(folder) / "pod",
                {_CAMERA: camera.url(_CAMERA)},
                listed=[seen.plate for seen in appearances],
                live=key.settings,
            )
            with pod, ExitStack() as stack:
                wall_to_monotonic_s = time.monotonic() - time.time()
                if storm is not None:
                    pod.wait_until_playing()
                    receivers = stack.enter_context(Receivers(storm))
                    viewers = WhepCamera.of(pod, _CAMERA, key=key)
                    wind = stack.enter_context(WebrtcStorm(viewers, receivers))
                    stack.callback(wind.check)
                last = appearances[-1].last
                wait_until(lambda: len(sent_times_s(sent_log)) > last, 60 + last / 10, what="the clip's end")
                time.sleep(_SETTLE_S)
                rows, edges = pod.rows(), pod.edges(_CAMERA)
            sent_s = sent_times_s(sent_log)
    openings, refusals = what_was_written(rows, wall_to_monotonic_s)
    on_s = {edge.pulse: edge.t_mono_ns / 1e9 for edge in edges if edge.state == "on"}
    done, wrong = passages(
        [
            Car(
                match_key(seen.plate),
                sent_s[seen.first],
                sent_s[seen.last],
                None if frame is None else sent_s[frame],
            )
            for seen, frame in zip(appearances, legible, strict=True)
        ],
        [Opening(key, on_s[pulse]) for pulse, key in openings.items() if pulse in on_s],
        refusals,
        settle_s=_SETTLE_S,
    )
    _tell(done)
    return figures(done, cars=len(appearances), wrong_openings=wrong)


def choose_visitors(count: int) -> list[Visitor]:
    """Cars of the validation pictures with plates that differ, the same ones on every run."""
    upstream = open_reader(
        VisionConfig(provider="cpu", detector=str(UPSTREAM_DETECTOR), recognizer=str(UPSTREAM_RECOGNIZER))
    )
    files = [
        f for f in sorted(VALIDATION_PICTURES.glob("*.jpg")) if not f.stem.startswith(_WITHOUT_LATIN_PLATES)
    ]
    Random(_SEED).shuffle(files)
    chosen: dict[str, Visitor] = {}
    for file in files:
        visitor = _visitor(file, upstream)
        if visitor is not None:
            chosen.setdefault(match_key(visitor.plate), visitor)
        if len(chosen) == count:
            break
    return list(chosen.values())


def _visitor(file: Path, upstream: PlateReader) -> Visitor | None:
    picture = _loaded(file)
    reads = upstream.read(picture)
    if len(reads) != 1 or reads[0].confidence < _SURE or len(reads[0].text) not in _LENGTHS:
        return None
    part = reads[0].width_px / max(picture.shape[:2])
    if reads[0].width_px < _NARROWEST_PX or not _PART_OF_PICTURE[0] <= part <= _PART_OF_PICTURE[1]:
        return None
    return Visitor(reads[0].text, picture, reads[0].box)


def first_legible_frames(clip: Path, appearances: Sequence[Appearance]) -> list[int | None]:
    """For each car, the first frame whose plate the POD's own models read correctly, looking at it alone.

    Only frames count whose plate is wide enough.
    """
    reader = open_reader(VisionConfig())
    found: list[int | None] = [None] * len(appearances)
    car = 0
    for frame in _frames_of(clip):
        while car < len(appearances) and (frame.index > appearances[car].last or found[car] is not None):
            car += 1
        if car == len(appearances):
            break
        seen = appearances[car]
        if frame.index < seen.first or seen.share(frame.index) < _LEGIBLE_SHARE:
            continue
        size_px = (frame.height, frame.width)
        boxes = reader.detect(
            frame.scaled_rgb(*reader.detector.fit_px(height=frame.height, width=frame.width)),
            frame_size_px=size_px,
        )
        reads = reader.read_boxes(frame.rgb(), boxes)
        if match_key(seen.plate) in {match_key(read.text) for read in reads}:
            found[car] = frame.index
    return found


def sent_times_s(log: Path) -> list[float]:
    """When the camera sent each frame of its play-out, monotonic.

    Raises:
        RuntimeError: the camera was played anew on the way: the run measures nothing.
    """
    text = log.read_text() if log.exists() else ""
    lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    starts = [index for index, line in enumerate(lines) if line["frame"] == 0]
    if len(starts) > 1 and starts[-1] > 3:
        raise RuntimeError("the pod lost the camera on the way: the machine is too busy to measure anything")
    return [line["sent_mono_ns"] / 1e9 for line in lines[starts[-1] if starts else 0 :]]


def what_was_written(
    rows: Sequence[AuditRow], wall_to_monotonic_s: float
) -> tuple[dict[str, str], list[Refusal]]:
    """From the audit: the plates' match keys by pulse, and what was refused and why."""
    granted: dict[str, str] = {}
    refusals = []
    for row in rows:
        facts = row.payload or {}
        at_s = row.at.timestamp() + wall_to_monotonic_s
        if row.kind == "intent":
            granted[str(facts["pulse"])] = match_key(str(facts["plate"]))
        elif row.kind == "decision" or (row.kind == "outcome" and "reason" in facts):
            refusals.append(Refusal(at_s, str(facts["reason"])))
    return granted, refusals


def _frames_of(clip: Path) -> Iterator[Frame]:
    with av.open(str(clip)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            yield Frame("clip", 1, index, 0.0, 0.0, picture)


def _empty_view() -> Picture:
    return _loaded(sorted(VALIDATION_PICTURES.glob(f"{_EMPTY}*.jpg"))[0])


def _loaded(file: Path) -> Picture:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB), np.uint8)


def _tell(done: Sequence[Passage]) -> None:
    for passage in done:
        if passage.latency_s is None:
            _say(f"not opened: {passage.car.key}: {passage.reason}")
        else:
            _say(f"opened: {passage.car.key} after {1000 * passage.latency_s:.0f} ms")


def _say_every_thousandth(done: int, total: int) -> None:
    if done % 1000 == 0:
        _say(f"rendering the clip: frame {done} of {total}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
