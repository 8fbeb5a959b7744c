"""Debian's Chromium plays kept clips: all of it, from any moment on, each picture at its time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clip_files import FPS, STRIPES, encoded, keep_clip
from page_visits import CHROMIUM, NO_CHROMIUM, launched, window
from playwright.sync_api import Browser, Page
from running_pod import until
from served_page import ServedPage

from pod.media.clips.stream import ClipStream
from pod.media.frame import AccessUnit

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
    pytest.mark.timeout(120),
]

FRAMES = 100

CAMERAS: dict[str, list[AccessUnit]] = {
    "plain": encoded("h264", FRAMES, numbered=True),
    "b-frames": encoded("h264", FRAMES, gop=250, b_frames=3, numbered=True),
}

LOAD = """([path]) => new Promise((done, failed) => {
    const video = document.createElement('video');
    video.id = 'clip'; video.muted = true;
    video.onloadeddata = () => done({duration: video.duration, width: video.videoWidth});
    video.onerror = () => failed(new Error(video.error.message));
    video.src = path; document.body.append(video);
})"""

SEEK = """(at) => new Promise((done) => {
    const video = document.getElementById('clip');
    video.onseeked = () => done();
    video.currentTime = at;
})"""

NUMBER = """(stripes) => {
    const video = document.getElementById('clip');
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const paint = canvas.getContext('2d');
    paint.drawImage(video, 0, 0);
    let number = 0;
    for (let stripe = 0; stripe < stripes; stripe++) {
        const x = Math.floor((stripe + 0.5) * canvas.width / stripes);
        number = number * 2 + (paint.getImageData(x, canvas.height / 2, 1, 1).data[0] > 127 ? 1 : 0);
    }
    return number;
}"""

PLAY = """() => new Promise((done) => {
    const video = document.getElementById('clip');
    video.onended = () => done(video.getVideoPlaybackQuality().totalVideoFrames);
    video.currentTime = 0; video.playbackRate = 2; video.play();
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedPage]:
    with ServedPage(tmp_path_factory.mktemp("clips")) as served:
        for name, units in CAMERAS.items():
            keep_clip(served.media, name, units)
        yield served


@pytest.fixture
def page(served: ServedPage, browser: Browser) -> Iterator[Page]:
    with window(browser, served.address) as page:
        page.goto(f"{served.address}{served.sign_in_path()}")
        yield page


@pytest.mark.parametrize("camera", CAMERAS)
def test_chromium_plays_a_clip_and_knows_how_long_it_is(camera: str, served: ServedPage, page: Page) -> None:
    (clip,) = served.media.clips(camera)
    told = page.evaluate(LOAD, [f"/media/{clip.id}"])
    assert told["width"] == 320
    assert told["duration"] == pytest.approx(FRAMES / FPS, abs=0.15)
    assert page.evaluate(PLAY) >= FRAMES * 0.8  # it may leave some out where the machine is slow


def shows(page: Page, frame: int, *, at_s: float, off_by: int) -> None:
    """Go to `at_s` and wait until `frame` is painted: on a busy machine that is some time after the seek."""
    page.evaluate(SEEK, at_s)
    until(
        lambda: abs(page.evaluate(NUMBER, STRIPES) - frame) <= off_by, timeout_s=20, what=f"picture {frame}"
    )


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_moment_shows_the_picture_of_that_moment(camera: str, served: ServedPage, page: Page) -> None:
    (clip,) = served.media.clips(camera)
    page.evaluate(LOAD, [f"/media/{clip.id}"])
    for frame in (0, 7, 40, 63, 90, 12):
        shows(page, frame, at_s=(frame + 0.5) / FPS, off_by=0 if camera == "plain" else 3)


def fragments(units: Sequence[AccessUnit]) -> list[bytes]:
    stream = ClipStream(units[0])
    made = [stream.add(unit)[0] for unit in units]
    return [stream.header, *(each for each in made if each)]


def test_chromium_plays_what_is_there_of_a_clip_that_is_still_recorded(
    served: ServedPage, page: Page, tmp_path: Path
) -> None:
    file = served.media.begin_clip(
        "begun", 1, camera="entry", at=datetime.now(UTC), known=True, codec="h264", plate_at_ms=0
    )
    parts = fragments(CAMERAS["plain"])
    for part in parts[:3]:
        assert file.append(part)
    served.store.submit(lambda conn: None).result(5)
    (clip,) = served.media.clips("begun")
    page.evaluate(LOAD, [f"/media/{clip.id}"])
    shows(page, round(1.5 * FPS), at_s=1.5, off_by=1)
    file.drop()
