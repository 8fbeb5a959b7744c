"""Services that fail are restarted or end the pod; parts that fall silent starve the watchdog."""

import asyncio
import itertools
import logging
from collections.abc import Iterator

import pytest

from pod.runtime.backoff import backoff_delays_s
from pod.runtime.heartbeat import Heartbeats
from pod.runtime.supervise import STABLE_AFTER_S, supervise


class Clock:
    """A monotonic clock that moves when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def no_delays_s() -> Iterator[float]:
    return itertools.repeat(0.0)


async def test_a_service_restarts_after_each_transient_fault_until_it_returns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = iter([OSError("camera gone"), OSError("camera gone"), None])

    async def run() -> None:
        if (fault := next(runs)) is not None:
            raise fault

    with caplog.at_level(logging.WARNING):
        await supervise("source", run, transient=(OSError,), delays=no_delays_s)
    assert [record.getMessage() for record in caplog.records] == [
        "source stopped (camera gone); it starts again in 0.0 s"
    ] * 2


async def test_a_bug_leaves_the_service_and_stops_its_siblings() -> None:
    sibling_stopped = asyncio.Event()

    async def sibling() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            sibling_stopped.set()

    async def buggy() -> None:
        raise KeyError("oops")

    async def pod() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(supervise("sibling", sibling, transient=(OSError,), delays=no_delays_s))
            group.create_task(supervise("buggy", buggy, transient=(OSError,), delays=no_delays_s))

    with pytest.raises(ExceptionGroup) as caught:
        await pod()
    assert caught.group_contains(KeyError)
    assert sibling_stopped.is_set()


async def test_a_group_of_transient_faults_is_transient_and_one_bug_among_them_is_not() -> None:
    runs = iter([ExceptionGroup("lost", [OSError("a"), ExceptionGroup("inner", [OSError("b")])]), None])

    async def run() -> None:
        if (fault := next(runs)) is not None:
            raise fault

    await supervise("source", run, transient=(OSError,), delays=no_delays_s)

    async def mixed() -> None:
        raise ExceptionGroup("mixed", [OSError("a"), KeyError("bug")])

    with pytest.raises(ExceptionGroup) as caught:
        await supervise("source", mixed, transient=(OSError,), delays=no_delays_s)
    assert caught.group_contains(KeyError)
    assert not caught.group_contains(OSError)


async def test_cancelling_ends_a_service_that_waits_to_restart() -> None:
    failed = asyncio.Event()

    async def run() -> None:
        failed.set()
        raise OSError

    task = asyncio.create_task(
        supervise("source", run, transient=(OSError,), delays=lambda: itertools.repeat(60.0)), name="source"
    )
    await failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("ran_s", "waits_s"),
    [
        pytest.param(STABLE_AFTER_S / 2, [1.0, 2.0], id="a short run goes on with longer delays"),
        pytest.param(STABLE_AFTER_S * 2, [1.0, 1.0], id="a long run starts the delays afresh"),
    ],
)
async def test_delays_follow_how_long_a_service_ran(
    monkeypatch: pytest.MonkeyPatch, ran_s: float, waits_s: list[float]
) -> None:
    waited_s: list[float] = []

    async def sleep(delay_s: float) -> None:
        waited_s.append(delay_s)

    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", clock)
    monkeypatch.setattr("pod.runtime.supervise.asyncio.sleep", sleep)

    async def run() -> None:
        if len(waited_s) < 2:
            clock.now_s += ran_s
            raise OSError

    await supervise("source", run, transient=(OSError,), delays=lambda: iter([1.0, 2.0, 4.0]))
    assert waited_s == waits_s


def test_delays_grow_to_a_bound_and_keep_half_of_it_at_least() -> None:
    fullest = backoff_delays_s(lambda: 1.0, 0.5, longest_s=3.0)
    assert list(itertools.islice(fullest, 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]
    shortest = backoff_delays_s(lambda: 0.0, 0.5, longest_s=3.0)
    assert list(itertools.islice(shortest, 5)) == [0.25, 0.5, 1.0, 1.5, 1.5]


def test_a_part_is_stale_only_after_its_own_limit() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock_s=clock)
    quick, slow = heartbeats.register("quick", 1), heartbeats.register("slow", 10)
    clock.now_s += 1
    assert heartbeats.stale() == ()
    clock.now_s += 0.5
    assert heartbeats.stale() == ("quick",)
    quick.beat()
    clock.now_s += 9
    assert heartbeats.stale() == ("quick", "slow")
    slow.beat()
    assert heartbeats.stale() == ("quick",)


def test_a_part_is_registered_once() -> None:
    heartbeats = Heartbeats()
    heartbeats.register("camera", 1)
    with pytest.raises(ValueError, match="camera"):
        heartbeats.register("camera", 1)
