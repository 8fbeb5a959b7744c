"""`platebridge pod run` and `platebridge pod doctor`."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.backup import backup, restore
from pod.commands.clock import clock
from pod.commands.doctor import Finding, examine, examine_config
from pod.commands.enroll import enroll
from pod.commands.password import password
from pod.commands.place import DEFAULT_CONFIG
from pod.config_load import load_with_advice
from pod.runtime.interrupt import ctrl_c_ends_at_once
from pod.runtime.leaving import leave_if_held
from pod.runtime.logs import Redactor, configure_logging

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Run the POD, or check what it needs.")

app.command(epilog="Example: platebridge pod backup gate.backup --config config.yaml")(backup)
app.command(epilog="Example: platebridge pod restore gate.backup --config config.yaml")(restore)
app.command(epilog="Example: platebridge pod clock --config config.yaml")(clock)
app.command(epilog="Example: platebridge pod enroll PB1-AB... --config config.yaml")(enroll)
app.command(epilog="Example: platebridge pod password --reset --config config.yaml")(password)

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", help="The POD's configuration file.", envvar="PLATEBRIDGE_CONFIG"),
]


@app.command(epilog="Example: platebridge pod run --config /etc/platebridge/config.yaml")
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the POD until it is told to stop (SIGTERM or Ctrl-C).

    It reads the configuration once, starts with every gate at rest, and exits with 0 after an orderly stop.
    """
    given = load_with_advice(config)
    loaded = given.config
    configure_logging(loaded.log.format, loaded.log.level, secrets=loaded.secrets())
    # Not before: the imports take a second, and a slip in the file should be told at once.
    with ctrl_c_ends_at_once():
        from pod import app as pod_app

    code = pod_app.run(loaded, given.origin)
    leave_if_held(code, "camera-")
    raise typer.Exit(code)


@app.command(epilog="Example: platebridge pod doctor --config-only --config config.yaml")
def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    config_only: Annotated[
        bool, typer.Option("--config-only", help="Check only the configuration file and its secrets.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check what the POD needs: configuration, disk, clock, port, models, gates, cameras.

    No gate is pulsed. Exits with 1 when any check fails; warnings alone exit with 0.
    """
    configure_logging("human", "error")  # the findings say it better than the parts' own log lines
    usable, findings = examine_config(config)
    if usable is not None and not config_only:
        configure_logging("human", "error", secrets=usable.secrets())
        redact = Redactor(usable.secrets())
        findings += (replace(finding, text=redact(finding.text)) for finding in examine(usable))
    if as_json:
        _print_json(findings)
    elif sys.stdout.isatty():
        _print_table(findings)
    else:
        for finding in findings:
            print(f"{finding.status:<4}  {finding.check:<9}  {finding.text}")
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(1)


def _print_json(findings: list[Finding]) -> None:
    is_ok = all(finding.status != "fail" for finding in findings)
    print(json.dumps({"ok": is_ok, "findings": [asdict(finding) for finding in findings]}, indent=2))


def _print_table(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        status = Text(finding.status, style=_COLOURS[finding.status])
        # Text, not markup: a path may hold brackets. Folded, not cut: the mend is the point.
        table.add_row(status, finding.check, Text(finding.text, overflow="fold"))
    Console().print(table)
