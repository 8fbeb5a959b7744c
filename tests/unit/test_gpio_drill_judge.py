"""The judge of the GPIO drill sees every broken promise in a recording, and nothing in a good one."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpio_drill.edges import Call, Level, Span, active_spans, calls, level_at, levels
from gpio_drill.judge import judge
from gpio_drill.recording import RecordingError, read_recording

MS = 1_000_000
PULSE_MS = 200

SET = "python3-81  [000] .....    14.596103: set_multiple: (gpio_sim_set_multiple+0x0/0x60 [gpio_sim]) "
FREE = " python3-81  [000] .....    14.996678: free: (gpio_sim_free+0x0/0x60 [gpio_sim]) offset=3"
PULL = (
    " python3-81  [000] d..1.    1.000001: pull: (gpio_sim_apply_pull+0x0/0x1d0 [gpio_sim]) offset=4 level=1"
)

Row = dict[str, object]


class Story:
    """Writes a recording as the emulated machine does; on a good day, unless told otherwise."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.trace: list[Row] = []
        self.now_ns = 10**9
        self.lost = 0
        for gate, offset, active in (("high", 3, 1), ("low", 4, 0)):
            self.call("pull", offset, level=1 - active)
            self.say("wired", gate=gate, offset=offset, active=active, pulse_ms=PULSE_MS)
            self.call("output", offset, level=1 - active)

    def say(self, record: str, **fields: object) -> None:
        self.rows.append({"record": record, "t_ns": self.now_ns, **fields})

    def call(self, name: str, offset: int, level: int | None = None) -> None:
        at = f"{self.now_ns // 10**9}.{self.now_ns % 10**9 // 1000:06d}"
        given = "" if level is None else f" level={level}"
        line = f" python3-1 [000] ..... {at}: {name}: (gpio_sim_x+0x0/0x60 [gpio_sim]) offset={offset}{given}"
        self.trace.append({"record": "trace", "t_ns": self.now_ns, "line": line})

    def wait(self, ms: float) -> None:
        self.now_ns += int(ms * MS)

    def pulse(self, *, on_ms: float = PULSE_MS, strike: tuple[str, str] | None = None) -> None:
        """Both lines at once."""
        for gate in ("high", "low"):
            self.say("request", gate=gate)
        self.wait(2)
        self.call("set", 3, level=1)
        self.call("set", 4, level=0)
        if strike is not None:
            self.wait(on_ms / 2)
            self.say("strike", target=strike[0], how=strike[1])
            self.wait(-on_ms / 2)
        self.wait(on_ms)
        self.call("set", 3, level=0)
        self.call("set", 4, level=1)
        self.wait(50)
        for gate, level in (("high", 0), ("low", 1)):
            self.say("level", gate=gate, level=level)
        self.wait(500)

    def tell(self) -> list[str]:
        self.say("done", lost=self.lost, kernel="6.1", gpiod="2.5")
        return [json.dumps(row) for row in (*self.rows[:-1], *self.trace, self.rows[-1])]


