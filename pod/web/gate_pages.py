"""The gates: what is known of each, open one by hand, lock the site down."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pod.domain.errors import PlateBridgeError
from pod.domain.situation import SiteState
from pod.services.open_command import OpenResult
from pod.web.gate_words import answer_words, gate_words
from pod.web.own_threads import OwnThreads
from pod.web.pages import Pages, SignedIn
from pod.web.view import GateView, PodView, done

MOST_ANSWERS = 64
"""Results kept for the page that follows an opening; the audit has them all."""

Given = Annotated[str, Form(max_length=100)]

SWITCHES: dict[str, Callable[[SiteState, bool], SiteState]] = {
    "lockdown": lambda state, on: replace(state, lockdown=on),
    "auto-grant": lambda state, on: replace(state, auto_grant=on),
}


def router(pages: Pages, view: PodView, opening: OwnThreads) -> APIRouter:
    """`/gate`, opening in two steps, and the switches of the site.

    Args:
        opening: nothing but openings by hand runs there, so that they wait behind no other work of the page.
    """
    routes = APIRouter(include_in_schema=False)
    answers: OrderedDict[str, tuple[str, OpenResult]] = OrderedDict()

    def gate_named(name: str) -> GateView:
        gate = view.gates().get(name)
        if gate is None:
            raise HTTPException(404)
        return gate

    def render(request: Request, template: str) -> Response:
        words = [gate_words(gate) for gate in view.gates().values()]
        state = view.plates.current.state
        return pages.render(request, template, gates=words, state=state, cameras=view.cameras)

    @routes.get("/gate", response_class=HTMLResponse)
    async def gates(request: Request) -> Response:
        return render(request, "gate.html")

    @routes.get("/gate/now", response_class=HTMLResponse)
    async def now(request: Request) -> Response:
        """The part of the page that changes."""
        return render(request, "gate_now.html")

    @routes.get("/gate/switch/{switch}", response_class=HTMLResponse)
    async def ask_switch(request: Request, switch: str, to: str = "") -> Response:
        if switch not in SWITCHES or to not in ("on", "off"):
            raise HTTPException(404)
        return pages.render(request, "gate_switch.html", switch=switch, to=to)

    @routes.post("/gate/switch/{switch}", response_class=HTMLResponse)
    async def throw_switch(request: Request, session: SignedIn, switch: str, to: Given = "") -> Response:
        if switch not in SWITCHES or to not in ("on", "off"):
            raise HTTPException(404)
        turn = SWITCHES[switch]
        try:
            await done(view.plates.switch(lambda state: turn(state, to == "on"), by=session.by))
        except PlateBridgeError as error:
            return pages.refuse(request, 503, heading="Not switched", sentence=str(error))
        return RedirectResponse("/gate", 303)

    @routes.get("/gate/{name}/open", response_class=HTMLResponse)
    async def ask(request: Request, name: str) -> Response:
        """The question. Its command is good for one opening, within a minute."""
        gate = gate_named(name)
        command = await opening.run(lambda: view.opener.issue(gate.name))
        lockdown = view.plates.current.state.lockdown
        return pages.render(
            request, "gate_open.html", gate=gate_words(gate), command=command, lockdown=lockdown
        )

    @routes.post("/gate/{name}/open", response_class=HTMLResponse)
    async def open_gate(
        request: Request, session: SignedIn, name: str, command: Given = "", confirmed: Given = ""
    ) -> Response:
        gate = gate_named(name)
        result = await opening.run(
            lambda: view.opener.open(command, gate.name, by=session.by, confirmed=confirmed == "yes")
        )
        answers[command] = (gate.name, result)
        while len(answers) > MOST_ANSWERS:
            answers.popitem(last=False)
        return RedirectResponse(f"/gate/{gate.name}/answer?command={command}", 303)

    @routes.get("/gate/{name}/answer", response_class=HTMLResponse)
    async def answer(request: Request, name: str, command: str = "") -> Response:
        """What became of an opening; looking at it again does nothing."""
        gate = gate_named(name)
        about, result = answers.get(command, ("", None))
        if result is None or about != gate.name:
            return RedirectResponse("/gate", 303)
        words = answer_words(result, gate)
        return pages.render(request, "gate_answer.html", gate=gate_words(gate), answer=words)

    return routes
