"""Promise 8 on the shipped POD: a list confirmed too long ago lets only those in who may outlive it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import gate_clips
import pytest
from faked_time import FakedTime, needs_faketime
from promises import Prove
from running_pod import RunningPod, until

from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.plates import match_key
from pod.store.store import FILE_NAME, Store

pytestmark = needs_faketime

HOUR_S = 3600.0


def listed_by_the_cloud(pod: RunningPod, kind: EntryType) -> None:
    """An entry of the cloud's, confirmed now, as the sync agent will leave it behind."""
    pod.data_dir.mkdir(parents=True)
    entry = Entry(match_key(gate_clips.PLATE), gate_clips.PLATE, Verdict.ALLOW, kind)
    with Store.open(pod.data_dir / FILE_NAME) as store:
        store.plates.add(replace(entry, owner=Owner.POD), by="test").result(10)
        store.submit(lambda conn: conn.execute("UPDATE entry SET owner = 'cloud'").rowcount).result(10)
        store.plates.confirm(datetime.now(UTC)).result(10)


@pytest.mark.proof(7)
@pytest.mark.proof(8)
@pytest.mark.parametrize(
    ("kind", "hours", "answer"),
    [
        pytest.param(EntryType.VISITOR, 25, ("deny", "list_stale"), id="a visitor after a day"),
        pytest.param(EntryType.RESIDENT, 24 * 30, ("allow", "listed"), id="a resident after a month"),
    ],
)
def test_a_list_that_nobody_confirmed_for_long_obeys_the_limit_of_each_type(
    tmp_path: Path, kind: EntryType, hours: float, answer: tuple[str, str], prove: Prove
) -> None:
    time = FakedTime(tmp_path)
    pod = RunningPod(tmp_path / "pod", str(gate_clips.drive_up()), environment=time.environment, loop=True)
    listed_by_the_cloud(pod, kind)
    time.set(hours * HOUR_S)
    with pod:
        until(lambda: pod.payloads("decision", "intent"), 60, what="a decision")
        assert pod.stop() == 0
    first = pod.payloads("decision", "intent")[0]
    assert (first["verdict"], first["reason"]) == answer
    wrongly = len(pod.pulses()) if answer[0] == "deny" else 0
    prove(attempts=1, faults=1, losses=wrongly)
