"""The pages of gates, cameras, health and settings, and the API: what they show, and what a click does."""

import json
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from page_client import Facts, browser_of, csrf_in, page_app, signed_in

from pod.config import PodConfig
from pod.config_load import load_with_advice
from pod.domain.access import REASONS
from pod.services.alarms import Alarm
from pod.services.health import PartHealth, Status
from pod.services.open_command import OpenResult
from pod.web.admin_password import AdminPassword
from pod.web.gate_words import answer_words, facts_of
from pod.web.settings_words import settings_of
from pod.web.view import CameraView, GateView

HOSTILE = '<script>alert("1")</script>'


def command_in(page: httpx.Response) -> str:
    return page.text.split('name="command" value="')[1].split('"')[0]


async def test_open_clicked_twice_reloaded_or_sent_again_by_the_back_button_opens_once(
    tmp_path: Path,
) -> None:
    facts = Facts()
    async with signed_in(tmp_path, facts) as browser:
        question = await browser.get("/gate/main/open")
        form = {"csrf": csrf_in(question), "command": command_in(question)}
        answers = [await browser.post("/gate/main/open", data=form) for _ in range(3)]
        place = answers[0].headers["location"]
        assert {answer.headers["location"] for answer in answers} == {place}
        for _ in range(3):
            assert "Open was commanded before" in (await browser.get(place)).text
    assert facts.opener.pulses == [form["command"]]


async def test_each_question_has_a_command_of_its_own_and_asking_opens_nothing(tmp_path: Path) -> None:
    facts = Facts()
    async with signed_in(tmp_path, facts) as browser:
        first = command_in(await browser.get("/gate/main/open"))
        second = command_in(await browser.get("/gate/main/open"))
    assert first != second
    assert facts.opener.pulses == []


async def test_a_command_that_was_never_issued_opens_nothing(tmp_path: Path) -> None:
    facts = Facts()
    async with signed_in(tmp_path, facts) as browser:
        csrf = csrf_in(await browser.get("/gate/main/open"))
        answer = await browser.post("/gate/main/open", data={"csrf": csrf, "command": "made up"})
        assert "Not opened" in (await browser.get(answer.headers["location"])).text
    assert facts.opener.pulses == []


async def test_in_lockdown_opening_takes_a_second_confirmation(tmp_path: Path) -> None:
    facts = Facts()
    facts.opener.lockdown = True
    async with signed_in(tmp_path, facts) as browser:
        question = await browser.get("/gate/main/open")
        assert "Open although the site is locked down" in question.text
        form = {"csrf": csrf_in(question), "command": command_in(question)}
        await browser.post("/gate/main/open", data=form)
        assert facts.opener.pulses == []
        await browser.post("/gate/main/open", data=form | {"confirmed": "yes"})
        assert facts.opener.pulses == [form["command"]]


async def test_the_answer_page_of_a_command_nobody_gave_leads_back(tmp_path: Path) -> None:
    async with signed_in(tmp_path, Facts()) as browser:
        answer = await browser.get("/gate/main/answer?command=x")
    assert answer.headers["location"] == "/gate"


@pytest.mark.parametrize(
    "path", ["/gate/north/open", "/gate/switch/open?to=on", "/gate/switch/lockdown?to=x"]
)
async def test_a_gate_or_switch_that_does_not_exist_is_told(tmp_path: Path, path: str) -> None:
    async with signed_in(tmp_path, Facts()) as browser:
        assert (await browser.get(path)).status_code == 404


def test_without_an_input_nothing_is_said_but_that_it_was_commanded() -> None:
    gate = GateView("main", "ready", ages_s={"commanded": 3.0})
    words = answer_words(OpenResult("commanded", "by_hand"), gate)
    assert words.title == "Open commanded"
    assert "nobody here knows whether it moved" in words.fact
    assert facts_of(gate) == (
        "No position input is wired: nobody here knows whether it is open.",
        "Told to open just now.",
    )


def test_commanded_moved_and_opened_are_told_apart_where_inputs_are_wired() -> None:
    ages_s = {"opened": 2.0, "commanded": 30.0, "moved": 20.0}
    gate = GateView("main", "ready", position="open", presence=True, ages_s=ages_s)
    assert facts_of(gate) == (
        "It is open.",
        "Something stands on the loop.",
        "Told to open 30 s ago.",
        "Began to move 20 s ago.",
        "Reached its open end just now.",
    )


