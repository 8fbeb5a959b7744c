"""A real browser that watches, and says which frame it showed when, read from the pixels of the video."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.numbered_clip import BITS, BLOCK_PX, number_in
from benchmarks.prerequisites import chromium
from benchmarks.webrtc_timing import Shown

_QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
_PATIENCE_MS = 30_000
_CLOCK_LOOKS = 15

_PAGE = "http://localhost/"
"""Served by nobody: what it loads is made up here. `VideoFrame` is for pages of a secure origin only."""

_VIEWER = """
([blockPx, blocks]) => {
  const video = document.createElement('video');
  video.muted = video.autoplay = video.playsInline = true;
  document.body.replaceChildren(video);
  window.shown = [];
  window.startedMs = performance.now();
  const pc = window.pc = new RTCPeerConnection();
  const row = {x: 0, y: 0, width: blockPx * blocks, height: blockPx};
  // Straight from the decoder's brightness plane: drawing the picture on a canvas takes longer than a frame.
  const read = async (frame, levels) => {
    const bytes = new Uint8Array(frame.allocationSize({rect: row}));
    const [luma] = await frame.copyTo(bytes, {rect: row});
    frame.close();
    const middle = luma.offset + (blockPx / 2) * luma.stride + blockPx / 2;
    for (let block = 0; block < blocks; block++) {
      let sum = 0;
      for (let y = -2; y < 2; y++) for (let x = -2; x < 2; x++) {
        sum += bytes[middle + block * blockPx + y * luma.stride + x];
      }
      levels.push(sum / 16);
    }
  };
  const seen = () => {
    const levels = [];
    shown.push([performance.now(), levels]);
    read(new VideoFrame(video), levels);
    video.requestVideoFrameCallback(seen);
  };
  video.requestVideoFrameCallback(seen);
  pc.ontrack = event => { video.srcObject = new MediaStream([event.track]); video.play(); };
}
"""
_OFFER = """
async () => {
  pc.addTransceiver('video', {direction: 'recvonly'});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
"""
_ACCEPT = "sdp => pc.setRemoteDescription({type: 'answer', sdp})"
_ANSWER = """
async sdp => {
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription();
  return pc.localDescription.sdp;
}
"""


class BrowserViewer:
    """One page of the browser that watches one server, as a `Peer`."""

    def __init__(self, browser: Browser) -> None:
        self._page = page = browser.new_page()
        page.route(_PAGE, lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        page.goto(_PAGE)
        self._offset_s = _clock_offset_s(page)
        page.evaluate(_VIEWER, [BLOCK_PX, BITS + 1])

    def offer(self) -> str:
        return str(self._page.evaluate(_OFFER))

    def accept(self, answer: str) -> None:
        self._page.evaluate(_ACCEPT, answer)

    def answer(self, offer: str) -> str:
        return str(self._page.evaluate(_ANSWER, offer))

    def wait_for(self, frames: int) -> None:
        """Until so many were shown.

        Raises:
            playwright.sync_api.TimeoutError: they did not come.
        """
        self._page.wait_for_function("frames => shown.length >= frames", arg=frames, timeout=_PATIENCE_MS)

    def shown(self) -> list[Shown]:
        """Every frame so far, oldest first."""
        found: list[Any] = self._page.evaluate("() => shown.filter(([, levels]) => levels.length)")
        return [Shown(number_in(levels), self._offset_s + at_ms / 1000) for at_ms, levels in found]

    def first_frame_s(self) -> float:
        """From the viewer's start, before its offer, to the first frame; once there is one."""
        return float(self._page.evaluate("() => shown[0][0] - startedMs")) / 1000

    def close(self) -> None:
        self._page.evaluate("() => pc.close()")
        self._page.close()


@contextmanager
def launched() -> Iterator[Browser]:
    """
    Raises:
        CannotRunError: there is no browser here.
    """
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET.split())
        yield browser
        browser.close()


def _clock_offset_s(page: Page) -> float:
    """Monotonic clock of this machine minus that of the page: from the look that took least."""
    best_s, offset_s = float("inf"), 0.0
    for _ in range(_CLOCK_LOOKS):
        before_s = time.monotonic()
        page_s = float(page.evaluate("() => performance.now()")) / 1000
        after_s = time.monotonic()
        if after_s - before_s < best_s:
            best_s, offset_s = after_s - before_s, (before_s + after_s) / 2 - page_s
    return offset_s
