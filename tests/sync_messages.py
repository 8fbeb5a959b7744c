"""One message of each kind, and rows to send, for tests of the sync protocol."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.protocol import down, health, up
from sync.protocol.batch import Batch
from sync.protocol.chain import START, Position, Row, digest_of, link_of
from sync.protocol.framing import PinnedKey, Signer
from sync.protocol.up import ListState
from sync.protocol.wire import Message

POD = "pod-a1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = Signer("cloud-1", KEY)
KEYS = {"cloud-1": PinnedKey(KEY.public_key(), down.SIGNED_KINDS)}
LISTED = ListState(version=7, digest=bytes(31) + b"\7")
ZERO = bytes(32)


def a_row(before: Position, payload: object = None, *, kind: str = "decision", ts_us: int = 0) -> Row:
    """The row that follows a position."""
    text, seq = json.dumps(payload, sort_keys=True, separators=(",", ":")).encode(), before.seq + 1
    salt = seq.to_bytes(16)
    digest = digest_of(salt, text)
    link = link_of(before.link, seq, ts_us=ts_us, kind=kind, digest=digest)
    return Row(seq, ts_us, kind, salt, text, digest, link)


def rows_after(before: Position, count: int, *, of: str = "a") -> list[Row]:
    """Rows that follow a position; `of` tells one audit from another."""
    rows: list[Row] = []
    for n in range(count):
        rows.append(a_row(rows[-1].position if rows else before, {"n": n, "of": of}))
    return rows


def a_batch(
    rows: list[Row], before: Position = START, *, line: int = 1, live_s: float | None = None
) -> Batch:
    return Batch("s1", line, before, tuple(rows), live_s)


HELLO = up.Hello(session="s1", number=3, head=(9, b"\1" * 32), oldest=(0, ZERO), listed=LISTED)
COMMAND = down.Command(
    id="c1", session="s1", gate="main", action="open", by="Ada", issued_s=1000.0, expires_s=1030.0
)
HEALTH = health.Health(
    session="s1",
    versions={"platebridge": "0.1.0"},
    cameras=[health.CameraHealth(name="entrance", state="playing", fps=12.5, viewers=1)],
    detections_per_hour=31.0,
    unread_approaches=2,
    backlog_rows=0,
    disk_free_bytes=10**10,
    disk_used=0.4,
    temperature_c=61.5,
    clock_doubt="",
    list_age_s=12.0,
    tailscale_state="Running",
    tailscale_ip="100.64.0.7",
    problems=["camera exit is away"],
)
UP: list[Message] = [
    HELLO,
    up.Points(session="s1", line=1, points=[(4, b"\2" * 32), (9, None)]),
    HEALTH,
    health.Presence(session="s1", online=False),
    up.WantList(session="s1", number=1, has=LISTED, version=8, missing=[0, 3]),
    up.Receipt(listed=LISTED, refused=[up.Refusal(id="e1", reason="twice")], refused_count=1),
    up.Answer(id="c1", result="refused", reason="clock_unsure"),
    up.ImageOffer(name="p-1.jpg", approach="a-1", digest=ZERO, size_bytes=9000, media_type="image/jpeg"),
]
DOWN: list[Message] = [
    down.Welcome(
        session="s1", number=3, time_s=1000.0, line=1, spans=[(0, ZERO, 4, b"\1" * 32)], listed=LISTED
    ),
    down.Ack(session="s1", line=1, spans=[(0, ZERO, 4, b"\1" * 32), (6, ZERO, 9, ZERO)]),
    down.Refused(reason="this POD is switched off"),
    down.Probe(line=1, seqs=[1, 5, 9]),
    down.ImageAnswer(name="p-1.jpg", from_byte=4096),
    down.ListDelta(since=LISTED, to=LISTED, put=[("e1", '{"plate":"AB123CD"}')], gone=["e2"]),
    down.ListChunk(session="s1", number=1, of=LISTED, index=0, count=1, entries=[("e1", "{}")]),
    COMMAND,
    down.Rehome(number=2, portal="https://gates.example", brokers=["mqtts://mq.example:8883"]),
]


def named(message: Message) -> str:
    """The kind, for ids of tests."""
    return type(message).__name__
