"""A verb that is imported only when it runs, so that help and quick verbs stay quick."""

import importlib
import inspect
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pod.runtime.interrupt import ctrl_c_ends_at_once


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb lives: `app` of a module with several verbs, or one function."""

    module: str
    attribute: str
    help: str
    epilog: str | None = None


class LazyCommand(TyperCommand):
    """Stands for a verb in help; imports its module only when the verb runs."""

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name, help=verb.help)
        self._verb = verb

    def load(self) -> TyperCommand | TyperGroup:
        """The verb itself. Imports its module."""
        with ctrl_c_ends_at_once():
            found = getattr(importlib.import_module(self._verb.module), self._verb.attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, typer.Typer(add_completion=False)
            found.command(self.name, epilog=self._verb.epilog)(function)
        command = typer.main.get_command(found)
        if not isinstance(command, TyperCommand | TyperGroup):
            raise TypeError(f"{self._verb.module}.{self._verb.attribute} is not a typer command")
        _reflow(command)
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the verb itself, which then runs in place of this one."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


def _reflow(command: TyperCommand | TyperGroup) -> None:
    """Joins the lines of each paragraph of the help: they break where the source does, not the terminal."""
    if command.help:
        paragraphs = inspect.cleandoc(command.help).split("\n\n")
        command.help = "\n\n".join(
            part if part.startswith(" ") else " ".join(part.split("\n")) for part in paragraphs
        )
    for inner in getattr(command, "commands", {}).values():
        if not isinstance(inner, LazyCommand):
            _reflow(inner)
