"""Openings by hand wait behind no other work of the page, and not without end behind each other."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from page_client import Facts, Opener, browser_of, csrf_in, page_app, signed_in

from pod.services.open_command import OpenResult
from pod.web.admin_password import AdminPassword
from pod.web.own_threads import CrowdedError, OwnThreads
from pod.web.sign_in_link import SignInLink

CHOSEN = "four words to remember"
MORE_THAN_THE_SHARED_THREADS = 64


class SlowOpener(Opener):
    """Holds every opening until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def open(self, command_id: str, gate: str, *, by: str, confirmed: bool = False) -> OpenResult:
        assert self.go.wait(30)
        return super().open(command_id, gate, by=by, confirmed=confirmed)


@asynccontextmanager
async def shared_threads_stuck() -> AsyncIterator[None]:
    """As by a disk that answers no more, or by lists that take long."""
    stuck = threading.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(MORE_THAN_THE_SHARED_THREADS):
            group.create_task(asyncio.to_thread(stuck.wait, 60))
        try:
            yield
        finally:
            stuck.set()


async def test_a_gate_is_opened_while_all_other_work_of_the_page_is_stuck(tmp_path: Path) -> None:
    facts = Facts()
    async with signed_in(tmp_path, facts) as browser, shared_threads_stuck(), asyncio.timeout(20):
        page = await browser.get("/gate/main/open")
        command = page.text.split('name="command" value="')[1].split('"')[0]
        await browser.post("/gate/main/open", data={"csrf": csrf_in(page), "command": command})
        token = {"X-CSRF-Token": csrf_in(page)}
        issued = await browser.post("/api/gates/main/commands", headers=token)
        assert issued.status_code == 201
        body = {"command": issued.json()["command"]}
        assert (await browser.post("/api/gates/main/open", json=body, headers=token)).status_code == 200
    assert len(facts.opener.pulses) == 2


async def test_somebody_signs_in_while_all_other_work_of_the_page_is_stuck(tmp_path: Path) -> None:
    app = page_app(tmp_path, Facts())
    AdminPassword(tmp_path).change(CHOSEN)
    async with browser_of(app) as browser, shared_threads_stuck(), asyncio.timeout(20):
        form = {"csrf": csrf_in(await browser.get("/login")), "password": CHOSEN}
        assert (await browser.post("/login", data=form)).headers["location"] == "/"
        link = await browser.get(f"/signin?token={SignInLink(tmp_path).make()}")
        assert link.headers["location"] == "/"


async def test_an_opening_beyond_the_bound_is_refused_and_does_nothing(tmp_path: Path) -> None:
    opener = SlowOpener()
    async with signed_in(tmp_path, Facts(opener=opener)) as browser:
        token = {"X-CSRF-Token": csrf_in(await browser.get("/gate"))}
        commands = [opener.issue("main") for _ in range(9)]

        async def give(command: str) -> httpx.Response:
            headers = token | {"accept": "application/json"}
            return await browser.post("/api/gates/main/open", json={"command": command}, headers=headers)

        given = {asyncio.ensure_future(give(command)): command for command in commands}
        (first,), held = await asyncio.wait(given, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert first.result().status_code == 503
        assert "too many wait for opening by hand; nothing was done" in first.result().json()["detail"]
        opener.go.set()
        assert [(await task).json()["result"] for task in held] == ["commanded"] * 8
        assert given[first] not in opener.pulses
        assert (await give(given[first])).json()["result"] == "commanded"


async def test_what_waits_when_the_page_stops_is_not_begun_and_a_page_that_starts_again_has_threads() -> None:
    threads, go, began = OwnThreads("testing", threads=1), threading.Event(), threading.Event()

    def first() -> str:
        began.set()
        assert go.wait(30)
        return threading.current_thread().name

    runs = asyncio.ensure_future(threads.run(first))
    await asyncio.to_thread(began.wait)
    waits = asyncio.ensure_future(threads.run(lambda: "begun all the same"))
    await asyncio.sleep(0)  # lets it queue
    threads.stop()
    with pytest.raises(asyncio.CancelledError):
        await waits
    go.set()
    assert await runs == "testing_0"
    assert await threads.run(lambda: "again") == "again"
    threads.stop()


async def test_a_place_is_free_again_after_work_that_failed() -> None:
    threads = OwnThreads("testing", threads=1, most=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
    go = threading.Event()
    held = asyncio.ensure_future(threads.run(lambda: go.wait(30)))
    await asyncio.sleep(0)  # lets it take the place
    with pytest.raises(CrowdedError, match="too many wait for testing"):
        await threads.run(lambda: None)
    go.set()
    assert await held
    threads.stop()
