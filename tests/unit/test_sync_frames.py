import json
import random
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from mutations import meet, spoilt
from sync_messages import COMMAND, DOWN, HEALTH, HELLO, KEY, KEYS, POD, SIGNER, UP, a_batch, named, rows_after

from pod.store import audit
from sync.protocol import batch as batches
from sync.protocol import down, up
from sync.protocol.chain import START, digest_of, link_of
from sync.protocol.errors import ProtocolError, UnknownVersionError, UntrustedError
from sync.protocol.framing import PinnedKey, Signer, Versions, pack, unpack, versions_frame
from sync.protocol.limits import MAX_BODY_BYTES, MAX_FRAME_BYTES, MAX_ROW_BYTES, MAX_ROWS

RAW = b"\1\0"
BATCH = a_batch(rows_after(START, 40))


def taken(content: bytes, channel: str = "audit") -> object:
    return up.decode_up(RAW + content, pod=POD, channel=channel)


@pytest.mark.parametrize("message", UP, ids=named)
def test_what_a_pod_says_arrives_as_it_was_said(message):
    frame = up.encode_up(message, pod=POD)
    assert up.decode_up(frame, pod=POD, channel=up.channel_of(message)) == message


@pytest.mark.parametrize("message", DOWN, ids=named)
def test_what_the_cloud_says_arrives_as_it_was_said(message):
    frame = down.encode_down(message, pod=POD, signer=SIGNER)
    assert down.decode_down(frame, pod=POD, channel=down.channel_of(message), keys=KEYS) == message


@pytest.mark.parametrize("message", UP, ids=named)
def test_a_kind_of_message_is_taken_by_its_own_channel_alone(message):
    frame = up.encode_up(message, pod=POD)
    for channel in {"audit", "health", "reply", "presence"} - {up.channel_of(message)}:
        with pytest.raises(ProtocolError, match="does not come this way"):
            up.decode_up(frame, pod=POD, channel=channel)


def test_fields_of_a_newer_program_are_passed_over():
    told = json.loads(HELLO.content()) | {"mood": "fine", "deep": {"er": [1, 2, 3]}}
    assert taken(json.dumps(told).encode()) == HELLO


def test_a_message_of_an_unknown_version_is_told_apart_and_answered():
    with pytest.raises(UnknownVersionError, match="version 9") as caught:
        unpack(b"\x09\0{}", pod=POD)
    assert caught.value.version == 9
    assert unpack(versions_frame(), pod=POD) == Versions((1,))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        pytest.param(b"", "without version", id="nothing"),
        pytest.param(b"\1", "without version", id="one byte"),
        pytest.param(b"\1\x04{}", "flags", id="an unknown flag"),
        pytest.param(bytes(MAX_FRAME_BYTES + 1), "at most", id="too large"),
        pytest.param(b"\1\1nonsense", "not deflated", id="not deflated"),
        pytest.param(b"\1\1" + zlib.compress(b"x" * 900, wbits=-15)[:-3], "cut off", id="cut off"),
        pytest.param(
            b"\1\1" + zlib.compress(b"{}", wbits=-15) + b"more", "after its end", id="trailing bytes"
        ),
        pytest.param(
            b"\1\1" + zlib.compress(bytes(MAX_BODY_BYTES * 900), wbits=-15), "unpacks to more", id="a bomb"
        ),
        pytest.param(b"\1\2", "cut off", id="a signature of nothing"),
        pytest.param(b"\1\2\x07cloud-1" + bytes(10), "cut off", id="a signature cut off"),
        pytest.param(b"\1\2\x05other" + bytes(70), "not trusted", id="an unknown key"),
        pytest.param(b"\1\2\x07cloud-1" + bytes(70), "does not fit", id="a made-up signature"),
        pytest.param(b"\0nonsense", "no JSON", id="versions that are no JSON"),
        pytest.param(b"\0" + b"[" * 100_000, "no JSON", id="versions without end"),
        pytest.param(b'\0{"speaks":["1"]}', "names none", id="versions that are no numbers"),
    ],
)
def test_a_frame_that_cannot_be_used_is_refused_by_what_is_wrong_with_it(frame, why):
    with pytest.raises(ProtocolError, match=why):
        unpack(frame, pod=POD, keys=KEYS)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "Invalid JSON", id="nothing"),
        pytest.param(b"\xff\xfe", "Invalid JSON", id="no text"),
        pytest.param(b"[" * 200_000, "recursion limit", id="very deep"),
        pytest.param(b"[]", "no message", id="no object"),
        pytest.param(b'{"t":"nope"}', "unknown here", id="an unknown kind"),
        pytest.param(b'{"t":"' + b"x" * 1000 + b'"}', "t: String should match", id="an endless kind"),
        pytest.param(b'{"t":"hello"}', "session: Field required", id="fields missing"),
        pytest.param(b'{"t":"points","session":"s","line":-1,"points":[]}', "line: .*greater", id="negative"),
        pytest.param(
            b'{"t":"points","session":"s","line":1.5,"points":[]}', "line: .*integer", id="no whole number"
        ),
        pytest.param(
            b'{"t":"points","session":"s","line":true,"points":[]}', "line: .*integer", id="a truth"
        ),
        pytest.param(
            b'{"t":"points","session":"s","line":1' + b"0" * 5000 + b"}", "line", id="a huge number"
        ),
        pytest.param(
            b'{"t":"points","session":"s","line":1,"points":[[1,"AAAA"]]}', "at least 32", id="a short link"
        ),
        pytest.param(
            json.dumps({"t": "points", "session": "s", "line": 1, "points": [[1, None]] * 65}).encode(),
            "at most 64",
            id="too many",
        ),
    ],
)
def test_a_message_that_cannot_be_used_is_refused_by_field(content, why):
    with pytest.raises(ProtocolError, match=why):
        taken(content)


