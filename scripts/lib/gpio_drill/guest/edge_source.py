"""Let the kernel record every change of the simulated chip's lines, whoever makes it.

Probes sit on the chip's own functions, below driver, library and character device. They stamp CLOCK_MONOTONIC
into a ring buffer that is read once, at the end.
"""

from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
GROUP = "drill"
BUFFER_KIB = 16_384

PROBES = (
    "set gpio_sim_set offset=%si:u32 level=%dx:s32",
    "set_multiple gpio_sim_set_multiple mask=+0(%si):x64 bits=+0(%dx):x64",
    "output gpio_sim_direction_output offset=%si:u32 level=%dx:s32",
    "input gpio_sim_direction_input offset=%si:u32",
    "free gpio_sim_free offset=%si:u32",
    "pull gpio_sim_apply_pull offset=%si:u32 level=%dx:s32",
)
"""Name, function, arguments by the x86-64 calling convention. Complete for Linux 6.1's gpio-sim."""


def start() -> None:
    """Begin to record.

    Raises:
        OSError: this kernel has no such function, or no probes.
    """
    (TRACING / "trace_clock").write_text("mono")
    (TRACING / "buffer_size_kb").write_text(str(BUFFER_KIB))
    (TRACING / "kprobe_events").write_text("".join(f"p:{GROUP}/{probe}\n" for probe in PROBES))
    (TRACING / "events" / GROUP / "enable").write_text("1")


def stop() -> tuple[list[str], int]:
    """End the recording; its lines, and how many events the kernel lost."""
    (TRACING / "events" / GROUP / "enable").write_text("0")
    lines = [line for line in (TRACING / "trace").read_text().splitlines() if not line.startswith("#")]
    missed = sum(int(line.split()[-1]) for line in (TRACING / "kprobe_profile").read_text().splitlines())
    for stats in TRACING.glob("per_cpu/cpu*/stats"):
        counts = dict(line.split(": ", 1) for line in stats.read_text().splitlines() if ": " in line)
        missed += sum(int(counts[name]) for name in ("overrun", "commit overrun", "dropped events"))
    return lines, missed
