"""Put the sync protocol under fire in simulated worlds and count; one JSON object, the last line on stdout.

Exits with 1 on any loss, and where nothing was tried or a kind of fault was not met: that proves nothing.
"""

import argparse
import json
import sys
from collections import Counter

from sync_drill.chaos import Faults
from sync_drill.world import World

WORLDS = {
    "calm": Faults(),
    "bad network": Faults(drop=0.2, double=0.15, late=0.15, replay=0.05, partitions_a_minute=1),
    "crashes": Faults(drop=0.05, double=0.05, late=0.05, replay=0.02, crash=0.012, partitions_a_minute=0.3),
    "restores": Faults(
        drop=0.05,
        double=0.05,
        late=0.05,
        replay=0.03,
        crash=0.006,
        partitions_a_minute=0.5,
        cloud_restores_a_minute=0.8,
        pod_restores_a_minute=0.8,
    ),
    "clocks": Faults(drop=0.1, double=0.1, late=0.1, crash=0.006, replay=0.03, clock_steps_a_minute=0.5),
    "everything": Faults(
        drop=0.15,
        double=0.1,
        late=0.15,
        replay=0.05,
        crash=0.012,
        partitions_a_minute=0.8,
        cloud_restores_a_minute=0.4,
        pod_restores_a_minute=0.4,
        clock_steps_a_minute=0.3,
    ),
}
"""Kinds of bad times, by name."""

EXPECTED = (
    "crashes of the POD",
    "crashes of the cloud",
    "up frames dropped",
    "down frames dropped",
    "up frames doubled",
    "down frames doubled",
    "up frames late",
    "down frames late",
    "up frames replayed",
    "down frames replayed",
    "partitions",
    "databases restored",
    "PODs restored",
    "clocks set",
    "forks",
)
"""Faults that every drill has to meet."""

BAD_S = 180.0


def main() -> int:
    """Run worlds until so many crashes were met."""
    parser = argparse.ArgumentParser(prog="drill-sync-protocol.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--crashes", type=int, default=10_000, help="how many crashes to meet at least")
    parser.add_argument("--seed", type=int, default=1, help="of the first world; the others follow")
    parser.add_argument("--only", choices=WORLDS, help="this kind of world alone")
    options = parser.parse_args()
    attempts, faults, had = Counter[str](), Counter[str](), Counter[str]()
    losses: list[str] = []
    seed = options.seed
    while sum(faults[f"crashes of the {who}"] for who in ("POD", "cloud")) < options.crashes:
        for name, kind in WORLDS.items():
            if options.only in (None, name):
                world = World(seed, kind)
                verdict = world.run(BAD_S)
                attempts[name] += 1
                faults += world.chaos.met
                had += Counter(
                    rows=verdict.rows,
                    commands=verdict.commands,
                    carried_out=verdict.carried_out,
                    list_changes=verdict.lists,
                )
                losses += [f"{name}, seed {seed}: {loss}" for loss in verdict.losses]
        seed += 1
        print(f"seed {seed - 1}: {sum(attempts.values())} worlds, {len(losses)} losses", file=sys.stderr)
    unmet = [] if options.only else [kind for kind in EXPECTED if not faults[kind]]
    failed = bool(losses or unmet) or not (had["rows"] and had["carried_out"] and had["list_changes"])
    report = {"attempts": attempts, "had": had, "faults": faults, "unmet": unmet, "losses": losses}
    print(json.dumps({"ok": not failed, **report}))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
