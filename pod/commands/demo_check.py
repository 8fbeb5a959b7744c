"""What `demo --check` waits for, and its JSON line."""

from pod.commands.demo_camera import DemoCamera
from pod.commands.demo_words import Answer, answer_of
from pod.runtime.broadcast import Event


class CheckResult:
    """The answers so far, and whether they are what --check waits for."""

    def __init__(self, file: str | None = None) -> None:
        """
        Args:
            file: what the camera plays, where that is no stream: one that fails at once fails for good.
        """
        self.answers: list[Answer] = []
        self.fault = ""
        """Why no car can come any more; empty while one can."""
        self._file = file
        self._has_played = False
        self._pulses: set[object] = set()

    def take(self, event: Event) -> None:
        """Note an event, if it is one that counts."""
        answer = answer_of(event)
        if answer is not None:
            self.answers.append(answer)
        if event.get("kind") == "intent":
            self._pulses.add(event["pulse"])
        elif event.get("kind") == "outcome":
            self._pulses.discard(event["pulse"])
        elif event.get("kind") == "camera_state":
            self._has_played |= event["state"] == "playing"
            if event["state"] == "failed":
                self.take_fault(str(event["text"]))

    def take_fault(self, text: str) -> None:
        """Note that the camera failed."""
        if self._file is not None and not self._has_played:
            self.fault = f"{self._file} cannot be played: {text}"

    @property
    def missing(self) -> list[str]:
        """What --check still waits for, in words. A denial that a grant replaced was a first, poorer read."""
        final = {answer.approach: answer.verdict for answer in self.answers}
        wanted = {"allow": "a car that is let in", "deny": "a car that is not let in"}
        return [words for verdict, words in wanted.items() if verdict not in final.values()]

    @property
    def complete(self) -> bool:
        """All of it was seen."""
        return not self.missing

    @property
    def settled(self) -> bool:
        """Complete or hopeless, and no relay is on any more."""
        return (self.complete or self.fault != "") and not self._pulses

    def report(self, camera: DemoCamera) -> dict[str, object]:
        """The JSON line of --check; the lists run in parallel, one item an answer."""
        return {
            "ok": self.complete,
            "source": camera.source,
            "plates": [answer.plate for answer in self.answers],
            "verdicts": [answer.verdict for answer in self.answers],
            "reasons": [answer.reason for answer in self.answers],
            "latencies_ms": [answer.latency_ms for answer in self.answers],
            **({} if self.complete else {"missing": self.missing}),
            **({"fault": self.fault} if self.fault else {}),
        }
