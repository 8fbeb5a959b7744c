"""The local page as a browser gets it, without a network between: what it shows is said by the test."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from pod.domain.errors import GateError, StoreError
from pod.domain.history import ApproachRecord
from pod.domain.index import AccessIndex
from pod.domain.situation import SiteState
from pod.runtime.broadcast import Event
from pod.services.alarms import Alarm
from pod.services.health import Health, PartHealth
from pod.services.open_command import OpenResult
from pod.services.watching import Watching
from pod.store.car_search import CarPage
from pod.web.admin_password import AdminPassword
from pod.web.page import create_app
from pod.web.sign_in import SignIn
from pod.web.sign_in_link import SignInLink
from pod.web.view import CameraView, GateView, PodView

ORIGIN = "http://127.0.0.1"


@dataclass
class Opener:
    """Issues commands and notes which were given."""

    lockdown: bool = False
    issued: list[str] = field(default_factory=list)
    pulses: list[str] = field(default_factory=list)

    def issue(self, gate: str) -> str:
        if gate != "main":
            raise GateError(f"no gate is named {gate!r}")
        self.issued.append(f"command-{len(self.issued)}")
        return self.issued[-1]

    def open(self, command_id: str, gate: str, *, by: str, confirmed: bool = False) -> OpenResult:
        if command_id in self.pulses:
            return OpenResult("commanded", "by_hand", repeated=True)
        if command_id not in self.issued:
            return OpenResult("refused", "command_expired")
        if self.lockdown and not confirmed:
            return OpenResult("refused", "confirm_lockdown")
        self.pulses.append(command_id)
        return OpenResult("commanded", "by_hand")


@dataclass
class Facts:
    """What the POD says of itself."""

    records: Sequence[ApproachRecord] | StoreError = ()
    parts: Sequence[PartHealth] = ()
    alarms: Sequence[Alarm] = ()
    site: str = "Gate"
    gate: GateView = field(default_factory=lambda: GateView("main", "ready"))
    cameras: Sequence[CameraView] = (CameraView("entry", "main", "in"),)
    still: bytes | None = None
    settings: Sequence[Any] = ()
    watching: Watching | None = None
    origins: Sequence[str] = ()
    opener: Opener = field(default_factory=Opener)
    audit: list[tuple[str, dict[str, object]]] = field(default_factory=list)


def page_app(folder: Path, facts: Facts, *, secure: bool = False, names: Sequence[str] = ()) -> FastAPI:
    """The page before these facts; its password lies in `folder`."""

    async def recent(limit: int) -> Sequence[ApproachRecord]:
        if isinstance(facts.records, StoreError):
            raise facts.records
        return facts.records[:limit]

    async def nothing(*_: object) -> tuple[()]:
        return ()

    async def no_cars(*_: object) -> CarPage:
        return CarPage((), None)

    async def still(camera: str) -> bytes | None:
        return facts.still

    async def no_events() -> AsyncIterator[Event]:
        for event in ():
            yield event

    def listen() -> AbstractContextManager[AsyncIterator[Event]]:
        return nullcontext(no_events())

    state = SiteState(lockdown=facts.opener.lockdown)
    current = SimpleNamespace(version=3, index=AccessIndex(()), state=state, confirmed_at=None)
    view = PodView(
        site=facts.site,
        time_zone=ZoneInfo("Europe/Berlin"),
        version="0.0",
        health=lambda: Health(tuple(facts.parts)),
        alarms=lambda: facts.alarms,
        recent=recent,
        approach=nothing,
        search=no_cars,
        listen=listen,
        registry=CollectorRegistry(),
        plates=SimpleNamespace(current=current),  # type: ignore[arg-type]  # the list has tests of its own
        gates=lambda: {facts.gate.name: facts.gate},
        opener=facts.opener,
        cameras=facts.cameras,
        still=still,
        settings=facts.settings,
        watching=facts.watching,
        record=lambda kind, row: facts.audit.append((kind, dict(row))),
    )
    AdminPassword(folder).ensure()
    sign_in = SignIn(folder, secure=secure, record=view.record)
    return create_app(view, sign_in, names=names, origins=facts.origins)


def browser_of(
    app: FastAPI, *, base: str = ORIGIN, address: str = "127.0.0.1", **headers: str
) -> httpx.AsyncClient:
    """A browser with a cookie jar; it asks for pages as people do."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 40000), raise_app_exceptions=False),
        base_url=base,
        headers={"accept": "text/html,*/*;q=0.8"} | headers,
    )


@asynccontextmanager
async def signed_in(folder: Path, facts: Facts) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is signed in."""
    async with browser_of(page_app(folder, facts)) as browser:
        answer = await browser.get(f"/signin?token={SignInLink(folder).make()}")
        assert answer.status_code == 303
        yield browser


def csrf_in(page: httpx.Response) -> str:
    """The token of the first form on a page."""
    return page.text.split('name="csrf" value="')[1].split('"')[0]
