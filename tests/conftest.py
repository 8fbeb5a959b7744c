"""What every test may ask for, the watch over skipped tests, and the record of what was proved."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from promises import PROMISES, Proof, Prove, save

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"

KNOWN_ABSENCES = (
    "needs ../shared",
    "needs GStreamer",
    "needs Chromium",
    "needs root",
    "needs systemd",
    "needs a file system to be mountable",
    "needs /dev/full",
    "needs faketime",
    "needs curl and jq",
    "needs Go and pion",
    "needs the training environment",
    "needs the WHEP client",
    "needs PgBouncer",
    "needs mosquitto",
)
"""A test may be skipped for these alone; each skip's reason starts with one of them."""

collect_ignore = [] if importlib.util.find_spec("torch") else ["training"]
"""Tests in tests/training need torch: `test_training_environment.py` runs them where it is installed."""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run whose skips grew: a reason that is not known, or any skip at all where CI has everything."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["proofs"] = [asdict(proof) for proof in session.config.stash[PROOFS]]
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    reasons = [report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])]
    unknown = [reason for reason in reasons if not reason.startswith(KNOWN_ABSENCES)]
    surplus = reasons if os.environ.get("CI") == "true" else unknown
    if surplus and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line(f"FAILED: {len(surplus)} tests were skipped that must run here:", red=True)
        for reason in sorted(set(surplus)):
            reporter.write_line(f"  {reason}", red=True)


PROOFS = pytest.StashKey[list[Proof]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "proof(promise): proves a promise of the POD; records its figures")
    config.stash[PROOFS] = []


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Take over what the tests of one parallel worker proved."""
    told = getattr(node, "workeroutput", {}).get("proofs", [])
    node.config.stash[PROOFS].extend(Proof(**proof) for proof in told)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Write down what was proved, where `scripts/prove.sh` asks for it."""
    path = os.environ.get("PLATEBRIDGE_PROOFS")
    if path and not hasattr(config, "workerinput"):
        save(config.stash[PROOFS], Path(path))


@pytest.fixture
def prove(request: pytest.FixtureRequest) -> Iterator[Prove]:
    """Call it with `attempts`, `faults`, `losses` and figures; a test marked `proof` must, once at least."""
    marks = [mark.args[0] for mark in request.node.iter_markers("proof")]
    told: list[Proof] = []

    def record(*, attempts: int, faults: int = 0, losses: int = 0, **figures: float) -> None:
        for promise in marks:
            assert promise in PROMISES, f"there is no promise {promise}"
            told.append(Proof(promise, request.node.originalname, attempts, faults, int(losses), figures))
        assert attempts > 0, "nothing was attempted, so nothing is proved"
        assert losses == 0, f"promise {marks} was broken {losses} times in {attempts} attempts"

    yield record
    assert told, "this test records no figures"
    request.config.stash[PROOFS].extend(told)


@pytest.fixture
def shared() -> Path:
    """The folder of real pictures and upstream weights beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (real pictures and upstream weights)")
    return SHARED


@pytest.fixture
def often() -> Callable[[int, int], int]:
    """How often to try: seldom in a test run, often where `scripts/prove.sh` takes its time."""
    return lambda seldom, thorough: thorough if os.environ.get("PLATEBRIDGE_THOROUGH") else seldom
