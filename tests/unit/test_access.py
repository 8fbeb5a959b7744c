import ast
import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import deny, entry, read_as

from pod.domain import access
from pod.domain.access import REASONS, decide
from pod.domain.entry import Entry, EntryType, Owner, Verdict
from pod.domain.entry_types import TYPE_RULES, opens_unrecorded
from pod.domain.evidence import Consensus
from pod.domain.policy import Policy
from pod.domain.schedule import parse_schedule
from pod.domain.situation import SiteState, Situation

NOW = datetime(2026, 3, 27, 9, 30, tzinfo=UTC)  # a Friday
HOUR = timedelta(hours=1)
HERE = Situation(camera="front", gate="main", now=NOW, site="north", zone=ZoneInfo("Europe/Berlin"))
POLICY = Policy()


ALLOW = entry()
EXPIRED = entry(expires_at=NOW)
EARLY = entry(starts_at=NOW + HOUR)
ELSEWHERE = entry(gates=("back",))
DENY = deny()
CLOUD_VISITOR = entry(type=EntryType.VISITOR, owner=Owner.CLOUD)
READ = read_as("AB123CD")
SPLIT = read_as("AB1280D", doubt={4: {"8": 0.6, "B": 0.36}})
LOCKDOWN, BY_HAND = SiteState(lockdown=True), SiteState(auto_grant=False)


def decision_for(*entries: Entry, read: Consensus = READ, policy: Policy = POLICY, **situation: object):
    return decide(read, entries, situation=replace(HERE, **situation), policy=policy)


def reason_for(*entries: Entry, read: Consensus = READ, policy: Policy = POLICY, **situation: object) -> str:
    return decision_for(*entries, read=read, policy=policy, **situation).reason


