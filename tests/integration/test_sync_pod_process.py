"""The shipped POD with a real broker and a cloud made of the protocol's own half."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import gate_clips
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from dispatch_broker import Mosquitto, a_mosquitto
from promises import Prove
from running_pod import RunningPod, list_plates, until
from stand_in_cloud import KEYS, StandInCloud

from sync.agent.identity_files import Enrolled, save
from sync.protocol.down import Command
from sync.protocol.entry_document import EntryDocument, write_document
from sync.protocol.homes import Home
from sync.protocol.plates import match_key
from sync.protocol.portal import key_text

POD = "pod-a1"


def enroll(data_dir: Path, broker: str) -> None:
    """Give the POD an identity, as a registration leaves it behind."""
    key = Ed25519PrivateKey.generate()
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, POD)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=29))
        .sign(key, None)
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    data_dir.mkdir(parents=True, exist_ok=True)
    save(
        data_dir,
        Enrolled(
            pod=POD,
            community="elm",
            home=Home("https://portal.example", (broker,)),
            portal_trust="ca",
            keys={kid: key_text(pinned) for kid, pinned in KEYS.items()},
            names={"pod": "gate"},
            time_zone="UTC",
            api_key="key",
            key_pem=private,
            certificate_pem=certificate,
            ca_pem=certificate,
        ),
    )


def document(plate: str, **fields: object) -> str:
    told = {"key": match_key(plate), "plate": plate, "verdict": "allow", "type": "resident"} | fields
    return write_document("any", EntryDocument.model_validate(told))[1]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with a_mosquitto(tmp_path) as running:
        yield running


def answers_to(cloud: StandInCloud, command: Command) -> list[tuple[str, str]]:
    """What the POD answered so far; `unknown`, while it carries it out, is none."""
    return [(a.result, a.reason) for a in cloud.answers if a.id == command.id and a.result != "unknown"]


def opened_from_afar(cloud: StandInCloud) -> Command:
    """A command that opened the gate, once that had had its pause."""
    while True:
        command = cloud.command()
        until(partial(answers_to, cloud, command), what="an answer")
        result, reason = answers_to(cloud, command)[0]
        if result == "commanded":
            return command
        assert (result, reason) == ("refused", "gate_already_open")


def ends_of(pod: RunningPod, intent: Mapping[str, object]) -> list[object]:
    return [row["result"] for row in pod.payloads("outcome") if row["pulse"] == intent["pulse"]]


def has_all(cloud: StandInCloud, pod: RunningPod) -> bool:
    rows = pod.rows()
    return bool(rows) and [row.link for row in cloud.rows] == [row.link for row in rows]


@pytest.mark.proof(5)
@pytest.mark.proof(6)
def test_a_plate_added_in_the_cloud_opens_the_gate_and_the_audit_arrives_once_through_kills(
    broker: Mosquitto, tmp_path: Path, prove: Prove
) -> None:
    pod = RunningPod(tmp_path / "pod", str(gate_clips.drive_up()), loop=True)
    enroll(pod.data_dir, broker.address)
    with StandInCloud(broker.address, POD) as cloud, pod:
        until(lambda: cloud.hellos, 60, what="a hello")
        until(lambda: pod.payloads("decision"), 60, what="a denial")
        assert pod.pulses() == []
        cloud.put("e1", document(gate_clips.PLATE))
        until(lambda: cloud.receipts, what="a receipt")
        until(lambda: pod.pulses(), 60, what="a pulse")
        until(lambda: has_all(cloud, pod), what="the audit")
        until(lambda: b"platebridge_cloud_up 1.0" in pod.get("metrics"), what="the cloud in the metrics")
        pod.kill()
        asked_before = cloud.session
        pod.start()
        until(lambda: cloud.session != asked_before, 60, what="the new session")
        until(lambda: has_all(cloud, pod), what="the audit after a kill")
        cloud.put("e1", None)
        until(lambda: len(cloud.receipts) == 2, what="the entry's end")
        command = opened_from_afar(cloud)
        for _ in range(5):
            cloud.send(command)
        told = len(answers_to(cloud, command))
        cloud.send(command)
        until(lambda: len(answers_to(cloud, command)) > told, what="the answer to a copy that came late")
        assert answers_to(cloud, command)[-1] == ("commanded", "by_hand")
        intents = [row for row in pod.payloads("intent") if row.get("command") == command.id]
        until(lambda: ends_of(pod, intents[0]), what="the end of the pulse")
        assert ends_of(pod, intents[0]) == ["pulsed"]
        late = cloud.command(session="of-another-start")
        until(lambda: cloud.answers[-1].id == late.id, what="the answer to an old command")
        assert (cloud.answers[-1].result, cloud.answers[-1].reason) == ("refused", "other_session")
        assert pod.stop() == 0
        rows = [row.seq for row in cloud.rows]
        assert rows == sorted(set(rows))
        assert cloud.disk.incidents == []
    assert len(intents) == 1
    prove(attempts=len(rows), faults=1, losses=len(rows) - len(set(rows)))


@pytest.mark.proof(12)
def test_without_its_broker_a_pod_decides_and_opens_as_before_and_replays_it_as_history(
    broker: Mosquitto, tmp_path: Path, prove: Prove
) -> None:
    pod = RunningPod(tmp_path / "pod", str(gate_clips.drive_up()), loop=True)
    list_plates(pod.data_dir, [gate_clips.PLATE])
    enroll(pod.data_dir, broker.address)
    broker.kill()
    with pod:
        until(lambda: pod.pulses(), 60, what="a pulse without a broker")
        until(lambda: pod.payloads("cloud_state"), what="the trouble in the audit")
        assert b"The cloud does not answer" in pod.get("api/health")
        assert b"platebridge_cloud_up 0.0" in pod.get("metrics")
        offline = pod.rows()[-1].seq
        broker.start()
        with StandInCloud(broker.address, POD) as cloud:
            until(lambda: has_all(cloud, pod), 60, what="the audit")
            assert not [seq for seq in cloud.news if seq <= offline]
            assert pod.stop() == 0
    prove(attempts=1, faults=1, losses=0)


def test_a_pod_without_an_identity_speaks_to_no_broker(tmp_path: Path) -> None:
    pod = RunningPod(tmp_path / "pod", str(gate_clips.drive_up()), loop=True)
    with pod:
        until(lambda: pod.payloads("decision"), 60, what="a decision")
        assert not (pod.data_dir / "cloud").exists()
        assert b"cloud" not in pod.get("api/health")
        assert pod.stop() == 0


def test_a_pod_whose_identity_is_spoiled_opens_its_gate_and_says_what_to_do(tmp_path: Path) -> None:
    pod = RunningPod(tmp_path / "pod", str(gate_clips.drive_up()), loop=True)
    list_plates(pod.data_dir, [gate_clips.PLATE])
    enroll(pod.data_dir, "mqtt://127.0.0.1:1")
    (pod.data_dir / "cloud" / "identity.json").write_text("{")
    with pod:
        until(lambda: pod.pulses(), 60, what="a pulse")
        assert b"enroll again" in pod.get("api/health")
        assert pod.stop() == 0
