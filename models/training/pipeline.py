"""From pictures to weights and cards: what `scripts/train.sh` runs, each stage once for what it depends on.

Kill it anywhere and start it again: what is done stays done, a training goes on from its last checkpoint.
"""

import fcntl
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from models.training import machine, plates_set, release
from models.training.options import parse
from models.training.plan import ROOT, Run, stages
from models.training.recipe import RECIPES
from models.training.results import TASKS, ResultsError
from models.training.stages import StageError, run_stages


def _alone(work: Path) -> object:
    """Hold the work folder for this process; the lock goes when it ends, however it ends.

    Raises:
        StageError: another process holds it.
    """
    lock = (work / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise StageError(
            f"{work}: another training runs there (process {lock.read().strip()}): wait for it, or stop it "
            "with kill"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def main() -> int:
    options = parse()
    recipe = RECIPES[options.recipe]
    if options.input:
        recipe = replace(recipe, detector_input_px=options.input)
    work = (options.work or ROOT / ".train" / recipe.name).absolute()
    started_s = time.monotonic()
    try:
        work.mkdir(parents=True, exist_ok=True)
        kept = _alone(work)
        machine.need(work, disk_gib=recipe.disk_gib, memory_gib=recipe.memory_gib)
        gpu = machine.gpu()
        _say(f"recipe {recipe.name}: {recipe.about}")
        _say(
            f"trains on {'the GPU ' + gpu if gpu else f'{machine.cores()} processor cores; no GPU was found'}"
        )
        run = Run(
            plates=options.plates.absolute(),
            work=work,
            recipe=recipe,
            version=options.version or recipe.name,
            checkpoints={task: path for task in TASKS if (path := getattr(options, task))},
            logs={task: path for task in TASKS if (path := getattr(options, f"{task}_log"))},
            gpu=gpu,
            say=_say,
        )
        run_stages(stages(run), work / "stamps", _say)
        if options.adopt:
            _say("copied into the checkout:")
            _say("\n".join(f"  {place}" for place in release.adopt(run.release, ROOT)))
            _say("name both models in BUNDLED of models/registry.py, and remove the ones before")
    except (StageError, ResultsError, machine.MachineError, plates_set.DataError, OSError) as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("stopped; the same command goes on from here")
        return 130
    del kept
    _say(f"done in {time.monotonic() - started_s:.0f} s")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