@pytest.mark.parametrize(
    "change",
    [
        {"detections_per_hour": float("inf")},
        {"fps": float("nan")},
        {"tailscale_ip": "no ip"},
        {"disk_used": 1.1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_heartbeat_out_of_its_bounds_is_refused(change):
    told = json.loads(HEALTH.content()) | change
    told["cameras"][0] |= change
    with pytest.raises(ProtocolError, match="cannot be used"):
        taken(json.dumps(told).encode(), "health")


def test_a_refusal_does_not_repeat_what_the_message_held():
    told = json.loads(HEALTH.content()) | {"versions": {"<script>secret</script>": 1}, "problems": ["p"] * 99}
    with pytest.raises(ProtocolError) as caught:
        taken(json.dumps(told).encode(), "health")
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_rows_arrive_byte_for_byte_with_the_chain_that_the_pod_computed():
    rows = rows_after(START, 3)
    odd = rows_after(rows[-1].position, 1)[0]
    payload = b"\xff\n\0\n not text"
    digest = digest_of(odd.salt, payload)
    link = link_of(rows[-1].link, 4, ts_us=-5, kind="alarm", digest=digest)
    rows.append(type(odd)(4, -5, "alarm", odd.salt, payload, digest, link))
    sent = a_batch(rows, live_s=5.0)
    assert up.decode_up(up.encode_up(sent, pod=POD), pod=POD, channel="audit") == sent


@pytest.mark.parametrize("absent", ["erased", "too_large", "damaged"])
def test_a_row_without_its_payload_keeps_its_place_in_the_chain_and_says_why(absent):
    rows = rows_after(START, 3)
    gone = type(rows[1])(2, 0, "decision", b"", b"", rows[1].digest, rows[1].link, absent)
    sent = a_batch([rows[0], gone, rows[2]])
    found = batches.read_batch(sent.content())
    assert found == sent
    assert found.rows[1].absent == absent


def test_the_chain_is_that_of_the_pods_store():
    salt, payload, before = b"s" * 16, b'{"a":1}', bytes(range(32))
    digest = audit.payload_digest(salt, payload)
    assert digest_of(salt, payload) == digest
    ours = link_of(before, 12, ts_us=-7, kind="intent", digest=digest)
    assert ours == audit.chain_link(before, 12, ts_us=-7, kind="intent", digest=digest)


def changed_head(**change: object) -> bytes:
    head, _, tail = BATCH.content().partition(b"\n")
    return json.dumps(json.loads(head) | change).encode() + b"\n" + tail


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(BATCH.content()[:-1], "as long as it says", id="cut off"),
        pytest.param(BATCH.content() + b"x", "as long as it says", id="more than it says"),
        pytest.param(BATCH.content()[:-2] + b"!}", "lead to the end", id="a payload changed"),
        pytest.param(changed_head(ts_us=[1] * 40), "lead to the end", id="times changed"),
        pytest.param(changed_head(kinds=["intent"] * 40), "lead to the end", id="kinds changed"),
        pytest.param(changed_head(kinds=["decision"] * 39), "equally long", id="a column too short"),
        pytest.param(changed_head(salts=""), "one salt", id="no salts"),
        pytest.param(changed_head(digests="AAAA"), "one digest", id="digests of nothing"),
        pytest.param(changed_head(ts_us=[], kinds=[], sizes=[]), "at least 1", id="no rows"),
        pytest.param(changed_head(kinds=["x"] * (MAX_ROWS + 1)), f"at most {MAX_ROWS}", id="too many rows"),
        pytest.param(changed_head(sizes=[MAX_ROW_BYTES + 1] * 40), "less than or equal", id="a giant row"),
        pytest.param(changed_head(kinds=["A\n"] * 40), "pattern", id="kinds that are no names"),
        pytest.param(changed_head(ts_us=[2**63] * 40), "ts_us", id="a time out of range"),
    ],
)
def test_a_batch_that_does_not_add_up_is_refused_whole(content, why):
    with pytest.raises(ProtocolError, match=why):
        batches.read_batch(content)


@pytest.mark.parametrize(
    "message",
    [one for one in DOWN if named(one) not in {"Ack", "Refused", "Probe", "ImageAnswer"}],
    ids=named,
)
def test_what_must_be_signed_counts_only_with_the_signature_of_a_key_that_may_sign_it(message):
    channel = down.channel_of(message)
    stranger = Signer("cloud-1", Ed25519PrivateKey.generate())
    lesser = {"cloud-1": PinnedKey(KEY.public_key(), frozenset({"nothing"}))}
    signed = down.encode_down(message, pod=POD, signer=SIGNER)
    for frame, keys in (
        (pack(message.content(), pod=POD), KEYS),
        (down.encode_down(message, pod=POD, signer=stranger), KEYS),
        (down.encode_down(message, pod="pod-b2", signer=SIGNER), KEYS),
        (signed[:-1] + bytes([signed[-1] ^ 1]), KEYS),
        (signed, lesser),
        (signed, {}),
    ):
        with pytest.raises(UntrustedError):
            down.decode_down(frame, pod=POD, channel=channel, keys=keys)


def test_nothing_of_a_forged_message_is_unpacked_before_it_is_proved():
    bomb = zlib.compress(bytes(MAX_BODY_BYTES * 900), wbits=-15)
    with pytest.raises(UntrustedError):
        unpack(b"\1\3\x07cloud-1" + bytes(64) + bomb, pod=POD, keys=KEYS)


def test_large_messages_go_deflated_and_small_ones_as_they_are():
    assert up.encode_up(BATCH, pod=POD)[1] == 1
    assert len(up.encode_up(BATCH, pod=POD)) < len(BATCH.content()) / 2
    assert pack(b"{}", pod=POD) == b"\1\0{}"
    noise = random.Random(1).randbytes(5000)
    assert pack(noise, pod=POD) == b"\1\0" + noise
    with pytest.raises(ProtocolError, match="at most"):
        pack(bytes(MAX_BODY_BYTES + 1), pod=POD)


def test_a_body_of_the_largest_size_goes_through():
    full = b"a" * MAX_BODY_BYTES
    found = unpack(pack(full, pod=POD), pod=POD)
    assert not isinstance(found, Versions)
    assert found.content == full


@given(st.binary(max_size=300), st.sampled_from(["audit", "health", "reply", "presence"]))
def test_no_bytes_whatever_are_met_by_anything_but_a_message_or_a_refusal(data, channel):
    for frame in (data, RAW + data, RAW + b'{"t":"hello",' + data):
        meet(lambda f: up.decode_up(f, pod=POD, channel=channel), [frame], refusal=ProtocolError)
        meet(lambda f: down.decode_down(f, pod=POD, channel="ack", keys=KEYS), [frame], refusal=ProtocolError)


def test_spoilt_messages_are_taken_or_refused_and_say_why():
    good = [RAW + one.content() for one in (*UP, BATCH)]
    for channel in ("audit", "health", "reply", "presence"):
        met = meet(
            lambda f, c=channel: up.decode_up(f, pod=POD, channel=c),
            spoilt(good, 3000),
            refusal=ProtocolError,
        )
        assert met.refused > 2000
    signed = [down.encode_down(one, pod=POD, signer=SIGNER) for one in DOWN]
    for channel in ("ack", "list", "cmd"):
        met = meet(
            lambda f, c=channel: down.decode_down(f, pod=POD, channel=c, keys=KEYS),
            spoilt(signed, 1500),
            refusal=ProtocolError,
        )
        assert met.refused > 1000


def test_no_spoilt_command_is_ever_believed():
    frame = down.encode_down(COMMAND, pod=POD, signer=SIGNER)
    for data in spoilt([frame], 2000):
        if data == frame:
            continue
        with pytest.raises(ProtocolError):
            down.decode_down(data, pod=POD, channel="cmd", keys=KEYS)