@pytest.mark.parametrize("result", ["refused", "failed", "unknown"])
def test_what_did_not_work_is_never_shown_as_good(result: str) -> None:
    words = answer_words(OpenResult(result, "gate_failed"), GateView("main", "ready"))
    assert words.kind in ("care", "bad")
    assert words.sentence == REASONS["gate_failed"]


async def test_a_gate_that_cannot_open_offers_no_button_and_says_why(tmp_path: Path) -> None:
    gate = GateView("main", "latched", "The relay did not let go: call the installer.")
    async with signed_in(tmp_path, Facts(gate=gate)) as browser:
        page = (await browser.get("/gate")).text
    assert "call the installer" in page
    assert 'href="/gate/main/open"' not in page


@pytest.mark.parametrize("path", ["/gate", "/cameras", "/health", "/settings"])
async def test_markup_in_names_and_reasons_is_text(tmp_path: Path, path: str) -> None:
    facts = Facts(
        site=HOSTILE,
        gate=GateView("main", "ready", HOSTILE),
        parts=[PartHealth("camera entry", Status.FAILING, HOSTILE)],
        alarms=[Alarm("x", HOSTILE, HOSTILE, datetime(2026, 7, 1, tzinfo=UTC))],
        settings=settings_of(a_config(name=HOSTILE), None),
    )
    async with signed_in(tmp_path, facts) as browser:
        page = (await browser.get(path)).text
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


async def test_regions_and_masks_are_drawn_on_the_picture(tmp_path: Path) -> None:
    region, mask = ((0.1, 0.3), (0.9, 0.3), (0.5, 1.0)), ((0.0, 0.0), (1.0, 0.0), (1.0, 0.2))
    camera = CameraView("entry", "main", "in", (region,), (mask,))
    async with signed_in(tmp_path, Facts(cameras=[camera], still=b"jpeg")) as browser:
        page = (await browser.get("/cameras")).text
        still = await browser.get("/cameras/entry/still.jpg")
        unknown = await browser.get("/cameras/other/still.jpg")
    assert '<polygon class="region" points="0.1,0.3 0.9,0.3 0.5,1.0 "/>' in page
    assert '<polygon class="mask" points="0.0,0.0 1.0,0.0 1.0,0.2 "/>' in page
    assert (still.content, still.headers["content-type"]) == (b"jpeg", "image/jpeg")
    assert unknown.status_code == 404


async def test_a_camera_without_a_picture_has_none_and_no_old_one(tmp_path: Path) -> None:
    async with signed_in(tmp_path, Facts(still=None)) as browser:
        assert (await browser.get("/cameras/entry/still.jpg")).status_code == 204


def a_config(**site: object) -> PodConfig:
    camera = {"name": "entry", "url": "rtsp://192.0.2.7/x?token=geheim", "gate": "main"}
    camera |= {"username": "u", "password": "swordfish"}
    given = {"cameras": [camera], "gates": [{"name": "main"}], "site": site}
    return PodConfig.model_validate_json(json.dumps(given))


def test_every_setting_is_shown_with_where_it_comes_from_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish")
    file = tmp_path / "config.yaml"
    file.write_text(
        "cameras:\n  - name: entry\n    url: rtsp://192.0.2.7/x?token=geheim\n    gate: main\n"
        "    username: u\n    password: {file: secret}\ngates:\n  - name: main\n    pulse_ms: 700\n"
    )
    loaded = load_with_advice(file)
    groups = settings_of(loaded.config, loaded.origin)
    shown = {setting.name: setting for group in groups for setting in group.settings}
    assert (shown["gates.0.pulse_ms"].value, shown["gates.0.pulse_ms"].source) == ("700", f"{file}:9")
    assert (shown["gates.0.pause_s"].value, shown["gates.0.pause_s"].source) == ("10.0", "default")
    assert shown["cameras.0.password"].value == "set, not shown"
    assert "swordfish" not in repr(groups)
    assert "geheim" not in repr(groups)
    assert {"camera entry", "gate main", "web", "access"} <= {group.title for group in groups}


