"""Which alarms stand by what is known of a gate, and their words. Pure."""

from pod.domain.gate_facts import GateFacts, GateRules

CODES = ("gate_stuck", "gate_held", "gate_forced", "gate_contradiction", "gate_overrun")
"""All that `alarms_of` can raise. `gate_latched` is raised where the guard says so."""


def alarms_of(facts: GateFacts, rules: GateRules) -> dict[str, str]:
    """Alarm code -> what happened and what to do, for every alarm that stands by these facts."""
    found: dict[str, str] = {}
    within = f"within {rules.open_within_s:g} s"
    if facts.stuck == "moved":
        found["gate_stuck"] = f"It was told to open and did not move {within}: check the drive and its power."
    elif facts.stuck == "opened":
        found["gate_stuck"] = f"It was told to open and did not get there {within}: look what is in its way."
    if facts.held:
        minutes = rules.held_after_s / 60
        found["gate_held"] = f"It has not closed for {minutes:.3g} minutes: look what keeps it open."
    if facts.forced and rules.forced_alarm:
        found["gate_forced"] = (
            "It opened though nobody asked PlateBridge for it: look who opened it. Where keys, fobs or "
            "buttons open it too, set forced_alarm: false."
        )
    if facts.chattering:
        found["gate_contradiction"] = "Its contacts change many times a second: check their wiring."
    elif facts.contradicts:
        found["gate_contradiction"] = "Its contacts say open and closed at once: check them and their wiring."
    if facts.overrun_ms is not None:
        found["gate_overrun"] = (
            f"Its relay was on for {facts.overrun_ms:.0f} ms, not {rules.pulse_ms}: the machine froze or was "
            "overloaded. A relay that limits the pulse by itself guards against that."
        )
    return found
