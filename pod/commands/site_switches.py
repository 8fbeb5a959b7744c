"""`platebridge plates lockdown|auto-grant`: the switches of the whole site, while the pod runs or not."""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pod.commands.choices import choices, one_of
from pod.commands.operator import operator
from pod.commands.place import ConfigOption, DataDirOption, find_place
from pod.domain.situation import SiteState
from pod.store.connection import connect_reader
from pod.store.site_state import read_state
from pod.store.store import Store


class Switch(StrEnum):
    """What to do with a switch."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


SwitchArgument = Annotated[
    Switch,
    typer.Argument(
        parser=one_of(Switch),
        metavar="SWITCH",
        help=f"{choices(Switch)}: switch it, or only say how it stands.",
    ),
]


def lockdown(switch: SwitchArgument, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Keep everybody out but the types that lockdown spares, emergency to begin with."""
    _switch(
        find_place(config, data_dir).database,
        switch,
        turned=lambda state, on: replace(state, lockdown=on),
        words=_lockdown_words,
    )


def auto_grant(switch: SwitchArgument, config: ConfigOption = None, data_dir: DataDirOption = None) -> None:
    """Let listed plates open the gate by themselves (on), or only be noted and shown (off)."""
    _switch(
        find_place(config, data_dir).database,
        switch,
        turned=lambda state, on: replace(state, auto_grant=on),
        words=_auto_grant_words,
    )


def _switch(
    database: Path,
    switch: Switch,
    *,
    turned: Callable[[SiteState, bool], SiteState],
    words: Callable[[SiteState], str],
) -> None:
    if switch is Switch.STATUS:
        conn = connect_reader(database)
        try:
            typer.echo(words(read_state(conn)))
        finally:
            conn.close()
        return
    with Store.open(database) as store:
        is_on = switch is Switch.ON
        before = store.plates.switch(lambda state: turned(state, is_on), by=operator()).result()
    wanted = turned(before, is_on)
    typer.echo(f"{words(wanted)}{' It stood so already.' if before == wanted else ''}")


def _lockdown_words(state: SiteState) -> str:
    if state.lockdown:
        return "Lockdown is on: only the types that lockdown spares are let in."
    return "Lockdown is off."


def _auto_grant_words(state: SiteState) -> str:
    if state.auto_grant:
        return "Auto-grant is on: listed plates open the gate."
    return "Auto-grant is off: listed plates are noted and shown, and open nothing by themselves."