async def test_a_program_signs_in_with_json_and_opens_a_gate_once(tmp_path: Path) -> None:
    facts = Facts()
    app = page_app(tmp_path, facts)
    passwords = AdminPassword(tmp_path)
    passwords.change("a good long password")
    async with browser_of(app, accept="application/json") as program:
        refused = await program.post("/api/session", json={"password": "wrong"})
        assert (refused.status_code, refused.json()["detail"]) == (401, "this is not the password")
        session = (await program.post("/api/session", json={"password": "a good long password"})).json()
        token = {"X-CSRF-Token": session["csrf"]}
        unsigned = await program.post("/api/gates/main/commands")
        assert unsigned.status_code == 403
        issued = await program.post("/api/gates/main/commands", headers=token)
        assert issued.status_code == 201
        body = {"command": issued.json()["command"]}
        first = await program.post("/api/gates/main/open", json=body, headers=token)
        second = await program.post("/api/gates/main/open", json=body, headers=token)
        assert first.json() | {"repeated": True} == second.json()
        assert first.json()["result"] == "commanded"
        missing = await program.post("/api/gates/north/open", json=body, headers=token)
        assert (missing.status_code, missing.json()["detail"]) == (404, "there is no such gate")
        odd = await program.post("/api/gates/main/open", json={"command": 7}, headers=token)
        assert odd.status_code == 422
    assert len(facts.opener.pulses) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'{"password": 7}', b'{"password": "' + b"x" * 2000 + b'"}']
)
async def test_a_sign_in_that_is_no_sign_in_gets_a_clear_error_without_what_was_sent(
    tmp_path: Path, body: bytes
) -> None:
    async with browser_of(page_app(tmp_path, Facts()), accept="application/json") as program:
        answer = await program.post(
            "/api/session", content=body, headers={"content-type": "application/json"}
        )
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str)
    assert "xxxx" not in answer.text


async def test_the_api_is_described_offline_with_the_errors_of_each_operation(tmp_path: Path) -> None:
    async with signed_in(tmp_path, Facts()) as browser:
        document = (await browser.get("/api/openapi.json")).json()
        page = (await browser.get("/api/docs")).text
    paths = document["paths"]
    wanted = ["events", "approaches/{approach}", "list", "gates", "gates/{name}/open", "health"]
    assert {f"/api/{name}" for name in wanted} <= set(paths)
    assert not any(path.startswith(("/gate", "/login", "/list")) for path in paths)
    assert {"401", "403", "404", "422"} <= set(paths["/api/gates/{name}/open"]["post"]["responses"])
    assert "GET /api/events" in page
    assert "http" not in page.split("<main")[1].split("</main")[0]


@pytest.mark.parametrize("path", ["/api/events", "/api/list", "/api/gates", "/api/health", "/api/session"])
async def test_the_api_answers_what_it_describes(tmp_path: Path, path: str) -> None:
    async with signed_in(tmp_path, Facts()) as browser:
        answer = await browser.get(path)
        too_many = await browser.get(f"{path}?limit=999999")
    assert answer.status_code == 200
    assert too_many.status_code in (200, 422)


async def test_a_defect_of_a_page_is_told_as_one_with_every_header(tmp_path: Path) -> None:
    facts = Facts()
    async with signed_in(tmp_path, facts) as browser:
        facts.gate = None  # type: ignore[assignment]  # a defect, made
        answer = await browser.get("/gate")
    assert answer.status_code == 500
    assert "This is a defect of PlateBridge" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_a_command_within_a_sentence_is_shown_as_one_and_markup_stays_text(tmp_path: Path) -> None:
    text = "the clock was set: <b> run `platebridge pod clock --accept`"
    alarm = Alarm("clock_unsure", "clock", text, datetime(2026, 3, 1, 6, 0, tzinfo=UTC))
    facts = Facts(parts=[PartHealth("clock", Status.DEGRADED, text)], alarms=[alarm])
    async with signed_in(tmp_path, facts) as browser:
        page = (await browser.get("/health")).text
    assert page.count("&lt;b&gt; run <code>platebridge pod clock --accept</code>") == 2
    assert "`" not in page
