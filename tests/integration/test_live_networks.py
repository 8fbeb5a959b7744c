"""Live video over networks that stand in the way: routers that hide both sides, a TURN server, IPv6 alone.

The viewer is pion, the TURN server coturn: neither shares code with the POD.
"""

import base64
import hmac
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import networks
import pytest
from networks import TURN, Coturn, Networks, two_homes, until
from pod_in_network import SERVERS_WITHIN_S

from benchmarks import prerequisites
from benchmarks.prerequisites import CannotRunError
from benchmarks.webrtc_receivers import Receiver, Receivers, build_receivers

SECRET = "of this test alone"
ENOUGH_PACKETS = 70
"""More than the GOP that a viewer gets at once: the camera goes on."""

AT_ONCE_S = 2.0
"""What an answer may take where no server is waited for, on a busy machine: less than `SERVERS_WITHIN_S`."""


def proof_of(username: str) -> str:
    """The password that coturn takes for this name, as its documentation has it."""
    return base64.b64encode(hmac.digest(SECRET.encode(), username.encode(), "sha1")).decode()


def _absence() -> str | None:
    try:
        prerequisites.need_go()
    except CannotRunError as error:
        return str(error)
    return networks.absence()


pytestmark = pytest.mark.skipif(_absence() is not None, reason=_absence() or "")


class PodInNetwork:
    """The POD's live video, in one of the networks; `with` is its lifetime."""

    def __init__(self, made: Networks, place: str, environment: Mapping[str, str], **live: object) -> None:
        folder = str(Path(__file__).parent)
        self._process = made.start(
            place,
            "env",
            f"PYTHONPATH={folder}",
            *(f"{name}={value}" for name, value in environment.items()),
            sys.executable,
            f"{folder}/pod_in_network.py",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._live = live

    def ask(self, **request: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def tell(self) -> dict[str, Any]:
        """Its sessions, how others ended, and what it holds."""
        return self.ask(do="tell")

    def __enter__(self) -> Self:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"live": self._live}) + "\n")
        self._process.stdin.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if error is None:
            assert self._process.wait(15) == 0


class Rig:
    """A POD, a viewer and a TURN server, each in a network of its own; made as a test asks for them."""

    def __init__(self, made: Networks, folder: Path) -> None:
        self.made = made
        self._folder = folder
        self._stack = ExitStack()

    def internet(self) -> None:
        """As `two_homes`."""
        two_homes(self.made)

    def home(self) -> None:
        """Both in one home, which leads to the internet: nothing is between them."""
        made = self.made
        made.add("pod", "internet", "viewer")
        made.forward("internet")
        made.connect("pod", "internet", at=["10.0.1.2/24"], other_at=["10.0.1.1/24"], name="lan1")
        made.connect("viewer", "internet", at=["10.0.2.2/24"], other_at=["10.0.2.1/24"], name="lan2")
        made.run("internet", "ip", "address", "add", f"{TURN}/32", "dev", "lo")
        made.route("pod", "10.0.1.1")
        made.route("viewer", "10.0.2.1")

    def turn_server(self, *options: str) -> Coturn:
        secret = ["--use-auth-secret", "--static-auth-secret", SECRET]
        return Coturn(self.made, "internet", TURN, folder=self._folder, options=[*secret, *options])

    def pod(self, *, environment: Mapping[str, str] | None = None, **live: object) -> PodInNetwork:
        return self._stack.enter_context(PodInNetwork(self.made, "pod", environment or {}, **live))

    def viewers(self) -> Receivers:
        receivers = Receivers(build_receivers(), network=self.made.place("viewer"))
        return self._stack.enter_context(receivers)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Networks() as made:
        rig = Rig(made, tmp_path)
        try:
            yield rig
        finally:
            rig.close()


