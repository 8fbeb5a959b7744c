"""Live video in Debian's Chromium behind a router of its own, from a POD behind another, through coturn."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import networks
import pytest
from clip_files import encoded, write_clip
from networks import POD_HOME, TURN, Coturn, Networks, two_homes, until
from page_visits import CHROMIUM, NO_CHROMIUM, QUIET_START
from playwright.sync_api import Page, expect, sync_playwright
from running_pod import PLATEBRIDGE, RunningPod

from pod.web.admin_password import AdminPassword

PORT = 8480
NAME = "pod.test"
SECRET = "of this test alone"
PASSWORD = "chosen by this test"
PATIENCE_MS = 40_000

HURRY = """
const after = window.setTimeout;
window.setTimeout = (work, ms, ...rest) => after(work, ms === 10_000 ? 3_000 : ms, ...rest);
"""
"""What the player waits for a path."""

ASKED_OF_THE_POD = """async () => {
  const { WhepSession, ticketFrom } = await import("/static/whep_session.js");
  const player = document.querySelector("pb-live");
  const grant = async () => {
    const ticket = await ticketFrom(player.getAttribute("watch"), player.getAttribute("csrf"));
    delete ticket.ice_servers;
    return ticket;
  };
  let given;
  const real = RTCPeerConnection;
  window.RTCPeerConnection = class extends real {
    setConfiguration(settings) { super.setConfiguration(settings); given = settings; }
  };
  const session = new WhepSession(grant, () => {});
  await session.open();
  session.close();
  window.RTCPeerConnection = real;
  return given.iceServers;
}"""
"""The ICE servers of a session whose token came alone, as from a portal."""

_absence = NO_CHROMIUM if CHROMIUM is None else networks.absence()
pytestmark = [pytest.mark.skipif(_absence is not None, reason=_absence or ""), pytest.mark.timeout(180)]


@contextmanager
def browser_in(network: str, folder: Path, *, finds: str) -> Iterator[Page]:
    """A page of a browser in this namespace, which finds `NAME` at that address and knows no certificate."""
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec ip netns exec {network} {shlex.quote(str(CHROMIUM))} "$@"\n')
    program.chmod(0o755)
    finding = [f"--host-resolver-rules=MAP {NAME} {finds}", "--ignore-certificate-errors"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET_START.split(), *finding])
        context = browser.new_context(reduced_motion="no-preference")
        context.add_init_script(HURRY)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()


def test_a_browser_behind_another_router_gets_video_through_a_turn_server_and_is_told_why_when_it_does_not(
    tmp_path: Path,
) -> None:
    clip = tmp_path / "gate.mp4"
    write_clip(clip, encoded("h264", 100, numbered=True, width=640))
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    live = {"turn": {"urls": [f"turn:{TURN}:3478"], "secret": {"file": str(tmp_path / "secret")}}}
    with Networks() as made:
        two_homes(made, opened={PORT: "10.0.1.2"})
        coturn = Coturn(made, "internet", TURN, folder=tmp_path, options=takes(SECRET))
        pod = RunningPod(
            tmp_path / "pod",
            str(clip),
            port=PORT,
            sections={"live": live, "web": {"host": "0.0.0.0", "names": [NAME]}},
            program=("ip", "netns", "exec", made.place("pod"), PLATEBRIDGE),
            detect_fps=0.5,
            loop=True,
        )
        with pod, browser_in(made.place("viewer"), tmp_path, finds=POD_HOME) as page:
            until(lambda: pod.address, what="the start", timeout_s=60)
            until(lambda: "playing" in [row["state"] for row in pod.payloads("camera_state")], timeout_s=60)
            AdminPassword(pod.data_dir).change(PASSWORD)
            page.goto(f"https://{NAME}:{PORT}/gate")
            page.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")
            state = page.locator("pb-live")
            expect(state).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
            late = page.locator(".live-late")
            expect(late).to_have_text(re.compile(r"^[\d.]+ m?s .*, relayed$"), timeout=PATIENCE_MS)
            figures = made.run("pod", "curl", "-sk", f"https://127.0.0.1:{PORT}/metrics")
            assert 'platebridge_live_paths{camera="entry",offload="yes",path="relayed"} 1.0' in figures
            servers = page.evaluate(ASKED_OF_THE_POD)
            assert [server["urls"] for server in servers] == [[f"turn:{TURN}:3478"]]
            assert servers[0]["username"].endswith(":site")
            assert SECRET not in f"{servers}{page.content()}"

            coturn.end()
            coturn = Coturn(made, "internet", TURN, folder=tmp_path, options=takes("another"))
            page.reload()
            # While it tries again the reason stays.
            why = page.locator(".live-why")
            expect(why).to_contain_text("refuses what the POD gave", timeout=PATIENCE_MS)

            coturn.end()
            page.reload()
            expect(why).to_contain_text("does not answer this device", timeout=PATIENCE_MS)
        assert SECRET not in pod.log.read_text()


def takes(secret: str) -> list[str]:
    """Options of a TURN server that has this secret."""
    return ["--use-auth-secret", "--static-auth-secret", secret]
