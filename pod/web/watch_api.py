"""Give whoever is signed in what it takes to watch a camera, and end what they watch when they are not."""

import asyncio
import contextlib
import hashlib
from typing import Any

from fastapi import APIRouter, HTTPException

from pod.domain.errors import LiveError
from pod.services.stream_tokens import Person
from pod.services.watching import Watching
from pod.web.admission import WHEP_FOLDER
from pod.web.api_models import IceServerAnswer, Problem, WatchAnswer
from pod.web.pages import SignedIn
from pod.web.sessions import Session
from pod.web.sign_in import SignIn
from pod.web.view import PodView

LOOK_S = 5.0
"""How often it is looked for sessions that ended by themselves, or by a new password made on the POD."""


def router(view: PodView, sign_in: SignIn) -> APIRouter:
    """`/api/cameras/{camera}/watch`."""
    routes = APIRouter(prefix="/api/cameras")
    responses: dict[int | str, dict[str, Any]] = {
        401: {"model": Problem, "description": "Sign in first."},
        403: {"model": Problem, "description": "The X-CSRF-Token is missing or of another session."},
        404: {"model": Problem, "description": "There is no such camera."},
        503: {"model": Problem, "description": "Live video is off here."},
    }

    @routes.post(
        "/{camera}/watch",
        tags=["live"],
        status_code=201,
        responses=responses,
        response_model_exclude_none=True,  # a browser takes null for the name "null"
    )
    async def watch(camera: str, session: SignedIn) -> WatchAnswer:
        """A token that opens one live session of this camera within a minute, at its WHEP endpoint."""
        if view.watching is None:
            raise HTTPException(503, view.why_not_watching)
        try:
            ticket = view.watching.issue(camera, _person(session, sign_in))
        except LiveError as error:
            raise HTTPException(404, str(error)) from error
        return WatchAnswer(
            token=ticket.token,
            whep=f"{WHEP_FOLDER}{camera}",
            mode=ticket.mode,
            ice_servers=[
                IceServerAnswer(urls=[server.url], username=server.username, credential=server.credential)
                for server in ticket.ice_servers
            ],
            lease_s=ticket.lease_s,
        )

    return routes


async def end_with_sign_in(watching: Watching, sign_in: SignIn) -> None:
    """End what somebody watches as soon as they are signed out, until cancelled."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await sign_in.ended.wait()
        sign_in.ended.clear()
        await watching.end_revoked()


def _person(session: Session, sign_in: SignIn) -> Person:
    owner = hashlib.sha256(session.token.encode()).hexdigest()
    return Person(session.by, owner, lambda: sign_in.lives(session))
