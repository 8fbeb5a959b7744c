"""What every test may ask for, and the watch over skipped tests."""

import os
from pathlib import Path

import pytest

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
)
"""A test may be skipped for these alone; each skip's reason starts with one of them."""


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run whose skips grew: a reason that is not known, or any skip at all where CI has everything."""
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


@pytest.fixture
def shared() -> Path:
    """The folder of real pictures and upstream weights beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (real pictures and upstream weights)")
    return SHARED
