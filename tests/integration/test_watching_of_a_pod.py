"""Who may watch, at the shipped POD: tokens, leases and the audit, with aiortc as the viewer."""

import asyncio
import base64
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import gate_clips
import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from running_pod import RunningPod, list_plates, until

from pod.domain.stream_token import StreamToken, sign
from pod.web.stream_key import FILE_NAME, own_key

PORTAL_KEY = Ed25519PrivateKey.generate()
PORTAL = "https://portal.example.org"
SDP_TYPE = {"content-type": "application/sdp"}
FRAGMENT_TYPE = {"content-type": "application/trickle-ice-sdpfrag"}


def a_pod(folder: Path, **sections: dict[str, object]) -> RunningPod:
    raw = PORTAL_KEY.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    keys = [{"kid": "portal", "public_key": base64.b64encode(raw).decode()}]
    return RunningPod(
        folder,
        str(gate_clips.standing()),
        sections={
            "live": {"trusted_keys": keys, "origins": [PORTAL]},
            "log": {"format": "json", "level": "debug"},
        }
        | sections,
        loop=True,
        detect_fps=0.5,
    )


def is_playing(pod: RunningPod) -> bool:
    return any(row.get("state") == "playing" for row in pod.payloads("camera_state"))


def ready(pod: RunningPod) -> None:
    until(lambda: pod.address, what="the start")
    until(lambda: is_playing(pod), what="the camera")


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPod]:
    with a_pod(tmp_path_factory.mktemp("watched")) as running:
        ready(running)
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.log.read_text()


@contextlib.asynccontextmanager
async def player_of(pod: RunningPod, *, signs_in: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=str(pod.address), timeout=20) as client:
        if signs_in:
            assert (await client.get(pod.sign_in_link())).status_code == 303
            client.headers["x-csrf-token"] = (await client.get("/api/session")).json()["csrf"]
        yield client