def a_good_day(
    *, without: str = "", change: Callable[[Story], None] = lambda story: None
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Figures and breaches of a whole drill, less the part `without`, and with whatever `change` adds."""
    story = Story()
    story.say("scenario", name="ordinary_pulses")
    if without != "pulses":
        for _ in range(25):
            story.pulse()
    story.say("lateness", worst_ns=80_000, median_ns=70_000)
    for target, how, times in (
        *(("guard", "SIGKILL", 30), ("guard", "SIGSTOP", 10), ("guard", "SIGTERM", 10)),
        *(("pod", "SIGKILL", 30), ("pod", "SIGSTOP", 10)),
    ):
        story.say("scenario", name=f"{target}_{how}")
        story.say("start")
        for _ in range(0 if without == f"{target} {how}" else times):
            story.pulse(strike=(target, how))
    for what in ("busy", "missing_chip", "missing_line"):
        if what != without:
            story.say("refusal", what=what, condition="unavailable", text="held by other", names="other")
    if without != "facts":
        counts = {"commanded": 5, "moved": 6, "closed": 6, "forced": 1}
        story.say("facts", counts=counts, moves=5)
    change(story)
    verdict = judge(read_recording(story.tell()))
    return verdict.figures, verdict.broken


def test_a_good_day_breaks_nothing_and_is_counted() -> None:
    figures, broken = a_good_day()
    assert broken == ()
    assert figures["pulses"] == 2 * (25 + 90)
    assert figures["kills"] == 60
    assert figures["worst_on_ms"] == PULSE_MS
    assert figures["worst_fall_after_guard_kill_ms"] == PULSE_MS / 2
    assert figures["edges_at_start"] == figures["losses"] == 0
    assert figures["starts"] == 5


@pytest.mark.parametrize(
    ("without", "said"),
    [
        pytest.param("pulses", "only 0 ordinary pulses", id="pulses"),
        pytest.param("guard SIGKILL", "only 0 times SIGKILL for the guard", id="guard-kill"),
        pytest.param("guard SIGSTOP", "only 0 times SIGSTOP for the guard", id="guard-freeze"),
        pytest.param("guard SIGTERM", "only 0 times SIGTERM for the guard", id="guard-stop"),
        pytest.param("pod SIGKILL", "only 0 times SIGKILL for the pod", id="pod-kill"),
        pytest.param("pod SIGSTOP", "only 0 times SIGSTOP for the pod", id="pod-freeze"),
        pytest.param("busy", "busy was not tried", id="busy"),
        pytest.param("missing_chip", "missing_chip was not tried", id="missing-chip"),
        pytest.param("facts", "no contact was moved", id="contact"),
    ],
)
def test_what_was_not_tried_is_no_success(without: str, said: str) -> None:
    _, broken = a_good_day(without=without)
    assert any(sentence.startswith(said) for sentence in broken)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda story: story.pulse(on_ms=PULSE_MS + 101), "more than the pulse", id="too-long"),
        pytest.param(lambda story: story.call("set", 3, level=1), "nobody had asked", id="unasked-edge"),
        pytest.param(
            lambda story: story.call("free", 4) or story.call("pull", 4, level=0), "nobody had", id="pull"
        ),
        pytest.param(lambda story: story.say("request", gate="low"), "never went active", id="no-pulse"),
        pytest.param(
            lambda story: story.say("level", gate="high", level=1), "recorded was 0", id="untrue-record"
        ),
        pytest.param(lambda story: story.call("output", 1, level=0), "line 1 was touched", id="another-line"),
        pytest.param(lambda story: setattr(story, "lost", 1), "lost 1 events", id="lost-events"),
        pytest.param(
            lambda story: story.say(
                "refusal", what="busy", condition="unavailable", text="no", names="other"
            ),
            "'no' names no other",
            id="a-refusal-that-names-nobody",
        ),
        pytest.param(
            lambda story: story.say("refusal", what="busy", condition="ready", text="other", names="other"),
            "busy: the gate is ready",
            id="a-busy-line-taken",
        ),
        pytest.param(
            lambda story: story.say("facts", counts={"commanded": 5, "moved": 6, "closed": 6}, moves=5),
            "told forced 0 times instead of 1",
            id="a-forced-gate-untold",
        ),
    ],
)
def test_a_broken_promise_is_seen(change: Callable[[Story], None], said: str) -> None:
    _, broken = a_good_day(change=lambda story: (story.wait(500), change(story), story.wait(500))[0])
    assert any(said in sentence for sentence in broken), broken


def test_an_edge_long_after_its_request_is_one_that_nobody_asked_for() -> None:
    def answer_late(story: Story) -> None:
        story.say("request", gate="high")
        story.wait(301)
        story.call("set", 3, level=1)
        story.wait(PULSE_MS)
        story.call("set", 3, level=0)

    figures, broken = a_good_day(change=answer_late)
    assert figures["edges_at_start"] == 1
    assert any("never went active" in sentence for sentence in broken)


def test_a_strike_beside_the_pulse_does_not_count() -> None:
    def strike_at_rest(story: Story) -> None:
        story.say("strike", target="guard", how="SIGKILL")

    figures, _ = a_good_day(change=strike_at_rest)
    assert figures["guard_sigkill"] == 30


def test_a_line_that_never_falls_counts_up_to_the_end() -> None:
    def stay_on(story: Story) -> None:
        story.say("request", gate="high")
        story.call("set", 3, level=1)
        story.wait(5000)

    figures, broken = a_good_day(change=stay_on)
    assert figures["worst_on_ms"] == 5000
    assert any("on for 5000.0 ms" in sentence for sentence in broken)


def test_a_run_that_stopped_early_is_not_judged() -> None:
    with pytest.raises(RecordingError, match="ended in guard_killed"):
        read_recording(['{"record": "scenario", "t_ns": 1, "name": "guard_killed"}'])


def test_a_fault_inside_the_machine_is_told() -> None:
    with pytest.raises(RecordingError, match="no such chip"):
        read_recording(['{"record": "fault", "t_ns": 1, "text": "no such chip"}'])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("nonsense", id="no-json"),
        pytest.param('{"record": "wired", "t_ns": 1}', id="a-field-short"),
        pytest.param('{"record": "riddle", "t_ns": 1}', id="unknown-record"),
        pytest.param('{"record": "trace", "t_ns": 1, "line": "cut o"}', id="half-a-probe"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(line: str) -> None:
    with pytest.raises(RecordingError, match="line 1 of the recording makes no sense"):
        read_recording([line])


def test_a_probe_line_of_the_kernel_is_read() -> None:
    assert calls(FREE) == (Call(14_996_678_000, "free", 3),)
    assert calls(PULL) == (Call(1_000_001_000, "pull", 4, 1),)


def test_setting_several_lines_at_once_is_a_call_for_each() -> None:
    assert calls(SET + "mask=0x18 bits=0x8") == (
        Call(14_596_103_000, "set", 3, 1),
        Call(14_596_103_000, "set", 4, 0),
    )


def test_a_line_given_back_falls_to_its_pull() -> None:
    story = [Call(1, "pull", 3, 1), Call(2, "output", 3, 0), Call(3, "set", 3, 0), Call(4, "free", 3)]
    assert levels(story) == (Level(1, 1), Level(2, 0), Level(4, 1))


def test_a_pull_moves_no_line_that_is_driven() -> None:
    story = [Call(1, "output", 3, 0), Call(2, "pull", 3, 1), Call(3, "free", 3)]
    assert levels(story) == (Level(1, 0), Level(3, 1))


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1)), max_size=30), st.integers(0, 5000))
def test_a_moment_is_in_a_span_exactly_when_the_level_is_active(
    steps: list[tuple[int, int]], at_ns: int
) -> None:
    story, now_ns = [], 0
    for wait_ns, level in steps:
        now_ns += wait_ns
        story.append(Call(now_ns, "set", 3, level))
    changes = levels(story)
    spans = active_spans(changes, 1, since_ns=0, until_ns=10**6)
    assert any(span.holds(at_ns) for span in spans) == (level_at(changes, at_ns) == 1)


def test_what_was_before_the_relay_was_wired_does_not_count() -> None:
    changes = (Level(10, 1), Level(20, 0), Level(30, 1))
    assert active_spans(changes, 1, since_ns=15, until_ns=40) == (Span(15, 20), Span(30, 40))
    assert active_spans(changes, 1, since_ns=20, until_ns=40) == (Span(30, 40),)