DENIALS = {
    "not_listed": [
        ("nothing on the list", {}, []),
        ("an entry of another plate", {}, [entry("XY999ZZ")]),
        ("a likely neighbour of a sure reading", {"read": read_as("AB1280D")}, [entry("AB12B0D")]),
        ("a deny entry that is over", {}, [deny(expires_at=NOW)]),
        ("a deny entry not begun", {}, [deny(starts_at=NOW + HOUR)]),
        ("a deny entry for another gate", {}, [deny(gates=("back",))]),
        ("a deny entry outside its hours", {}, [deny(schedule=parse_schedule("sat 00:00-24:00"))]),
    ],
    "deny_listed": [
        ("a deny entry", {}, [DENY]),
        ("a deny entry beside an allow entry", {}, [ALLOW, DENY]),
        ("a deny entry in lockdown", {"state": LOCKDOWN}, [entry(type=EntryType.EMERGENCY), DENY]),
        (
            "a timed deny entry while the clock is in doubt",
            {"clock_doubt": "set"},
            [ALLOW, deny(expires_at=NOW)],
        ),
        (
            "a deny entry between its two ends where an hour comes twice",
            {"now": datetime(2026, 10, 25, 0, 45, tzinfo=UTC)},
            [ALLOW, deny(schedule=parse_schedule("sun 02:00-02:30"))],
        ),
        ("a deny entry whose uses are spent", {}, [ALLOW, deny(uses_left=0)]),
        ("a deny entry of a stale list", {"list_age_s": 1e9}, [ALLOW, deny(owner=Owner.CLOUD)]),
    ],
    "low_confidence": [
        ("a blurred reading", {"read": read_as("AB123CD", 0.5)}, [ALLOW]),
        ("a reading without text", {"read": read_as("", 0.99)}, [ALLOW]),
        ("a reading too short for a plate", {"read": read_as("7", 0.99)}, [entry("7")]),
        ("confidence that is no number", {"read": replace(READ, confidence=float("nan"))}, [ALLOW]),
        ("evidence that contradicts itself", {"read": replace(SPLIT, confidence=0.0)}, [entry("AB12B0D")]),
        (
            "less than this type of entry asks for",
            {
                "read": read_as("AB123CD", 0.9),
                "policy": Policy(
                    types={
                        **TYPE_RULES,
                        EntryType.VISITOR: replace(TYPE_RULES[EntryType.VISITOR], min_confidence=0.95),
                    }
                ),
            },
            [entry(type=EntryType.VISITOR)],
        ),
    ],
    "unsure_match": [
        ("a near match of an exact-only entry", {"read": SPLIT}, [entry("AB12B0D", exact_only=True)]),
        ("a doubtful reading of an exact-only entry", {"read": SPLIT}, [entry("AB1280D", exact_only=True)]),
        (
            "a listed plate that is too much less likely",
            {"read": read_as("AB1280D", doubt={4: {"8": 0.75, "B": 0.2}})},
            [entry("AB12B0D")],
        ),
        ("a near match in too few frames", {"read": replace(SPLIT, frames=2)}, [entry("AB12B0D")]),
        (
            "O and 0 undecided where they differ",
            {"read": read_as("AB10CD", doubt={3: {"0": 0.7, "O": 0.28}}), "policy": Policy(country="DE")},
            [entry("AB1OCD")],
        ),
    ],
    "ambiguous": [
        ("two listed plates as likely", {"read": SPLIT}, [entry("AB12B0D"), entry("AB1280D")]),
        (
            "two listed plates, one exact-only",
            {"read": SPLIT},
            [entry("AB12B0D", exact_only=True), entry("AB1280D")],
        ),
        (
            "two listed plates, the other expired",
            {"read": SPLIT},
            [entry("AB12B0D", expires_at=NOW), entry("AB1280D")],
        ),
        ("a deny entry beside a near match", {"read": SPLIT}, [entry("AB12B0D"), deny("AB1280D")]),
        ("a deny entry of the near match's own plate", {"read": SPLIT}, [entry("AB12B0D"), deny("AB12B0D")]),
        (
            "an unlikely deny entry beside a near match",
            {"read": read_as("AB1280D", doubt={4: {"8": 0.5, "B": 0.46}, 5: {"0": 0.97, "D": 0.02}})},
            [entry("AB12B0D"), deny("AB128DD")],
        ),
        (
            "a deny entry not far behind a sure reading",
            {"read": read_as("AB1280D", doubt={4: {"8": 0.87, "B": 0.12}})},
            [entry("AB1280D"), deny("AB12B0D")],
        ),
    ],
    "not_started": [("an entry not begun", {}, [EARLY])],
    "expired": [("an entry that is over", {}, [EXPIRED])],
    "outside_schedule": [
        ("another hour", {}, [entry(schedule=parse_schedule("mon-fri 08:00-10:00"))]),
        ("another day", {}, [entry(schedule=parse_schedule("sat-sun 08:00-18:00"))]),
    ],
    "no_uses_left": [("the last use taken", {}, [entry(uses_left=0)])],
    "wrong_site": [("another site", {}, [entry(sites=("south",))])],
    "wrong_gate": [("another gate", {}, [ELSEWHERE])],
    "wrong_camera": [("another camera", {}, [entry(cameras=("rear",))])],
    "clock_unsure": [
        ("an end", {"clock_doubt": "set"}, [entry(expires_at=NOW + HOUR)]),
        ("a start", {"clock_doubt": "set"}, [entry(starts_at=NOW - HOUR)]),
        ("a schedule", {"clock_doubt": "set"}, [entry(schedule=parse_schedule("daily 00:00-24:00"))]),
        ("a limit to the list's age", {"clock_doubt": "set", "list_age_s": 0.0}, [CLOUD_VISITOR]),
    ],
    "list_stale": [
        ("past the limit", {"list_age_s": 24 * 3600.1}, [CLOUD_VISITOR]),
        ("never confirmed", {"list_age_s": None}, [CLOUD_VISITOR]),
        ("confirmed in the future", {"list_age_s": -1.0}, [CLOUD_VISITOR]),
        ("an age that is no number", {"list_age_s": float("nan")}, [CLOUD_VISITOR]),
    ],
    "lockdown": [
        ("a resident", {"state": LOCKDOWN}, [ALLOW]),
        ("staff", {"state": LOCKDOWN}, [entry(type=EntryType.STAFF)]),
    ],
    "auto_grant_off": [
        ("a resident", {"state": BY_HAND}, [ALLOW]),
        ("emergency", {"state": BY_HAND}, [entry(type=EntryType.EMERGENCY)]),
    ],
}
"""By reason, every way in which `decide` denies: what it is, the circumstances, the list."""


