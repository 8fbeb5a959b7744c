"""The POD's API for programs: JSON, the same sessions as the page, nothing that the page cannot do."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response

from pod.domain.entry import Entry
from pod.domain.errors import ConfigError, StoreError
from pod.domain.schedule import format_schedule
from pod.services.open_command import VALID_S
from pod.web.api_models import (
    AlarmAnswer,
    Car,
    CarStory,
    CommandAnswer,
    GateAnswer,
    HealthAnswer,
    ListAnswer,
    ListEntry,
    OpenAnswer,
    OpenRequest,
    PartAnswer,
    Problem,
    Revision,
    SessionAnswer,
    SignInRequest,
)
from pod.web.cookies import set_cookie
from pod.web.gate_words import facts_of
from pod.web.own_threads import OwnThreads
from pod.web.pages import SignedIn, address_of
from pod.web.sign_in import SignIn, TooManyTries, WrongPassword, trouble_for
from pod.web.view import GateView, PodView

DESCRIPTION = (
    "What this POD did and does. Sign in with POST /api/session, then send the cookie it sets with every "
    "request, and the csrf it answers as header X-CSRF-Token with everything but GET."
)

MOST_EVENTS = 200
MOST_ENTRIES = 1000


Responses = dict[int | str, dict[str, Any]]

_SIGNED_IN: Responses = {401: {"model": Problem, "description": "Sign in first."}}
_CHANGES: Responses = {
    **_SIGNED_IN,
    403: {"model": Problem, "description": "The X-CSRF-Token is missing or of another session."},
}
_UNKNOWN: Responses = {404: {"model": Problem, "description": "There is no such thing."}}
_CROWDED: Responses = {503: {"model": Problem, "description": "Too many openings wait; nothing was done."}}
_STORE: Responses = {503: {"model": Problem, "description": "The database cannot be read now."}}


def router(view: PodView, sign_in: SignIn, opening: OwnThreads) -> APIRouter:
    """`/api/...`; `opening` as for the page of the gates."""
    wrong = {"model": Problem, "description": "The request does not fit this description."}
    routes = APIRouter(prefix="/api", responses={422: wrong})

    @routes.post(
        "/session",
        tags=["session"],
        responses={
            401: {"model": Problem, "description": "Not the password."},
            429: {"model": Problem, "description": "Too many wrong passwords; see Retry-After."},
            503: {"model": Problem, "description": "The password's file is spoilt."},
        },
    )
    async def begin_session(request: Request, response: Response, given: SignInRequest) -> SessionAnswer:
        """Sign in; sets the session's cookie. The body must be JSON."""
        try:
            result = await sign_in.with_password(given.password, address_of(request))
        except ConfigError as error:
            raise HTTPException(503, trouble_for(request.scope["client"], error)) from error
        if isinstance(result, TooManyTries):
            wait_s = math.ceil(result.wait_s)
            raise HTTPException(
                429, f"too many wrong passwords; wait {wait_s} s", {"Retry-After": str(wait_s)}
            )
        if isinstance(result, WrongPassword):
            raise HTTPException(401, "this is not the password")
        set_cookie(response, sign_in, result.token)
        return SessionAnswer.model_validate(result)

    @routes.get("/session", tags=["session"], responses={**_SIGNED_IN})
    async def session(session: SignedIn) -> SessionAnswer:
        """Who is signed in, and the token for changes."""
        return SessionAnswer.model_validate(session)

    @routes.get("/events", tags=["cars"], responses={**_SIGNED_IN, **_STORE})
    async def events(limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 50) -> list[Car]:
        """The newest cars, newest first."""
        try:
            records = await view.recent(limit)
        except StoreError as error:
            raise HTTPException(503, str(error)) from error
        return [Car.model_validate(record) for record in records]

    @routes.get("/approaches/{approach}", tags=["cars"], responses={**_SIGNED_IN, **_UNKNOWN, **_STORE})
    async def approach(approach: str) -> CarStory:
        """All that was written down about one car, oldest first."""
        try:
            rows = await view.approach(approach)
        except StoreError as error:
            raise HTTPException(503, str(error)) from error
        if not rows:
            raise HTTPException(404, "no car has this approach, or its record was erased")
        return CarStory(
            revisions=[Revision(seq=r.seq, at=r.at, kind=r.kind, facts=dict(r.payload or {})) for r in rows]
        )

    @routes.get("/list", tags=["list"], responses={**_SIGNED_IN})
    async def plates(
        offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=MOST_ENTRIES)] = 100
    ) -> ListAnswer:
        """The access list by plate, a page at a time, and the switches of the site."""
        snapshot = view.plates.current
        entries = snapshot.index.entries
        return ListAnswer(
            version=snapshot.version,
            lockdown=snapshot.state.lockdown,
            auto_grant=snapshot.state.auto_grant,
            total=len(entries),
            entries=[_entry(entry) for entry in entries[offset : offset + limit]],
        )

    @routes.get("/gates", tags=["gates"], responses={**_SIGNED_IN})
    async def gates() -> list[GateAnswer]:
        """The gates: `position` is measured, and `not_wired` where nothing measures it."""
        return [_gate(gate) for gate in view.gates().values()]

    @routes.post(
        "/gates/{name}/commands",
        tags=["gates"],
        status_code=201,
        responses={**_CHANGES, **_UNKNOWN, **_CROWDED},
    )
    async def issue(name: str) -> CommandAnswer:
        """A command that opens one gate at most once; sending it again answers what became of it."""
        if name not in view.gates():
            raise HTTPException(404, "there is no such gate")
        command = await opening.run(lambda: view.opener.issue(name))
        return CommandAnswer(command=command, valid_s=VALID_S)

    @routes.post("/gates/{name}/open", tags=["gates"], responses={**_CHANGES, **_UNKNOWN, **_CROWDED})
    async def open_gate(name: str, given: OpenRequest, session: SignedIn) -> OpenAnswer:
        """Give a command. `commanded` says that the signal was given, not that the gate moved."""
        if name not in view.gates():
            raise HTTPException(404, "there is no such gate")
        result = await opening.run(
            lambda: view.opener.open(given.command, name, by=f"{session.by} (API)", confirmed=given.confirmed)
        )
        return OpenAnswer.model_validate(result)

    @routes.get("/health", tags=["health"], responses={**_SIGNED_IN})
    async def health() -> HealthAnswer:
        """Part by part, with the alarms that stand. `/healthz` needs no session and tells less."""
        state = view.health()
        return HealthAnswer(
            status=state.status.value,
            parts=[PartAnswer.model_validate(part) for part in state.parts],
            alarms=[AlarmAnswer.model_validate(alarm) for alarm in view.alarms()],
        )

    return routes


def _gate(gate: GateView) -> GateAnswer:
    return GateAnswer(
        name=gate.name,
        condition=gate.condition,
        sentence=gate.sentence,
        pause_left_s=round(gate.pause_left_s, 1),
        position=gate.position,
        presence=gate.presence,
        facts=facts_of(gate),
    )


def _entry(entry: Entry) -> ListEntry:
    return ListEntry(
        id=entry.id,
        plate=entry.plate,
        verdict=entry.verdict.value,
        type=entry.type.value,
        label=entry.label,
        starts_at=entry.starts_at,
        expires_at=entry.expires_at,
        gates=entry.gates,
        cameras=entry.cameras,
        sites=entry.sites,
        schedule=None if entry.schedule is None else format_schedule(entry.schedule),
        uses_left=entry.uses_left,
        exact_only=entry.exact_only,
        owner=entry.owner.value,
    )