async def token_of(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/cameras/entry/watch")
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def portal_token(pod: RunningPod, token_id: str) -> str:
    """As the portal would sign it now; the POD says in its log what it is called."""
    named = next(line for line in pod.log.read_text().splitlines() if "stream tokens of others" in line)
    audience = named.split("name this POD ")[1].split(" as ")[0]
    now_s = time.time()
    token = StreamToken("portal", audience, "entry", "resident 12", token_id, now_s, now_s + 60)
    return sign(token, PORTAL_KEY)


async def portal_opens(
    client: httpx.AsyncClient, pod: RunningPod, sdp: str, **headers: str
) -> tuple[str, httpx.Response]:
    """A token of the portal and what it opened, once the POD takes any: not in its first five seconds."""
    for number in itertools.count():
        token = portal_token(pod, f"try-{number}")
        answer = await ask(client, token, sdp, **headers)
        if answer.status_code == 201:
            return token, answer
        assert (answer.json()["code"], number < 200) == ("expired", True)
        await asyncio.sleep(0.1)
    raise AssertionError


async def ask(
    client: httpx.AsyncClient, token: str, sdp: str, *, camera: str = "entry", **headers: str
) -> httpx.Response:
    sent = {"authorization": f"Bearer {token}"} | SDP_TYPE | headers
    return await client.post(f"/whep/{camera}", content=sdp, headers=sent)


class Viewer:
    """Receives one video over WebRTC."""

    def __init__(self) -> None:
        self.peer = RTCPeerConnection()
        self.peer.addTransceiver("video", direction="recvonly")

    async def __aenter__(self) -> "Viewer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.peer.close()

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        sdp: str = self.peer.localDescription.sdp
        return sdp

    def fragment(self) -> str:
        """As a browser says that it has no more candidates (RFC 8840)."""
        lines = self.peer.localDescription.sdp.splitlines()
        told = [line for line in lines if line.startswith(("a=ice-ufrag", "a=ice-pwd", "a=mid", "m=video"))]
        return "\r\n".join([*told, "a=end-of-candidates", ""])

    async def first_picture(self, answer: httpx.Response) -> None:
        """Waits until one is decoded."""
        await self.peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async with asyncio.timeout(30):
            await self.peer.getReceivers()[0].track.recv()


def rows_of(pod: RunningPod, kind: str, viewer: str) -> list[dict[str, object]]:
    return [row for row in pod.payloads(kind) if viewer in str(row["viewer"])]


def held_in(folder: Path, *secrets: str) -> list[str]:
    """Which of these stand in any file of the POD's, log and database included."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    return [secret for secret in secrets if any(secret.encode() in content for content in files)]


async def test_who_is_signed_in_sees_the_camera_and_only_the_audit_remembers(pod: RunningPod) -> None:
    started = len(pod.payloads("watch_started"))
    async with player_of(pod) as client, Viewer() as viewer:
        token = await token_of(client)
        opened = await ask(client, token, await viewer.offer())
        assert opened.status_code == 201, opened.text
        await viewer.first_picture(opened)
        place = opened.headers["location"]
        renewal = await token_of(client)
        renewed = await client.post(place, headers={"authorization": f"Bearer {renewal}"})
        assert renewed.json() == {"lease_s": 300}
        for etag, status in ((opened.headers["etag"], 204), ('"another"', 412)):
            head = {"authorization": f"Bearer {token}", "if-match": etag} | FRAGMENT_TYPE
            trickled = await client.patch(place, content=viewer.fragment(), headers=head)
            assert trickled.status_code == status, trickled.text
        ended = await client.delete(place, headers={"authorization": f"Bearer {token}"})
        assert ended.status_code == 200
    until(lambda: len(pod.payloads("watch_ended")) > started, what="the row about the end")
    row = pod.payloads("watch_ended")[-1]
    assert pod.payloads("watch_started")[-1] == {
        "camera": "entry",
        "viewer": "local page, from 127.0.0.1",
        "address": "127.0.0.1",
    }
    assert (row["camera"], row["why"]) == ("entry", "ended")
    assert float(str(row["bytes"])) > 1000
    assert held_in(pod.config.parent, token, renewal, token[-40:], place.rpartition("/")[2]) == []


async def test_whoever_signs_out_sees_no_more(pod: RunningPod) -> None:
    ended = len(pod.payloads("watch_ended"))
    async with player_of(pod) as client, Viewer() as viewer, Viewer() as later:
        opened = await ask(client, await token_of(client), await viewer.offer())
        await viewer.first_picture(opened)
        left = await token_of(client)
        assert (await client.post("/logout")).status_code == 303
        until(lambda: len(pod.payloads("watch_ended")) > ended, 10, what="the end")
        assert (await ask(client, left, await later.offer())).json()["code"] == "expired"
    assert pod.payloads("watch_ended")[-1]["why"] == "revoked"


async def test_a_portal_watches_with_a_token_of_its_own_from_its_own_page(pod: RunningPod) -> None:
    async with player_of(pod, signs_in=False) as client, Viewer() as viewer:
        token, opened = await portal_opens(client, pod, await viewer.offer(), origin=PORTAL)
        assert opened.headers["access-control-allow-origin"] == PORTAL
        again = await ask(client, token, await viewer.offer(), origin=PORTAL)
        assert (again.status_code, again.json()["code"]) == (401, "used")
        end = {"authorization": f"Bearer {token}", "origin": PORTAL}
        assert (await client.delete(opened.headers["location"], headers=end)).status_code == 200
    until(lambda: rows_of(pod, "watch_ended", "resident 12 (portal)"), what="the row")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda sdp: "v=0\r\nnonsense", (400, "bad_offer"), id="malformed"),
        pytest.param(lambda sdp: "", (400, "bad_offer"), id="empty"),
        pytest.param(lambda sdp: sdp.replace("H264", "VP9"), (406, "no_h264"), id="another codec"),
        pytest.param(lambda sdp: sdp + "a=x:y\r\n" * 10_000, (413, "too_large"), id="giant"),
    ],
)
async def test_a_running_pod_refuses_offers_that_it_cannot_answer_and_says_why(
    pod: RunningPod, change: Callable[[str], str], expected: tuple[int, str]
) -> None:
    async with player_of(pod) as client, Viewer() as viewer:
        sdp = change(await viewer.offer())
        answer = await ask(client, await token_of(client), sdp)
        assert (answer.status_code, answer.json()["code"]) == expected
        assert len(answer.json()["detail"]) > 10
        status = json.loads(pod.get("healthz"))["status"]
    assert status == "ok"


async def test_a_token_of_a_running_pod_is_good_once_and_not_after_a_restart(tmp_path: Path) -> None:
    running = a_pod(tmp_path)
    with running:
        ready(running)
        kid = own_key(running.data_dir).kid
        async with player_of(running) as client, Viewer() as viewer:
            sdp = await viewer.offer()
            used, unused = await token_of(client), await token_of(client)
            assert (await ask(client, used, sdp)).status_code == 201
            portals = [(await portal_opens(client, running, sdp))[0], portal_token(running, "unused")]
            for token in (used, portals[0]):
                again = await ask(client, token, sdp)
                assert (again.status_code, again.json()["code"]) == (401, "used")
        running.kill()
        running.start()
        ready(running)
        assert own_key(running.data_dir).kid == kid
        async with player_of(running) as client:
            for token in (used, unused, *portals):
                answer = await ask(client, token, sdp)
                assert (answer.status_code, answer.json()["code"]) == (401, "expired")
            assert (await ask(client, await token_of(client), sdp)).status_code == 201


async def test_a_pod_without_its_stream_key_opens_gates_and_says_why_nobody_can_watch(
    tmp_path: Path,
) -> None:
    running = a_pod(tmp_path)
    list_plates(running.data_dir, [gate_clips.PLATE])
    (running.data_dir / FILE_NAME).write_bytes(b"\0" * 32)
    (running.data_dir / FILE_NAME).chmod(0o600)
    with running:
        ready(running)
        async with player_of(running) as client, Viewer() as viewer:
            answer = await client.post("/api/cameras/entry/watch")
            assert answer.status_code == 503
            assert "remove it" in answer.json()["detail"]
            refused = await ask(client, "x.y.z", await viewer.offer())
            assert (refused.status_code, refused.json()["code"]) == (503, "off")
            assert str(running.data_dir) not in refused.text
            command = (await client.post("/api/gates/main/commands")).json()["command"]
            opened = await client.post("/api/gates/main/open", json={"command": command})
            assert opened.json()["result"] == "commanded"
        health = json.loads(running.get("healthz"))
        assert health["status"] == "degraded"
        assert [p["part"] for p in health["parts"] if p["status"] == "degraded"] == ["who may watch"]
        until(running.pulses, what="the pulse")
        assert running.stop() == 0