def reasons_in_the_rules() -> set[str]:
    """Every reason code that stands in a function of the module."""
    functions = [n for n in ast.walk(ast.parse(inspect.getsource(access))) if isinstance(n, ast.FunctionDef)]
    texts = {n.value for f in functions for n in ast.walk(f) if isinstance(n, ast.Constant)}
    return texts & set(REASONS)


def test_every_reason_to_deny_in_the_rules_has_its_case():
    assert set(DENIALS) == reasons_in_the_rules() - {"listed"}


@pytest.mark.parametrize(
    ("reason", "case", "entries"),
    [
        pytest.param(reason, case, entries, id=f"{reason}: {name}")
        for reason, cases in DENIALS.items()
        for name, case, entries in cases
    ],
)
def test_each_way_to_deny_gives_its_reason_in_whatever_order_the_list_comes(reason, case, entries):
    found = {
        (d.verdict, d.reason, d.sentence)
        for d in (decision_for(*order, **case) for order in permutations(entries))
    }
    assert found == {(Verdict.DENY, reason, REASONS[reason])}


@pytest.mark.parametrize(
    ("case", "entries"),
    [
        pytest.param({}, [ALLOW], id="listed"),
        pytest.param({}, [EXPIRED, ALLOW], id="an old visit does not spoil a standing permission"),
        pytest.param(
            {}, [deny(expires_at=NOW), deny(gates=("back",)), ALLOW], id="deny entries that do not count here"
        ),
        pytest.param(
            {}, [entry(gates=("main", "back"), cameras=("front",), sites=("north",))], id="in its place"
        ),
        pytest.param(
            {}, [entry(schedule=parse_schedule("mon-fri 10:00-11:00"))], id="in its hours, site's wall time"
        ),
        pytest.param({}, [entry(starts_at=NOW, expires_at=NOW + HOUR)], id="from its first moment"),
        pytest.param({}, [entry(uses_left=1)], id="a use left"),
        pytest.param({"clock_doubt": "set"}, [ALLOW], id="no times while the clock is in doubt"),
        pytest.param(
            {"list_age_s": 24 * 3600.0}, [CLOUD_VISITOR], id="a visitor at the limit of the list's age"
        ),
        pytest.param(
            {"list_age_s": None}, [entry(owner=Owner.CLOUD)], id="a resident whatever the list's age"
        ),
        pytest.param(
            {"list_age_s": 1e9}, [entry(type=EntryType.VISITOR)], id="an entry of this pod is never stale"
        ),
        pytest.param({"state": LOCKDOWN}, [entry(type=EntryType.EMERGENCY)], id="emergency in lockdown"),
        pytest.param(
            {"read": read_as("ABI23CD")}, [entry("AB123CD")], id="I and 1 where the country is unknown"
        ),
        pytest.param(
            {"read": read_as("AB1280D", doubt={4: {"8": 0.96, "B": 0.03}})},
            [entry("AB1280D"), deny("AB12B0D")],
            id="a sure reading beside an unlikely deny entry",
        ),
        pytest.param(
            {"read": read_as("AB1280D", doubt={4: {"8": 0.96, "B": 0.03}})},
            [entry("AB1280D", exact_only=True), entry("AB12B0D", exact_only=True)],
            id="a sure reading of one of two exact-only neighbours",
        ),
    ],
)
def test_nothing_in_the_way_opens(case, entries):
    assert {reason_for(*order, **case) for order in permutations(entries)} == {"listed"}


def test_a_visit_is_over_at_its_end_and_not_a_moment_before():
    visit = entry(starts_at=NOW, expires_at=NOW + HOUR)
    last = NOW + HOUR - timedelta(microseconds=1)
    assert (reason_for(visit, now=last), reason_for(visit, now=NOW + HOUR)) == ("listed", "expired")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([EXPIRED, EARLY, ELSEWHERE], "not_started"),
        ([EXPIRED, ELSEWHERE], "expired"),
        ([entry(sites=("south",)), ELSEWHERE], "wrong_gate"),
        ([entry(uses_left=0), EXPIRED], "no_uses_left"),
    ],
    ids=["the next visit is what people ask about", "this gate before another", "this site", "nearly"],
)
def test_of_several_refusals_the_one_closest_to_a_yes_is_told(entries, reason):
    assert {reason_for(*order) for order in permutations(entries)} == {reason}


