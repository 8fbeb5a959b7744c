"""Promise 17 on the shipped POD: page and API ask to open for a moment, and nothing else can be said."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import gate_clips
import pytest
from page_client import Facts, page_app
from page_routes import routes_of
from promises import Prove
from raw_browser import Browser, sign_in
from running_pod import PULSE_MS, RunningPod, until

LIMIT_MS = PULSE_MS + 100

CHANGES_OF_A_GATE = {
    ("/gate/{name}/open", "POST"),
    ("/api/gates/{name}/commands", "POST"),
    ("/api/gates/{name}/open", "POST"),
    ("/gate/switch/{switch}", "POST"),  # lockdown and auto-grant: who is let in, not what the gate does
}
CHANGES_OF_OTHER_THINGS = {
    ("/login", "POST"),
    ("/logout", "POST"),
    ("/password", "POST"),
    ("/api/session", "POST"),
    ("/list/import", "POST"),
    ("/list/import/confirm", "POST"),
    ("/list/visitor", "POST"),
    ("/list/undo", "POST"),
    ("/list/new", "POST"),
    ("/list/{entry_id:int}", "POST"),
    ("/list/{entry_id:int}/remove", "POST"),
    ("/media/{media_id}/link", "POST"),
    ("/api/cameras/{camera}/watch", "POST"),
    ("/whep/{camera}", "POST"),
    ("/whep/{camera}/{session}", "POST"),
    ("/whep/{camera}/{session}", "PATCH"),
    ("/whep/{camera}/{session}", "DELETE"),
}

VERBS = ("close", "hold", "stop", "off", "on", "keep", "bypass", "pulse", "toggle", "step", "reset", "set")
FIELDS = ("pulse_ms", "duration", "seconds", "hold", "close", "repeat", "until", "force", "input", "line")


@pytest.mark.proof(17)
def test_of_all_that_the_page_and_the_api_can_change_only_opening_concerns_a_gate(
    tmp_path: Path, prove: Prove
) -> None:
    app = page_app(tmp_path, Facts())
    changing = {route for route in routes_of(app) if route[1] not in ("GET", "HEAD", "OPTIONS")}
    unknown = changing - CHANGES_OF_A_GATE - CHANGES_OF_OTHER_THINGS
    assert unknown == set(), "a new way to change something: see that it moves no gate, then name it here"
    open_request = app.openapi()["components"]["schemas"]["OpenRequest"]
    assert set(open_request["properties"]) == {"command", "confirmed"}
    assert open_request["additionalProperties"] is False
    prove(attempts=len(changing), losses=len(unknown))


def other_wishes(browser: Browser, command: Callable[[], str]) -> Iterator[bytes]:
    """Everything but a plain opening that somebody may ask of a gate."""
    json_type, form_type = (
        b"Content-Type: application/json",
        b"Content-Type: application/x-www-form-urlencoded",
    )
    paths = (
        "/gate/main/{}",
        "/gate/{}",
        "/api/gates/main/{}",
        "/gate/switch/{}",
        "/api/gates/main/commands/{}",
    )
    for path, verb in itertools.product(paths, VERBS):
        yield browser.request("POST", path.format(verb), json_type, body=b"{}", signed_in=True)
        yield browser.request("GET", path.format(verb), signed_in=True)
    for method, path in itertools.product(
        ("PUT", "PATCH", "DELETE"), ("/gate/main/open", "/api/gates/main/open", "/api/gates/main")
    ):
        yield browser.request(method, path, b"Content-Length: 0", signed_in=True)
    for field in FIELDS:
        given = json.dumps({"command": command(), field: 60_000}).encode()
        yield browser.request("POST", "/api/gates/main/open", json_type, body=given, signed_in=True)
    for value in ('"yes"', "60000", "null", "[]", "{}"):
        given = f'{{"command": "{command()}", "confirmed": {value}, "pulse_ms": 60000}}'.encode()
        yield browser.request("POST", "/api/gates/main/open", json_type, body=given, signed_in=True)
    for gate in ("attic", "*", "main%20p%201", "main%0Ahold", ".."):
        given = json.dumps({"command": command()}).encode()
        yield browser.request("POST", f"/api/gates/{gate}/open", json_type, body=given, signed_in=True)
        yield browser.request("POST", f"/gate/{gate}/open", form_type, body=b"command=x", signed_in=True)


@pytest.mark.proof(17)
def test_whatever_else_is_asked_of_a_gate_its_line_shows_single_pulses_of_the_set_length(
    tmp_path: Path, prove: Prove, often: Callable[[int, int], int]
) -> None:
    opens = often(2, 20)
    pod = RunningPod(
        tmp_path, str(gate_clips.standing()), loop=True, detect_fps=0.5, sections={"gate": {"pause_s": 1}}
    )
    with pod:
        until(lambda: pod.address, what="the start")
        browser = sign_in(pod)

        def command() -> str:
            raw = browser.request("POST", "/api/gates/main/commands", signed_in=True)
            found = re.search(rb'"command":"([^"]+)"', browser.whole_answer(raw))
            assert found is not None
            return found[1].decode()

        asked = [browser.ask(raw, 10.0) for raw in other_wishes(browser, command)]
        assert pod.pulses() == []
        assert {status // 100 for status in asked} == {4}
        for n in range(opens):
            given: list[bytes] = []

            def is_commanded(orders: list[bytes] = given) -> bool:
                body = json.dumps({"command": command()}).encode()
                headers = (b"Content-Type: application/json",)
                orders.append(
                    browser.request("POST", "/api/gates/main/open", *headers, body=body, signed_in=True)
                )
                return b'"result":"commanded"' in browser.whole_answer(orders[-1])

            until(is_commanded, what="the end of the pause")
            # Given again while the pulse lasts: it neither repeats nor lengthens it.
            assert {browser.ask(given[-1], 10.0) for _ in range(5)} == {200}
            until(lambda count=n: len(pod.pulses()) == count + 1, what="the pulse")
            until(lambda: not pod.line_is_active(), what="its end")
        assert pod.stop() == 0
    edges = [edge for edge in pod.edges() if edge.pulse is not None]
    assert [edge.state for edge in edges] == ["on", "off"] * opens
    times_ms = [(off.t_mono_ns - on.t_mono_ns) / 1e6 for on, off in zip(edges[::2], edges[1::2], strict=True)]
    prove(
        attempts=len(asked) + 5 * opens,
        faults=len(asked),
        losses=sum(not PULSE_MS <= on_ms <= LIMIT_MS for on_ms in times_ms),
        pulses=opens,
        longest_on_ms=round(max(times_ms), 1),
    )