def signed_for(ip: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for this address that signs itself, and its key."""
    certificate, key = folder / "turn.crt", folder / "turn.key"
    subject = ["-subj", "/CN=turn.test", "-addext", f"subjectAltName=IP:{ip}"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "1"]
    subprocess.run([*made, *files, *subject], check=True, capture_output=True)
    return certificate, key


def turn(**more: object) -> dict[str, object]:
    return {"urls": [f"turn:{TURN}:3478"], "secret": SECRET} | more


def servers_for_viewers(pod: PodInNetwork) -> Sequence[Mapping[str, object]]:
    """What the POD tells its viewers, as `RTCPeerConnection` takes it."""
    return [
        {"urls": [one["url"]], "username": one["username"] or "", "credential": one["credential"] or ""}
        for one in pod.tell()["servers"]
    ]


def priorities(sdp: str, kind: str) -> list[int]:
    """Of all candidates of this kind."""
    return [int(found) for found in re.findall(rf"candidate:\S+ 1 udp (\d+) \S+ \d+ typ {kind}", sdp)]


def watch(pod: PodInNetwork, viewers: Receivers, servers: Sequence[Mapping[str, object]]) -> Receiver:
    """A viewer that has been answered."""
    viewer = viewers.new(servers)
    answer = pod.ask(do="offer", sdp=viewer.offer())
    assert "sdp" in answer, answer
    viewer.accept(answer["sdp"])
    return viewer


def gets_video(viewers: Receivers, viewer: Receiver) -> Callable[[], bool]:
    return lambda: viewers.counts()[viewer.name].packets >= ENOUGH_PACKETS


def test_video_comes_through_a_turn_server_where_routers_hide_both_sides_and_both_say_so(rig: Rig) -> None:
    rig.internet()
    coturn = rig.turn_server()
    pod, viewers = rig.pod(turn=turn()), rig.viewers()
    viewer = watch(pod, viewers, servers_for_viewers(pod))
    until(gets_video(viewers, viewer), what="video")
    assert viewers.counts()[viewer.name].path == "relay prflx"
    told = pod.tell()
    assert [(one["path"], one["offload"]) for one in told["sessions"]] == [("relayed", True)]
    assert told["troubles"] == {}
    viewer.close()
    until(lambda: pod.tell()["ended"] == ["left"], what="the end")
    assert coturn.says("relay")


@pytest.mark.parametrize("pod_relays", [False, True], ids=["viewers alone", "the POD, too"])
def test_where_there_is_a_straight_way_it_is_taken_though_a_turn_server_would_relay_for(
    rig: Rig, pod_relays: bool
) -> None:
    rig.home()
    rig.turn_server()
    pod, viewers = rig.pod(turn=turn(pod_relays=pod_relays)), rig.viewers()
    servers = servers_for_viewers(pod)
    viewer = watch(pod, viewers, servers)
    until(gets_video(viewers, viewer), what="video")
    assert "relay" not in viewers.counts()[viewer.name].path
    assert [(one["path"], one["offload"]) for one in pod.tell()["sessions"]] == [("direct", True)]
    offer = viewers.new(servers).offer()
    relays = priorities(pod.ask(do="offer", sdp=offer)["sdp"], "relay")
    assert len(relays) == pod_relays
    assert max(relays, default=0) < min(priorities(offer, "relay")), "the viewer's relay is to go first"


@pytest.mark.parametrize(
    ("addresses", "name"),
    [
        pytest.param(("2001:db8:2::1/64", "2001:db8:2::2/64"), "lan", id="IPv6"),
        pytest.param(("100.64.7.1/10", "100.100.1.2/10"), "tailscale0", id="a VPN of 100.64.0.0/10"),
    ],
)
def test_a_viewer_who_has_one_way_alone_gets_video_by(
    rig: Rig, addresses: tuple[str, str], name: str
) -> None:
    made = rig.made
    made.add("pod", "elsewhere", "viewer")
    made.connect("pod", "elsewhere", at=["10.0.1.2/24"], other_at=["10.0.1.1/24"], name="lan1")
    made.connect("pod", "viewer", at=addresses[:1], other_at=addresses[1:], name=name)
    pod, viewers = rig.pod(), rig.viewers()
    viewer = watch(pod, viewers, [])
    until(gets_video(viewers, viewer), what="video")
    assert [one["path"] for one in pod.tell()["sessions"]] == ["direct"]


def test_where_a_network_lets_nothing_out_but_to_the_turn_server_it_relays_for_the_pod_by_udp_tcp_and_tls(
    rig: Rig, tmp_path: Path
) -> None:
    rig.internet()
    rig.made.filter(
        "podrouter",
        f"""
        chain out {{
            type filter hook forward priority 10
            iifname "lan" ip daddr {TURN} udp dport 3478 accept
            iifname "lan" ip daddr {TURN} tcp dport {{ 3478, 5349 }} accept
            iifname "lan" drop
        }}
        """,
    )
    certificate, key = signed_for(TURN, tmp_path)
    rig.turn_server("--cert", str(certificate), "--pkey", str(key))
    viewers, trusted = rig.viewers(), {"SSL_CERT_FILE": str(certificate)}
    # By each address: whether the kernel cuts the datagrams.
    cuts = {
        f"turn:{TURN}:3478": True,
        f"turn:{TURN}:3478?transport=tcp": False,
        f"turns:{TURN}:5349": False,
    }
    pods = {url: rig.pod(turn=turn(urls=[url], pod_relays=True), environment=trusted) for url in cuts}
    watching = {url: watch(pod, viewers, [{"urls": [f"stun:{TURN}:3478"]}]) for url, pod in pods.items()}
    for url, pod in pods.items():
        until(gets_video(viewers, watching[url]), what=f"video by {url}")
        assert viewers.counts()[watching[url].name].path.endswith(" relay")
        told = pod.tell()
        assert [(one["path"], one["offload"]) for one in told["sessions"]] == [("relayed_by_pod", cuts[url])]
        assert told["troubles"] == {}
        watching[url].close()
        until(lambda pod=pod: pod.tell()["ended"] == ["left"], what="the end")


LAPSED = "1000:test"


def test_a_turn_server_that_refuses_is_told_in_words_and_holds_up_nobody(rig: Rig) -> None:
    rig.home()
    rig.turn_server()
    wrong = ({"secret": "of another"}, {"secret": None, "username": LAPSED, "password": proof_of(LAPSED)})
    viewers = rig.viewers()
    for pod in [rig.pod(turn=turn(pod_relays=True, **credentials)) for credentials in wrong]:
        until(lambda pod=pod: pod.tell()["troubles"], what="the trouble")
        (trouble,) = pod.tell()["troubles"].values()
        assert trouble.startswith("refuses the POD's credentials: ")
        viewer = viewers.new(servers_for_viewers(pod))
        answer = pod.ask(do="offer", sdp=viewer.offer())
        assert " typ relay" not in answer["sdp"]
        assert answer["took_s"] < AT_ONCE_S
        viewer.accept(answer["sdp"])
        until(gets_video(viewers, viewer), what="video")
        assert [one["path"] for one in pod.tell()["sessions"]] == ["direct"]


def test_a_viewer_who_cannot_be_reached_is_given_up_and_nothing_of_it_is_left(rig: Rig) -> None:
    rig.internet()
    rig.turn_server()
    pod, viewers = rig.pod(turn=turn(pod_relays=True)), rig.viewers()
    until(lambda: pod.tell()["sockets"], what="the start")
    before = pod.tell()["sockets"]
    viewer = watch(pod, viewers, [])
    wrong = watch(pod, viewers, [{"urls": [f"turn:{TURN}:3478"], "username": "1:x", "credential": "wrong"}])
    rig.made.filter("podrouter", 'chain out {\ntype filter hook forward priority 10\niifname "lan" drop\n}')
    until(lambda: pod.tell()["ended"] == ["no_connection"] * 2, what="the end")
    assert {viewers.counts()[one.name].packets for one in (viewer, wrong)} == {0}
    # One that only asked at the start whether the servers are there may be gone since.
    until(lambda: pod.tell()["sockets"] <= before, what="its sockets")


def test_a_turn_server_that_died_holds_up_one_viewer_at_most_and_is_asked_again_once_it_is_back(
    rig: Rig,
) -> None:
    rig.home()
    coturn = rig.turn_server()
    pod, viewers = rig.pod(turn=turn(pod_relays=True)), rig.viewers()
    first = viewers.new([])
    answer = pod.ask(do="offer", sdp=first.offer())
    sockets_of_one = 2  # of its address and of its relay
    before = pod.tell()["sockets"] - sockets_of_one
    assert " typ relay" in answer["sdp"]
    first.accept(answer["sdp"])
    until(gets_video(viewers, first), what="video")
    coturn.end()
    assert pod.ask(do="offer", sdp=viewers.new([]).offer())["took_s"] < SERVERS_WITHIN_S + 2.5
    until(lambda: pod.tell()["troubles"], what="the trouble")
    assert set(pod.tell()["troubles"].values()) == {"does not answer"}
    second = viewers.new([])
    answer = pod.ask(do="offer", sdp=second.offer())
    assert answer["took_s"] < AT_ONCE_S
    second.accept(answer["sdp"])
    until(gets_video(viewers, second), what="video")
    first.close()
    second.close()
    until(lambda: pod.tell()["ended"].count("left") == 2, what="the end of both")
    rig.turn_server()
    until(lambda: not pod.tell()["troubles"], what="the end of the trouble")
    until(lambda: pod.tell()["sockets"] == before, what="its sockets")
    assert " typ relay" in pod.ask(do="offer", sdp=viewers.new([]).offer())["sdp"]
