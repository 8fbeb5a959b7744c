"""Commanded, moved, opened, held and forced are different facts, and no fact is made up."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promises import Prove

from pod.domain.gate_alarms import CODES, alarms_of
from pod.domain.gate_facts import (
    CHATTER_CHANGES,
    CHATTER_S,
    POSITION_WORDS,
    Attempted,
    Commanded,
    FactName,
    GateFacts,
    GateRules,
    Level,
    PulseOver,
    Shows,
    Signal,
    Tick,
    first_facts,
    observe,
)

CLOSED: frozenset[Shows] = frozenset({"closed"})
OPEN: frozenset[Shows] = frozenset({"open"})
BOTH: frozenset[Shows] = frozenset({"closed", "open"})
ALL: frozenset[Shows] = frozenset({"closed", "open", "presence"})


@dataclass
class Street:
    """A gate whose contacts and clock a test moves by hand."""

    rules: GateRules
    now_s: float = 1000.0
    news: list[FactName] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.facts: GateFacts = first_facts(self.rules)

    def give(self, signal: Signal) -> None:
        self.facts, became = observe(self.facts, signal, self.rules)
        self.news += became

    def show(self, **levels: bool | None) -> None:
        for shows, active in levels.items():
            self.give(Level(self.now_s, shows, active))  # type: ignore[arg-type]  # the names are the inputs'

    def command(self) -> None:
        self.give(Commanded(self.now_s))

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.now_s += 1
            self.give(Tick(self.now_s))

    @property
    def alarms(self) -> set[str]:
        return set(alarms_of(self.facts, self.rules))


def street(wired: frozenset[Shows], *, forced_alarm: bool = True, answer_s: float = 0.5) -> Street:
    rules = GateRules(
        pulse_ms=500,
        wired=wired,
        open_within_s=15,
        held_after_s=300,
        answer_s=answer_s,
        forced_alarm=forced_alarm,
    )
    return Street(rules)


def test_without_inputs_a_gate_is_only_ever_commanded() -> None:
    gate = street(frozenset())
    gate.command()
    gate.wait(1000)
    assert gate.news == ["commanded"]
    assert gate.facts.position == "not_wired"
    assert gate.facts.presence is None
    assert gate.alarms == set()


def test_a_whole_passage_is_told_in_order() -> None:
    gate = street(ALL)
    gate.show(closed=True, open=False, presence=False)
    gate.show(presence=True)
    gate.command()
    gate.wait(1)
    gate.show(closed=False)
    assert gate.facts.position == "moving"
    gate.wait(8)
    gate.show(open=True)
    assert gate.facts.position == "open"
    gate.show(presence=False)
    gate.wait(20)
    gate.show(open=False)
    gate.wait(8)
    gate.show(closed=True)
    assert gate.news == ["vehicle_present", "commanded", "moved", "opened", "vehicle_gone", "closed"]
    assert gate.facts.position == "closed"
    assert gate.alarms == set()


@pytest.mark.parametrize(
    ("wired", "levels", "position"),
    [
        pytest.param(BOTH, {"closed": True, "open": False}, "closed", id="closed"),
        pytest.param(BOTH, {"closed": False, "open": True}, "open", id="open"),
        pytest.param(BOTH, {"closed": False, "open": False}, "moving", id="between"),
        pytest.param(BOTH, {"closed": True, "open": True}, "unknown", id="both-ends-at-once"),
        pytest.param(BOTH, {"closed": True}, "unknown", id="one-contact-tells-nothing"),
        pytest.param(CLOSED, {"closed": True}, "closed", id="closed-by-one-contact"),
        pytest.param(CLOSED, {"closed": False}, "not_closed", id="one-contact-cannot-say-open"),
        pytest.param(OPEN, {"open": True}, "open", id="open-by-one-contact"),
        pytest.param(OPEN, {"open": False}, "not_open", id="one-contact-cannot-say-closed"),
        pytest.param(CLOSED, {}, "unknown", id="nothing-told-yet"),
    ],
)
def test_the_position_says_no_more_than_the_contacts_do(
    wired: frozenset[Shows], levels: dict[str, bool], position: str
) -> None:
    gate = street(wired)
    gate.show(**levels)
    assert gate.facts.position == position
    assert position in POSITION_WORDS


@pytest.mark.parametrize("wired", [CLOSED, BOTH], ids=["one-contact", "two-contacts"])
def test_a_gate_that_does_not_move_is_stuck_until_it_does(wired: frozenset[Shows]) -> None:
    gate = street(wired)
    gate.show(**{shows: shows == "closed" for shows in wired})
    gate.command()
    gate.wait(14)
    assert gate.alarms == set()
    gate.wait(1)
    assert gate.alarms == {"gate_stuck"}
    assert "did not move" in alarms_of(gate.facts, gate.rules)["gate_stuck"]
    gate.show(closed=False)
    if "open" in wired:
        gate.show(open=True)
    assert "gate_stuck" not in gate.alarms


@pytest.mark.parametrize(
    ("late_s", "forced"), [(60, False), (180, True)], ids=["a-minute-late", "three-minutes-late"]
)
def test_a_stuck_gate_that_moves_late_moved_by_the_command_and_one_that_moves_later_did_not(
    late_s: int, forced: bool
) -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    gate.command()
    gate.wait(late_s)
    gate.show(closed=False)
    gate.wait(1)
    assert ("forced" in gate.news) is forced


def test_a_gate_that_moves_and_does_not_arrive_is_stuck_until_it_opens() -> None:
    gate = street(BOTH)
    gate.show(closed=True, open=False)
    gate.command()
    gate.show(closed=False)
    gate.wait(15)
    assert "did not get there" in alarms_of(gate.facts, gate.rules)["gate_stuck"]
    gate.show(closed=True)
    assert gate.alarms == {"gate_stuck"}
    gate.command()
    gate.show(closed=False, open=True)
    assert gate.alarms == set()


def test_a_command_to_an_open_gate_expects_nothing() -> None:
    gate = street(BOTH)
    gate.show(closed=False, open=True)
    gate.command()
    gate.wait(60)
    assert gate.alarms == set()


def test_a_contact_that_fell_silent_accuses_nobody_of_being_stuck() -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    gate.command()
    gate.show(closed=None)
    gate.wait(60)
    assert gate.alarms == set()
    assert gate.facts.position == "unknown"


def test_a_gate_that_stays_open_is_held_once_and_until_it_closes() -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    gate.command()
    gate.show(closed=False)
    gate.wait(299)
    assert gate.alarms == set()
    gate.wait(100)
    assert gate.alarms == {"gate_held"}
    assert gate.news.count("held") == 1
    gate.show(closed=True)
    assert gate.alarms == set()


def test_with_a_contact_at_the_open_end_only_held_means_open_for_long() -> None:
    gate = street(OPEN)
    gate.show(open=False)
    gate.command()
    gate.show(open=True)
    gate.wait(300)
    assert gate.news == ["commanded", "moved", "opened", "held"]
    gate.show(open=False)
    assert gate.alarms == set()


@pytest.mark.parametrize("wired", [CLOSED, OPEN, BOTH], ids=["closed-contact", "open-contact", "both"])
def test_opening_without_a_command_is_forced_until_it_is_closed(wired: frozenset[Shows]) -> None:
    gate = street(wired)
    gate.show(**{shows: shows == "closed" for shows in wired})
    gate.show(**{shows: shows != "closed" for shows in wired})
    gate.wait(1)
    assert "forced" in gate.news
    assert gate.alarms == {"gate_forced"}
    gate.show(**{shows: shows == "closed" for shows in wired})
    assert gate.alarms == set()


def test_where_others_may_open_the_gate_forced_is_a_fact_and_no_alarm() -> None:
    gate = street(CLOSED, forced_alarm=False)
    gate.show(closed=True)
    gate.show(closed=False)
    gate.wait(1)
    assert gate.news == ["moved", "forced"]
    assert gate.alarms == set()


def test_an_old_command_does_not_excuse_a_gate_that_opens_much_later() -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    gate.command()
    gate.show(closed=False)
    gate.wait(10)
    gate.show(closed=True)
    gate.wait(60)
    gate.show(closed=False)
    gate.wait(1)
    assert gate.alarms == {"gate_forced"}


def test_a_gate_that_moves_before_its_device_has_answered_was_not_forced() -> None:
    gate = street(CLOSED, answer_s=2.5)
    gate.show(closed=True)
    gate.show(closed=False)
    gate.wait(2)
    gate.command()
    gate.wait(5)
    assert gate.news == ["moved", "commanded"]


def test_a_pulse_that_may_have_been_given_excuses_the_opening() -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    gate.give(Attempted(gate.now_s))
    gate.show(closed=False)
    gate.wait(5)
    assert gate.news == ["moved"]


def test_what_is_seen_first_is_no_movement() -> None:
    gate = street(ALL)
    gate.show(closed=False, open=True, presence=True)
    gate.wait(5)
    assert gate.news == []
    gate.wait(300)
    assert gate.news == ["held"], "it stood open from the first look on"


def test_a_gate_that_opened_while_nobody_looked_was_forced_all_the_same() -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    gate.show(closed=None)
    gate.wait(5)
    gate.show(closed=False)
    gate.wait(1)
    assert gate.alarms == {"gate_forced"}


def test_a_contact_that_comes_back_as_it_was_is_no_news() -> None:
    gate = street(ALL)
    gate.show(closed=True, open=False, presence=False)
    for _ in range(50):
        gate.show(closed=None, open=None, presence=None)
        gate.show(closed=True, open=False, presence=False)
    assert gate.news == []
    assert gate.facts.position == "closed"


def test_both_ends_at_once_are_a_contradiction_once_it_lasts() -> None:
    gate = street(BOTH)
    gate.show(closed=True, open=False)
    gate.show(open=True)
    assert gate.facts.position == "unknown"
    gate.now_s += 0.5
    gate.give(Tick(gate.now_s))
    assert gate.alarms == set(), "a contact may lag for a moment"
    gate.wait(2)
    assert gate.alarms == {"gate_contradiction"}
    gate.show(open=False)
    assert gate.alarms == set()


def test_a_loose_wire_makes_an_alarm_and_no_facts_until_it_is_calm() -> None:
    gate = street(CLOSED)
    gate.show(closed=True)
    for change in range(500):
        gate.now_s += 0.05
        gate.show(closed=change % 2 == 1)
    assert len(gate.news) <= CHATTER_CHANGES
    assert gate.facts.position == "unknown"
    assert "gate_contradiction" in gate.alarms
    told = len(gate.news)
    gate.wait(CHATTER_S + 1)
    assert gate.facts.position == "closed"
    assert gate.alarms == set()
    gate.command()
    gate.show(closed=False)
    assert gate.news[told:] == ["commanded", "moved"]


def test_a_pulse_that_was_too_long_is_an_alarm_until_one_is_as_asked() -> None:
    gate = street(frozenset())
    gate.give(PulseOver(gate.now_s, 600.0))
    assert gate.alarms == set()
    gate.give(PulseOver(gate.now_s, 600.1))
    assert gate.alarms == {"gate_overrun"}
    gate.give(PulseOver(gate.now_s, 500.0))
    assert gate.alarms == set()


SIGNALS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 400)),
        st.tuples(st.sampled_from(["closed", "open", "presence"]), st.sampled_from([True, False, None])),
        st.tuples(st.sampled_from(["command", "attempt"]), st.none()),
    ),
    max_size=80,
)


def play(gate: Street, signals: list[tuple[str, int | bool | None]]) -> None:
    for name, value in signals:
        if name == "wait":
            gate.now_s += float(value or 0)
            gate.give(Tick(gate.now_s))
        elif name == "command":
            gate.command()
        elif name == "attempt":
            gate.give(Attempted(gate.now_s))
        elif name in gate.rules.wired:
            gate.show(**{name: None if value is None else bool(value)})


@pytest.mark.proof(18)
def test_whatever_happens_a_gate_without_inputs_is_never_more_than_commanded(prove: Prove) -> None:
    tried = 0

    @given(SIGNALS)
    def tell(signals: list[tuple[str, int | bool | None]]) -> None:
        nonlocal tried
        gate = street(frozenset())
        play(gate, signals)
        assert set(gate.news) <= {"commanded"}
        assert gate.facts.position == "not_wired"
        assert gate.alarms == set()
        tried += len(gate.news)

    tell()
    prove(attempts=tried)


@given(SIGNALS, st.sampled_from([CLOSED, OPEN, BOTH, ALL]))
def test_whatever_happens_facts_follow_from_what_was_shown(
    signals: list[tuple[str, int | bool | None]], wired: frozenset[Shows]
) -> None:
    gate = street(wired)
    play(gate, signals)
    facts = gate.facts
    assert gate.alarms <= set(CODES)
    assert gate.news.count("commanded") == sum(name == "command" for name, _ in signals)
    if facts.position == "closed":
        assert facts.levels["closed"]
        assert not facts.levels.get("open")
    if "open" not in wired:
        assert "opened" not in gate.news, "opened is said by the contact at the open end only"
    assert gate.news.count("forced") <= gate.news.count("moved")
    assert len(facts.changes_s) <= CHATTER_CHANGES + 1
    if facts.held or facts.forced:
        assert facts.away_since_s is not None


@given(SIGNALS, st.sampled_from([CLOSED, OPEN, BOTH, ALL]))
def test_after_a_calm_closing_no_alarm_of_the_past_but_stuck_stands(
    signals: list[tuple[str, int | bool | None]], wired: frozenset[Shows]
) -> None:
    gate = street(wired)
    play(gate, signals)
    gate.wait(CHATTER_S + 1)
    gate.show(**{shows: shows == "closed" for shows in wired})
    gate.wait(CHATTER_S + 1)
    assert gate.alarms <= {"gate_stuck"}
