"""`platebridge pod clock`: what is known of the clock, and a person's word for it."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from running_pod import PLATEBRIDGE

from pod.store.clock_rows import newest_believable
from pod.store.moments import to_us
from pod.store.store import FILE_NAME, Store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Of a POD whose newest row is a day ahead."""
    file = tmp_path / "config.yaml"
    settings = {
        "data_dir": str(tmp_path),
        "cameras": [{"name": "entry", "url": "clip.mp4", "gate": "main"}],
        "gates": [{"name": "main"}],
    }
    file.write_text(json.dumps(settings))
    ahead_us = to_us(datetime.now(UTC) + timedelta(days=1))
    with Store.open(tmp_path / FILE_NAME, now_us=lambda: ahead_us) as store:
        store.record("pod_started", {}).result(5)
    return file


def clock(config: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [PLATEBRIDGE, "pod", "clock", "--config", str(config), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_clock_behind_the_newest_row_is_told_with_its_mend(config: Path) -> None:
    said = clock(config)
    assert said.returncode == 0
    assert "behind the newest row" in said.stdout
    assert "--accept" in said.stdout


def test_an_accepted_clock_is_believed_again_and_the_audit_keeps_who_accepted_it(config: Path) -> None:
    assert clock(config, "--accept").returncode == 0
    assert "behind" not in clock(config).stdout
    with Store.open(config.parent / FILE_NAME) as store:
        newest = store.submit(newest_believable).result(5)
        rows = store.submit(lambda c: c.execute("SELECT kind, payload FROM audit").fetchall()).result(5)
    assert newest is not None
    assert newest < datetime.now(UTC) + timedelta(minutes=1)
    accepted = json.loads(dict(rows)["clock"])
    assert accepted["state"] == "accepted"
    assert accepted["by"]
