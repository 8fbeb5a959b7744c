import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sync_drill.__main__ import BAD_S, EXPECTED, WORLDS
from sync_drill.world import World

ROOT = Path(__file__).parents[2]


@pytest.mark.proof(5)
@pytest.mark.proof(6)
@pytest.mark.parametrize("name", WORLDS)
def test_whatever_goes_wrong_each_row_comes_once_lists_agree_and_no_command_runs_twice_or_late(
    name, often, prove
):
    losses = []
    had, met = Counter[str](), Counter[str]()
    for seed in range(often(4, 200)):
        world = World(seed, WORLDS[name])
        verdict = world.run(BAD_S)
        losses += [f"seed {seed}: {loss}" for loss in verdict.losses]
        had += Counter(rows=verdict.rows, carried_out=verdict.carried_out, lists=verdict.lists)
        met += world.chaos.met
    assert losses == []
    assert min(had["rows"], had["carried_out"], had["lists"]) > 0
    passed = met.pop("crash points passed")
    crashes = met["crashes of the POD"] + met["crashes of the cloud"]
    prove(attempts=passed, faults=met.total(), losses=len(losses), crashes=crashes, rows=had["rows"])


def test_the_same_seed_is_the_same_world():
    one, other = World(3, WORLDS["everything"]), World(3, WORLDS["everything"])
    assert one.run(30) == other.run(30)
    assert one.chaos.met == other.chaos.met


def drill(*options: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "sync_drill", *options],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'scripts/lib'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_the_drill_counts_attempts_faults_and_losses_and_ends_well():
    status, told = drill("--crashes", "40", "--seed", "5")
    faults = told["faults"]
    assert (status, told["ok"], told["losses"], told["unmet"]) == (0, True, [], [])
    assert faults["crashes of the POD"] + faults["crashes of the cloud"] >= 40
    assert set(EXPECTED) <= faults.keys()
    assert told["attempts"].keys() == WORLDS.keys()


def test_a_drill_that_tries_nothing_fails():
    status, told = drill("--crashes", "0")
    assert (status, told["ok"], told["attempts"]) == (1, False, {})