def test_an_entry_says_its_own_obstacle_before_that_of_the_whole_site():
    assert reason_for(EXPIRED, state=LOCKDOWN) == "expired"


def test_a_counted_entry_is_not_used_up_where_another_one_opens():
    counted, free = entry(uses_left=3, id=1), entry(type=EntryType.STAFF, id=2)
    assert {decision_for(*order).entry for order in permutations([counted, free])} == {free}


def test_doubt_about_the_clock_is_flagged_on_every_decision():
    flags = {decision_for(*entries, clock_doubt="set").flags for entries in ([], [ALLOW], [DENY], [EARLY])}
    assert flags == {("clock_unsure",)}


def test_a_resident_who_outlives_the_list_is_let_in_and_flagged():
    assert decision_for(ALLOW, list_age_s=1e9).flags == ("list_stale",)
    assert decision_for(ALLOW, list_age_s=60.0).flags == ()


def test_a_near_match_says_what_was_read_and_what_it_was_taken_for():
    decision = decision_for(entry("AB12B0D"), read=SPLIT)
    assert (decision.reason, decision.plate, decision.read) == ("listed", "AB12B0D", "AB1280D")
    assert decision.flags == ("near_match",)
    assert decision.confidence == pytest.approx(0.36)


def test_a_listed_plate_read_but_for_one_confusion_opens_as_a_near_match():
    decision = decision_for(entry("AB1280D"), read=SPLIT)
    assert (decision.reason, decision.plate, decision.flags) == ("listed", "AB1280D", ("near_match",))


@pytest.mark.parametrize("kind", EntryType)
def test_each_type_opens_unrecorded_only_where_its_row_says_so_and_never_where_uses_count(kind):
    rules = TYPE_RULES[kind]
    assert opens_unrecorded(entry(type=kind), rules) == (kind in {"resident", "staff", "emergency"})
    assert not opens_unrecorded(entry(type=kind, uses_left=5), rules)


scopes = st.sampled_from([(), ("main", "front", "north"), ("elsewhere",)])
entries = st.builds(
    entry,
    verdict=st.sampled_from(Verdict),
    type=st.sampled_from(EntryType),
    starts_at=st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR]),
    expires_at=st.sampled_from([None, NOW - HOUR, NOW, NOW + HOUR]),
    gates=scopes,
    cameras=scopes,
    sites=scopes,
    uses_left=st.sampled_from([None, 0, 1]),
    schedule=st.sampled_from([None, parse_schedule("fri 10:00-11:00"), parse_schedule("fri 11:00-12:00")]),
)


def counts(e: Entry) -> bool:
    return (
        all("elsewhere" not in scope for scope in (e.gates, e.cameras, e.sites))
        and (e.starts_at is None or e.starts_at <= NOW)
        and (e.expires_at is None or e.expires_at > NOW)
        and (e.schedule is None or e.schedule.windows[0].start_min == 600)
        and (e.verdict is Verdict.DENY or e.uses_left != 0)
    )


@settings(deadline=None)
@given(st.lists(entries, max_size=6))
def test_only_a_live_allow_entry_without_a_live_deny_entry_opens(candidates):
    decision = decision_for(*candidates)
    live = [e.verdict for e in candidates if counts(e)]
    assert (decision.verdict is Verdict.ALLOW) == (Verdict.ALLOW in live and Verdict.DENY not in live)
    assert decision.sentence == REASONS[decision.reason]


def test_of_many_entries_of_one_plate_the_plate_is_compared_once(monkeypatch):
    compared = []
    match = access.Matcher.match
    monkeypatch.setattr(access.Matcher, "match", lambda self, e: compared.append(e.plate) or match(self, e))
    many = [replace(EARLY, id=n, starts_at=NOW + n * HOUR) for n in range(1, 2001)]
    assert reason_for(*many) == "not_started"
    assert compared == [EARLY.plate]
