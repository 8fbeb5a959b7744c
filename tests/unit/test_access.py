from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pod.domain.access import REASONS, Policy, decide
from pod.domain.entry import Entry, EntryType, Verdict
from pod.domain.evidence import Consensus
from pod.domain.plates import match_key

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
SLOTS = np.zeros((10, 37), dtype=np.float32)


def read_as(text: str, confidence: float = 0.99) -> Consensus:
    return Consensus(text, confidence, SLOTS, 3)


def entry(plate: str = "AB123CD", verdict: Verdict = Verdict.ALLOW, **kwargs: object) -> Entry:
    return Entry(match_key(plate), plate, verdict, EntryType.RESIDENT, **kwargs)


ALLOW = entry()
EXPIRED = entry(expires_at=NOW)
EARLY = entry(starts_at=NOW + HOUR)
ELSEWHERE = entry(gates=("back",))
DENY = entry(verdict=Verdict.DENY)
DENY_OVER = entry(verdict=Verdict.DENY, expires_at=NOW)
DENY_EARLY = entry(verdict=Verdict.DENY, starts_at=NOW + HOUR)
DENY_ELSEWHERE = entry(verdict=Verdict.DENY, gates=("back",))


def reason_for(*entries: Entry, text: str = "AB123CD", confidence: float = 0.99) -> str:
    return decide(
        read_as(text, confidence), entries, gate="main", now=NOW, policy=Policy(min_confidence=0.85)
    ).reason


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        pytest.param([], "not_listed", id="nothing"),
        pytest.param([ALLOW], "listed", id="allow"),
        pytest.param([DENY], "deny_listed", id="deny"),
        pytest.param([ALLOW, DENY], "deny_listed", id="deny wins over allow"),
        pytest.param([EXPIRED, DENY], "deny_listed", id="deny wins over a visit that is over"),
        pytest.param([EXPIRED], "expired", id="over"),
        pytest.param([EARLY], "not_started", id="not begun"),
        pytest.param([ELSEWHERE], "wrong_gate", id="another gate"),
        pytest.param([EXPIRED, ALLOW], "listed", id="an old visit does not spoil a standing permission"),
        pytest.param(
            [EXPIRED, EARLY, ELSEWHERE], "not_started", id="the next visit is what people ask about"
        ),
        pytest.param([EXPIRED, ELSEWHERE], "expired", id="this gate before another"),
        pytest.param([DENY_OVER], "not_listed", id="a deny entry that is over counts as absent"),
        pytest.param([DENY_EARLY], "not_listed", id="a deny entry not begun counts as absent"),
        pytest.param([DENY_ELSEWHERE], "not_listed", id="a deny entry for another gate counts as absent"),
        pytest.param(
            [DENY_OVER, DENY_ELSEWHERE, ALLOW], "listed", id="absent deny entries leave allow alone"
        ),
        pytest.param([DENY_ELSEWHERE, EXPIRED], "expired", id="the reason comes from the allow entry"),
        pytest.param([entry("XY999ZZ")], "not_listed", id="an entry of another plate never opens"),
    ],
)
def test_the_reason_is_the_same_in_whatever_order_the_list_comes(entries, reason):
    assert {reason_for(*order) for order in permutations(entries)} == {reason}


def test_letters_that_look_like_digits_match_their_entry():
    assert reason_for(entry("AB1O3CD"), text="ABI03CD") == "listed"


def test_an_entry_for_several_gates_opens_each_of_them():
    assert reason_for(replace(ALLOW, gates=("main", "back"))) == "listed"


@pytest.mark.parametrize("confidence", [0.0, 0.849, float("nan")], ids=["none", "just short", "not a number"])
def test_a_weak_read_is_denied_even_when_the_plate_is_listed(confidence):
    assert reason_for(ALLOW, confidence=confidence) == "low_confidence"


def test_a_read_without_text_is_denied():
    assert reason_for(ALLOW, text="") == "low_confidence"


def test_a_visit_begins_at_its_start_and_is_over_at_its_end():
    visit = entry(starts_at=NOW, expires_at=NOW + HOUR)
    last = decide(
        read_as("AB123CD"), [visit], gate="main", now=NOW + HOUR - timedelta(microseconds=1), policy=Policy()
    )
    assert (reason_for(visit), last.reason) == ("listed", "listed")


entries = st.builds(
    entry,
    verdict=st.sampled_from(Verdict),
    starts_at=st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR]),
    expires_at=st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR]),
    gates=st.sampled_from([(), ("main",), ("back",)]),
)


def counts(e: Entry) -> bool:
    return (
        (not e.gates or "main" in e.gates)
        and (e.starts_at is None or e.starts_at <= NOW)
        and (e.expires_at is None or e.expires_at > NOW)
    )


@given(st.lists(entries, max_size=6))
def test_only_a_live_allow_entry_without_a_live_deny_entry_opens(candidates):
    decision = decide(read_as("AB123CD"), candidates, gate="main", now=NOW, policy=Policy())
    live = [e.verdict for e in candidates if counts(e)]
    assert (decision.verdict is Verdict.ALLOW) == (Verdict.ALLOW in live and Verdict.DENY not in live)
    assert decision.sentence == REASONS[decision.reason]
