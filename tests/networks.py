"""Networks of their own for tests: namespaces, cables between them, routers that hide what is behind."""

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TURN, PORT = "203.0.113.9", 3478
"""Where the TURN server of `two_homes` is."""
POD_HOME = "203.0.113.2"
"""Where the outside sees the POD of `two_homes`."""

_numbers = itertools.count()


def absence() -> str | None:
    """Why networks cannot be made here; None where they can."""
    if os.geteuid() != 0:
        return "needs root: it makes network namespaces"
    missing = [name for name in ("ip", "nft", "turnserver") if shutil.which(name) is None]
    if missing:
        return f"needs root: {', '.join(missing)}; apt install iproute2 nftables coturn"
    probe = f"pbprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False)
    if made.returncode:
        return "needs root: one that may make network namespaces"
    subprocess.run(["ip", "netns", "del", probe], check=True)
    return None


class Networks:
    """Namespaces by short names of the test's own; `with` is their lifetime, whatever happens inside.

    Their real names hold the process and a number: two test processes never meet.
    """

    def __init__(self) -> None:
        self._mark = f"pb{os.getpid()}x{next(_numbers)}"
        self._made: list[str] = []
        self._cables = itertools.count()
        self._running: list[subprocess.Popen[str]] = []

    def place(self, name: str) -> str:
        """The namespace's real name."""
        return f"{self._mark}-{name}"

    def add(self, *names: str) -> None:
        """Machines without any cable yet."""
        for name in names:
            _run("ip", "netns", "add", self.place(name))
            self._made.append(name)
            self.run(name, "ip", "link", "set", "lo", "up")

    def connect(self, one: str, other: str, *, at: Sequence[str], other_at: Sequence[str], name: str) -> None:
        """A cable called `name` at both ends, with these addresses (such as 10.0.1.2/24)."""
        number = next(self._cables)
        ends = [
            (one, f"pb{os.getpid() % 100_000}a{number}", at),
            (other, f"pb{os.getpid() % 100_000}b{number}", other_at),
        ]
        _run("ip", "link", "add", ends[0][1], "type", "veth", "peer", "name", ends[1][1])
        for place, end, addresses in ends:
            _run("ip", "link", "set", end, "netns", self.place(place))
            self.run(place, "ip", "link", "set", end, "name", name)
            for address in addresses:
                more = ["nodad"] if ":" in address else []
                self.run(place, "ip", "address", "add", address, "dev", name, *more)
            self.run(place, "ip", "link", "set", name, "up")

    def route(self, place: str, *via: str) -> None:
        """Send what has no other way to these routers."""
        for router in via:
            self.run(place, "ip", "route", "replace", "default", "via", router)

    def forward(self, *places: str) -> None:
        """Pass on what is for others."""
        for place in places:
            self.run(place, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def hide(self, router: str, *, behind: str, opened: Mapping[int, str] | None = None) -> None:
        """Let all that leaves by the cable `behind` come from the router, from another port for each place it
        goes to, and nothing in that was not asked for.

        Args:
            opened: TCP ports that lead in all the same, and to which address.
        """
        leads = "\n".join(
            f'iifname "{behind}" tcp dport {port} dnat ip to {ip}' for port, ip in (opened or {}).items()
        )
        self.filter(
            router,
            f"""
            chain nat {{
                type nat hook postrouting priority 100
                oifname "{behind}" masquerade fully-random
            }}
            chain to {{
                type nat hook prerouting priority -100
                {leads}
            }}
            chain in {{
                type filter hook input priority 0
                iifname "{behind}" ct state new drop
            }}
            chain on {{
                type filter hook forward priority 0
                iifname "{behind}" ct status dnat accept
                iifname "{behind}" ct state new drop
            }}
            """,
        )

    def filter(self, place: str, chains: str) -> None:
        """Rules of a firewall, as nft has them."""
        subprocess.run(
            ["ip", "netns", "exec", self.place(place), "nft", "-f", "-"],
            input=f"table inet t{next(_numbers)} {{\n{chains}\n}}\n",
            text=True,
            check=True,
        )

    def run(self, place: str, *command: str) -> str:
        """What `command` says there."""
        return _run("ip", "netns", "exec", self.place(place), *command)

    def start(self, place: str, *command: str, **popen: object) -> subprocess.Popen[str]:
        """Start `command` there; it is ended with the networks."""
        process = subprocess.Popen(["ip", "netns", "exec", self.place(place), *command], text=True, **popen)  # type: ignore[call-overload]  # what Popen takes
        self._running.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        """SIGKILL."""
        process.kill()
        process.wait()

    def __enter__(self) -> Self:
        _clear_away_what_was_killed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            self.end(process)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        for name in self._made:  # cables and rules end with them
            subprocess.run(["ip", "netns", "del", self.place(name)], check=False)


def _clear_away_what_was_killed() -> None:
    """End what test processes left that had no time to do it themselves: their names tell whose it is."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split(" ")[0]
        owner = re.match(r"pb([0-9]+)x[0-9]+-", name)
        if owner is None or Path(f"/proc/{owner[1]}").exists():
            continue
        # Another test process may be doing the same.
        inside = subprocess.run(["ip", "netns", "pids", name], check=False, capture_output=True, text=True)
        for process in inside.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def two_homes(made: Networks, *, opened: Mapping[int, str] | None = None) -> None:
    """A `pod` and a `viewer`, each behind a router that hides it, and the `internet` between them.

    Args:
        opened: ports of the POD's router, as `Networks.hide` takes them.
    """
    made.add("pod", "podrouter", "internet", "viewerrouter", "viewer")
    made.forward("podrouter", "internet", "viewerrouter")
    made.connect("pod", "podrouter", at=["10.0.1.2/24"], other_at=["10.0.1.1/24"], name="lan")
    made.connect("viewer", "viewerrouter", at=["10.0.2.2/24"], other_at=["10.0.2.1/24"], name="lan")
    made.connect("podrouter", "internet", at=[f"{POD_HOME}/30"], other_at=["203.0.113.1/30"], name="wan1")
    made.connect("viewerrouter", "internet", at=["203.0.113.6/30"], other_at=["203.0.113.5/30"], name="wan2")
    made.run("internet", "ip", "address", "add", f"{TURN}/32", "dev", "lo")
    made.route("pod", "10.0.1.1")
    made.route("viewer", "10.0.2.1")
    made.route("podrouter", "203.0.113.1")
    made.route("viewerrouter", "203.0.113.5")
    made.route("internet", POD_HOME)  # what is for nobody is lost on the way, as it is out there
    made.hide("podrouter", behind="wan1", opened=opened)
    made.hide("viewerrouter", behind="wan2")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


class Coturn:
    """A TURN server of Debian's, in one of the networks."""

    def __init__(
        self, networks: Networks, place: str, ip: str, *, folder: Path, options: Sequence[str]
    ) -> None:
        self.log = folder / "turn.log"
        self._networks = networks
        with self.log.open("w") as log:
            self.process = networks.start(
                place,
                "turnserver",
                "-n",
                "--listening-ip",
                ip,
                "--relay-ip",
                ip,
                "--realm",
                "turn.test",
                "--no-dtls",
                "--no-cli",
                "--no-rfc5780",
                "--log-file",
                "stdout",
                "--simple-log",
                "--verbose",
                "--pidfile",
                str(folder / "turn.pid"),
                "--userdb",
                str(folder / "turn.db"),
                *options,
                stdout=log,
                stderr=log,
            )
        listening = Path(f"/proc/{self.process.pid}/net/udp")
        until(lambda: f":{PORT:04X} " in listening.read_text(), what="coturn")

    def says(self, words: str) -> int:
        """How often its log has these words."""
        return self.log.read_text().count(words)

    def end(self) -> None:
        self._networks.end(self.process)


def until(condition: Callable[[], object], timeout_s: float = 60.0, *, what: str = "it") -> None:
    """Wait until the condition holds; AssertionError when it does not in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up_s, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(0.02)
