"""`platebridge audit replay`: what was decided is decided again, on the list as it was then."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gate_clips
import numpy as np
import pytest
from running_pod import PLATEBRIDGE, RunningPod, list_plates, until

from models import registry
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.evidence import Consensus, Evidence
from pod.domain.evidence_record import to_record
from pod.domain.plates import match_key, one_edit_apart
from pod.domain.reads import ALPHABET, SLOTS, PlateRead
from pod.domain.situation import SiteState
from pod.store.grants import Grant
from pod.store.store import FILE_NAME, Store


def read_as(plate: str, sure: float) -> Consensus:
    slots = np.full((SLOTS, len(ALPHABET)), (1 - sure) / (len(ALPHABET) - 1), np.float32)
    for row, character in zip(slots, plate.ljust(SLOTS, "_"), strict=True):
        row[ALPHABET.index(character)] = sure
    evidence = Evidence()
    evidence.add(PlateRead((0, 0, 9, 9), 0.9, plate, sure, slots))
    return evidence.consensus()


def an_entry(plate: str, **bounds: object) -> Entry:
    return replace(Entry(match_key(plate), plate, Verdict.ALLOW, EntryType.RESIDENT), **bounds)


class Past:
    """A POD's database with a past, and the command over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        settings = {
            "data_dir": str(folder),
            "cameras": [{"name": "entry", "url": "clip.mp4", "gate": "main"}],
            "gates": [{"name": "main"}],
        }
        self.config.write_text(json.dumps(settings))
        self.store = Store.open(folder / FILE_NAME)

    def decided(self, plate: str, verdict: str, reason: str, *, sure: float = 0.95, **more: object) -> None:
        consensus = read_as(plate, sure)
        row = {
            "approach": f"entry-{plate}",
            "revision": 1,
            "camera": "entry",
            "gate": "main",
            "plate": plate,
            "verdict": verdict,
            "reason": reason,
            "read": consensus.text,
            "read_confidence": consensus.confidence,
            "confidence": consensus.confidence,
            "frames": consensus.frames,
            "evidence": to_record(consensus),
            "flags": [],
        }
        kind = "intent" if verdict == "allow" else "decision"
        self.store.record(kind, row | more).result(5)

    def replayed(self, *options: str) -> tuple[list[dict[str, object]], dict[str, object]]:
        """The decisions made again, and the sum."""
        self.store.close()
        ended = subprocess.run(
            [PLATEBRIDGE, "audit", "replay", "--config", str(self.config), "--json", *options],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        *decisions, total = map(json.loads, ended.stdout.splitlines())
        return decisions, total


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    made = Past(tmp_path)
    yield made
    made.store.close()


def rules(past: Past, **access: object) -> Path:
    path = past.folder / "new.yaml"
    path.write_text(json.dumps({"access": access}))
    return path


def test_under_the_rules_that_decided_nothing_changes(past: Past) -> None:
    past.store.plates.add(an_entry("AB123"), by="test").result(5)
    past.decided("AB123", "allow", "listed")
    past.decided("XY987", "deny", "not_listed")
    decisions, total = past.replayed()
    assert [(d["was"], d["changed"]) for d in decisions] == [
        ({"allowed": True, "reason": "listed", "plate": "AB123"}, False),
        ({"allowed": False, "reason": "not_listed", "plate": "XY987"}, False),
    ]
    assert (total["decisions"], total["changed"]) == (2, 0)


def test_stricter_rules_keep_out_whom_the_evidence_no_longer_carries(past: Past) -> None:
    past.store.plates.add(an_entry("AB123"), by="test").result(5)
    past.decided("AB123", "allow", "listed", sure=0.9)
    decisions, total = past.replayed("--rules", str(rules(past, min_confidence=0.99)))
    assert decisions[0]["would"] == {"allowed": False, "reason": "low_confidence", "plate": "AB123"}
    assert (total["kept_out_now"], total["let_in_now"]) == (1, 0)


def test_looser_rules_let_in_whom_they_would_have(past: Past) -> None:
    past.store.plates.add(an_entry("AB123"), by="test").result(5)
    past.decided("AB123", "deny", "low_confidence", sure=0.7)
    _, total = past.replayed("--rules", str(rules(past, min_confidence=0.6)))
    assert (total["kept_out_now"], total["let_in_now"]) == (0, 1)


def test_each_decision_is_made_on_the_list_and_switches_of_its_time(past: Past) -> None:
    plates = past.store.plates
    past.decided("AB123", "deny", "not_listed")
    plates.add(an_entry("AB123"), by="test").result(5)
    past.decided("AB123", "allow", "listed")
    plates.switch(lambda _: SiteState(lockdown=True), by="test").result(5)
    past.decided("AB123", "deny", "lockdown")
    plates.switch(lambda _: SiteState(), by="test").result(5)
    plates.remove("AB123", by="test").result(5)
    past.decided("AB123", "deny", "not_listed")
    decisions, total = past.replayed()
    assert [d["would"]["reason"] for d in decisions] == ["not_listed", "listed", "lockdown", "not_listed"]
    assert total["changed"] == 0


def test_an_entry_had_the_uses_then_that_it_has_spent_since(past: Past) -> None:
    change = past.store.plates.add(an_entry("AB123", uses_left=1), by="test").result(5)
    entry = change.entries[0]
    grant = Grant("entry", entry.key, entry_id=entry.id)
    consensus = read_as("AB123", 0.95)
    past.store.record(
        "intent",
        {
            "approach": "entry-1",
            "revision": 1,
            "camera": "entry",
            "gate": "main",
            "plate": "AB123",
            "verdict": "allow",
            "reason": "listed",
            "read": "AB123",
            "read_confidence": consensus.confidence,
            "confidence": consensus.confidence,
            "frames": 1,
            "evidence": to_record(consensus),
            "flags": [],
            "entry_id": entry.id,
            "pulse": "p1",
        },
        grant=grant,
    ).result(5)
    past.decided("AB123", "deny", "no_uses_left")
    decisions, _ = past.replayed()
    assert [d["would"]["reason"] for d in decisions] == ["listed", "no_uses_left"]


def test_a_car_the_list_let_in_counts_as_let_in_though_the_gate_was_open_already(past: Past) -> None:
    past.store.plates.add(an_entry("AB123"), by="test").result(5)
    past.decided("AB123", "deny", "not_moved")
    _, total = past.replayed()
    assert total["changed"] == 0


def test_what_cannot_be_decided_again_is_counted_and_left_out(past: Past) -> None:
    past.decided("AB123", "deny", "not_listed", evidence=[])
    decisions, total = past.replayed()
    assert decisions == []
    assert total["without_evidence"] == 1


def test_rows_older_than_asked_for_are_left_out(past: Past) -> None:
    past.decided("AB123", "deny", "not_listed")
    _, total = past.replayed("--since", "0m")
    assert total["decisions"] == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        pytest.param(["--since", "yesterday"], "such as 30d", id="an age that is none"),
        pytest.param(["--rules", "gone.yaml"], "gone.yaml", id="no such file"),
        pytest.param(["--model", "no-such-model"], "no-such-model", id="no such model"),
    ],
)
def test_a_replay_that_cannot_be_made_says_why(past: Past, options: list[str], told: str) -> None:
    past.store.close()
    ended = subprocess.run(
        [PLATEBRIDGE, "audit", "replay", "--config", str(past.config), *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_file_of_rules_with_other_settings_or_none_that_exist_is_refused_by_line(past: Past) -> None:
    new = past.folder / "new.yaml"
    new.write_text("access:\n  min_confidense: 0.9\nweb:\n  port: 1\n")
    past.store.close()
    ended = subprocess.run(
        [PLATEBRIDGE, "audit", "replay", "--config", str(past.config), "--rules", str(new)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "new.yaml:2" in ended.stderr
    assert "new.yaml:3" in ended.stderr


def test_the_picture_of_a_real_visit_is_read_anew_by_the_model_that_is_asked_for(tmp_path: Path) -> None:
    list_plates(tmp_path / "data", [gate_clips.PLATE])
    with RunningPod(tmp_path, str(gate_clips.drive_up()), loop=True) as pod:
        until(pod.pulses, what="a pulse")
        until(lambda: list((pod.data_dir / "media").rglob("*.jpg")), what="pictures")
        assert pod.stop() == 0
    command = [PLATEBRIDGE, "audit", "replay", "--config", str(pod.config), "--json"]
    ended = subprocess.run(
        [*command, "--model", registry.BUNDLED["recognizer"]], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    *decisions, total = map(json.loads, ended.stdout.splitlines())
    assert decisions[0]["was"]["allowed"] is True
    # One picture says less than the frames of the whole approach: a character may be read as another.
    assert one_edit_apart(decisions[0]["would"]["plate"], gate_clips.PLATE)
    assert total["without_picture"] == 0
