"""Every verb of the command line explains itself: what it does, what each option means, and an example."""

from collections.abc import Iterator

from typer.core import TyperCommand, TyperGroup

from pod.cli import VERBS, root_command
from pod.commands.lazy import LazyCommand


def verbs() -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    """Every verb and group below the root with the words that call it."""
    for name, stand_in in root_command().commands.items():
        assert isinstance(stand_in, LazyCommand)
        yield from below(f"platebridge {name}", stand_in.load())


def below(words: str, command: TyperCommand | TyperGroup) -> Iterator[tuple[str, TyperCommand | TyperGroup]]:
    if isinstance(command, LazyCommand):
        command = command.load()
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from below(f"{words} {name}", inner)


def test_every_verb_says_what_it_does_in_a_sentence() -> None:
    silent = []
    for words, command in verbs():
        first = (command.help or "").strip().split("\n\n")[0]
        if not (first and first[0].isupper() and first.endswith(".")):
            silent.append(words)
    assert silent == []


def test_every_verb_shows_an_example_of_itself() -> None:
    silent = [
        words
        for words, command in verbs()
        if (not isinstance(command, TyperGroup) or command.invoke_without_command)
        and f"{words} " not in f"{command.help or ''} {command.epilog or ''} "
    ]
    assert silent == []


def test_every_argument_and_option_is_explained() -> None:
    unexplained = [
        f"{words}: {parameter.name}"
        for words, command in verbs()
        for parameter in command.params
        if not getattr(parameter, "help", None) and not getattr(parameter, "hidden", False)
    ]
    assert unexplained == []


def test_the_help_of_the_root_has_one_line_for_each_verb() -> None:
    """The root keeps a sentence for each verb, short enough for one line of the help."""
    assert [name for name, verb in VERBS.items() if not verb.help.endswith(".") or len(verb.help) > 65] == []


def test_help_breaks_its_lines_where_the_terminal_ends_and_not_where_the_source_does() -> None:
    broken = [
        words
        for words, command in verbs()
        for paragraph in (command.help or "").split("\n\n")
        if "\n" in paragraph.strip() and not paragraph.startswith(" ")
    ]
    assert broken == []
