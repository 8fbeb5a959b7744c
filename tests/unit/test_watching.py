"""Who may watch: tokens of the POD and of others, leases, revocation, and what is written down."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from stand_in_live import OFFER, Guarded

from pod.domain.errors import LiveError
from pod.domain.stream_token import Refused
from pod.media.live.sessions import LiveAnswer
from pod.services import watching
from pod.services.offer_pace import A_SECOND, AT_ONCE, MOST_PEOPLE, OfferPace
from pod.services.stream_tokens import MOST_ISSUED, Person

ADDRESS = "192.0.2.7"


@pytest.fixture
def guarded() -> Guarded:
    """Half a minute after the start: what the portal issues is not from before it."""
    guarded = Guarded()
    pass_by(guarded, 30)
    return guarded


def pass_by(guarded: Guarded, seconds: float) -> None:
    guarded.clocks.wall += timedelta(seconds=seconds)
    guarded.clocks.mono_s += seconds


def somebody(name: str = "local page, from 127.0.0.1", may: Callable[[], bool] = lambda: True) -> Person:
    return Person(name, f"owner of {name}", may)


async def opened(guarded: Guarded, token: str, camera: str = "entry") -> str:
    """The session that a token opens."""
    answer = await guarded.watching.open(camera, token, OFFER, address=ADDRESS)
    assert isinstance(answer, LiveAnswer), answer
    return answer.session_id


async def refusal(guarded: Guarded, token: str, camera: str = "entry") -> str:
    """Why a token opens nothing; the offer was never looked at."""
    offers = len(guarded.live.offers)
    answer = await guarded.watching.open(camera, token, OFFER, address=ADDRESS)
    assert isinstance(answer, Refused)
    assert len(guarded.live.offers) == offers
    return answer.code


async def test_a_token_of_the_page_opens_one_session_of_its_camera(guarded: Guarded) -> None:
    ticket = guarded.watching.issue("entry", somebody())
    assert ticket.lease_s == 300
    assert await refusal(guarded, ticket.token, "exit") == "wrong_camera"
    await opened(guarded, ticket.token)
    assert await refusal(guarded, ticket.token) == "used"
    assert guarded.refused == ["wrong_camera", "used"]


async def test_a_token_of_the_portal_opens_one_session_of_its_camera(guarded: Guarded) -> None:
    token = guarded.portal_token()
    assert await refusal(guarded, token, "exit") == "wrong_camera"
    await opened(guarded, token)
    assert await refusal(guarded, token) == "used"
    assert guarded.rows("watch_started") == [
        {"camera": "entry", "viewer": "resident 12 (portal)", "address": ADDRESS}
    ]


async def test_a_token_for_another_pod_opens_nothing(guarded: Guarded) -> None:
    assert await refusal(guarded, guarded.portal_token(audience="site/pod-other")) == "wrong_pod"


async def test_nobody_else_signs_in_the_name_of_the_pod(guarded: Guarded) -> None:
    guarded.trusted.append("pod-own")
    assert await refusal(guarded, guarded.portal_token(kid="pod-own")) == "bad_token"


async def test_a_token_that_failed_to_open_is_spent_all_the_same(guarded: Guarded) -> None:
    token = guarded.portal_token()
    guarded.live.fault = LiveError("not_playing", "the camera sends nothing")
    with pytest.raises(LiveError):
        await opened(guarded, token)
    guarded.live.fault = None
    assert await refusal(guarded, token) == "used"
    assert guarded.audit == []


@pytest.mark.parametrize("age_s", [pytest.param(60, id="a minute"), pytest.param(3600, id="an hour")])
async def test_an_expired_token_opens_nothing(guarded: Guarded, age_s: float) -> None:
    own, others = guarded.watching.issue("entry", somebody()).token, guarded.portal_token()
    pass_by(guarded, age_s)
    assert await refusal(guarded, own) == "expired"
    assert await refusal(guarded, others) == "expired"


async def test_a_replayed_token_opens_nothing_after_a_restart(guarded: Guarded) -> None:
    own, others = guarded.watching.issue("entry", somebody()).token, guarded.portal_token()
    unused = guarded.portal_token("t-2", issued_s=guarded.clocks.wall.timestamp() + 4)  # its clock is ahead
    await opened(guarded, own)
    await opened(guarded, others)
    pass_by(guarded, 1)
    guarded.begin()
    for token in (own, others, unused):
        assert await refusal(guarded, token) == "expired"
    pass_by(guarded, 6)
    await opened(guarded, guarded.portal_token("t-3"))


async def test_a_replayed_token_opens_nothing_when_the_clock_is_set_back(guarded: Guarded) -> None:
    token = guarded.portal_token()
    await opened(guarded, token)
    pass_by(guarded, 7200)
    guarded.clocks.wall -= timedelta(seconds=7200)
    assert await refusal(guarded, token) == "used"


async def test_while_the_clock_is_in_doubt_only_the_pods_own_tokens_count(guarded: Guarded) -> None:
    guarded.clocks.doubt = "no time service keeps this clock right"
    assert await refusal(guarded, guarded.portal_token()) == "clock_unsure"
    own = guarded.watching.issue("entry", somebody()).token
    guarded.clocks.wall += timedelta(days=9000)
    await opened(guarded, own)


async def test_what_was_issued_before_a_doubt_ended_counts_for_nothing(guarded: Guarded) -> None:
    guarded.clocks.doubt = "the clock was set while the POD ran"
    early = guarded.portal_token("early")
    assert await refusal(guarded, early) == "clock_unsure"
    guarded.clocks.doubt = ""
    assert await refusal(guarded, early) == "expired"
    pass_by(guarded, 6)
    await opened(guarded, guarded.portal_token("late"))


async def test_a_key_that_is_taken_back_opens_nothing_and_ends_what_it_opened(guarded: Guarded) -> None:
    session = await opened(guarded, guarded.portal_token())
    mine = await opened(guarded, guarded.watching.issue("entry", somebody()).token)
    guarded.trusted.clear()
    assert await refusal(guarded, guarded.portal_token("t-2")) == "bad_token"
    await guarded.watching.end_revoked()
    assert guarded.live.ended == {session: "revoked"}
    assert mine in guarded.live.live


async def test_whoever_signed_out_opens_and_keeps_nothing(guarded: Guarded) -> None:
    signed_in = [True]
    person = somebody(may=lambda: signed_in[0])
    session = await opened(guarded, guarded.watching.issue("entry", person).token)
    left = guarded.watching.issue("entry", person).token
    signed_in.clear()
    signed_in.append(False)
    assert await refusal(guarded, left) == "expired"
    await guarded.watching.end_revoked()
    assert guarded.live.ended == {session: "revoked"}
    assert guarded.rows("watch_ended")[0]["why"] == "revoked"


async def test_tokens_that_nobody_uses_take_bounded_memory_and_the_oldest_lapses(guarded: Guarded) -> None:
    tokens = [guarded.watching.issue("entry", somebody()).token for _ in range(MOST_ISSUED + 1)]
    assert await refusal(guarded, tokens[0]) == "expired"
    await opened(guarded, tokens[1])
    await opened(guarded, tokens[-1])


async def test_a_lease_is_renewed_by_a_new_token_of_the_same_person_alone(guarded: Guarded) -> None:
    me, other = somebody("local page, from ::1"), somebody("local page, from 192.0.2.9")
    first = guarded.watching.issue("entry", me).token
    session = await opened(guarded, first)
    again = await guarded.watching.renew("entry", session, first)
    theirs = await guarded.watching.renew("entry", session, guarded.watching.issue("entry", other).token)
    assert isinstance(again, Refused)
    assert again.code == "used"
    assert isinstance(theirs, Refused)
    assert theirs.code == "wrong_session"
    assert guarded.live.renewed == []
    assert await guarded.watching.renew("entry", session, guarded.watching.issue("entry", me).token) is None
    assert guarded.live.renewed == [session]


async def test_only_tokens_of_a_session_end_it_or_add_to_it(guarded: Guarded) -> None:
    me = somebody()
    first, second = (guarded.watching.issue("entry", me).token for _ in range(2))
    session = await opened(guarded, first)
    await guarded.watching.renew("entry", session, second)
    unused = guarded.watching.issue("entry", me).token
    for token in (unused, "x", ""):
        trickled = await guarded.watching.trickle("entry", session, token, fragment="a=", etag="ice-1")
        ended = await guarded.watching.end("entry", session, token)
        assert isinstance(trickled, Refused)
        assert isinstance(ended, Refused)
        assert (trickled.code, ended.code) == ("wrong_session", "wrong_session")
    for token in (first, second):
        assert await guarded.watching.trickle("entry", session, token, fragment="a=", etag="ice-1") is None
    with pytest.raises(LiveError, match="ended"):
        await guarded.watching.end("exit", session, first)
    assert await guarded.watching.end("entry", session, first) is None
    with pytest.raises(LiveError, match="ended"):
        await guarded.watching.end("entry", session, first)
    assert len(guarded.live.fragments) == 2


async def test_who_watched_what_and_for_how_long_is_written_down_without_tokens(guarded: Guarded) -> None:
    token = guarded.watching.issue("entry", somebody()).token
    session = await opened(guarded, token)
    await guarded.live.end(session, "left")
    row = {"camera": "entry", "viewer": "local page, from 127.0.0.1", "address": ADDRESS}
    assert guarded.audit == [
        ("watch_started", row),
        ("watch_ended", row | {"seconds": 12.3, "bytes": 5000, "why": "left"}),
    ]
    assert token not in json.dumps(guarded.audit)
    assert session not in json.dumps(guarded.audit)


async def test_a_session_that_ends_before_its_opening_returned_is_written_down_whole(
    guarded: Guarded,
) -> None:
    guarded.live.ends_at_once = True
    await opened(guarded, guarded.portal_token())
    assert [kind for kind, _ in guarded.audit] == ["watch_started", "watch_ended"]
    assert guarded.rows("watch_ended")[0]["why"] == "no_connection"


async def test_ends_of_sessions_that_nobody_knows_take_bounded_memory(
    guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(watching.MOST_UNKNOWN_ENDS + 1):
        guarded.live.live[f"unknown-{number}"] = ("entry", "nobody")
        await guarded.live.end(f"unknown-{number}")
    assert len(guarded.watching._unknown_ends) == watching.MOST_UNKNOWN_ENDS
    assert "was forgotten" in caplog.text
    assert guarded.audit == []


async def test_a_token_for_a_camera_that_does_not_exist_reaches_no_video(guarded: Guarded) -> None:
    with pytest.raises(LiveError, match="no such camera"):
        guarded.watching.issue("attic", somebody())
    token = guarded.portal_token(camera="attic")
    with pytest.raises(LiveError, match="no such camera"):
        await guarded.watching.open("attic", token, OFFER, address=ADDRESS)
    assert guarded.live.offers == []


async def test_ten_thousand_offers_of_one_person_open_few_and_leave_the_others_in_peace(
    guarded: Guarded,
) -> None:
    opened_ones, refusals = 0, []
    for _ in range(10_000):
        token = guarded.watching.issue("entry", somebody("mallory")).token
        try:
            await opened(guarded, token)
            opened_ones += 1
        except LiveError as error:
            refusals.append((error.kind, error.retry_after_s))
    assert opened_ones == AT_ONCE
    assert {kind for kind, _ in refusals} == {"too_fast"}
    assert all(wait_s == pytest.approx(0.5) for _, wait_s in refusals)
    await opened(guarded, guarded.watching.issue("entry", somebody("alice")).token)


def test_the_pace_of_offers_recovers_and_remembers_a_bounded_number_of_people() -> None:
    pace = OfferPace()
    taken = sum(pace.wait_s("a", 0.0) == 0 for _ in range(500))
    assert taken == AT_ONCE
    assert pace.wait_s("a", 0.0) == pytest.approx(0.5)
    assert pace.wait_s("a", 0.5) == 0
    assert sum(pace.wait_s("a", 10.5) == 0 for _ in range(500)) == 10 * A_SECOND
    assert sum(pace.wait_s("a", 11.5) == 0 for _ in range(500)) == A_SECOND
    for number in range(MOST_PEOPLE + 5):
        pace.wait_s(f"other {number}", 11.5)
        assert pace.wait_s("a", 11.5) > 0, "who asks again and again is forgotten last"
    assert len(pace._left) == MOST_PEOPLE
