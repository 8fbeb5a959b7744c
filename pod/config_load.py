"""Load a configuration file: YAML and secrets in, a PodConfig out, or every problem at once with its line."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pod.config import AccessConfig, PodConfig, Section, SiteConfig
from pod.config_prepare import Preparation, Prepared, known_part
from pod.config_yaml import Document, Location, Problem, Value, read_document
from pod.domain.errors import ConfigError

T = TypeVar("T", bound=Section)


class RulesConfig(Section):
    """The part of a configuration that decides who gets in."""

    access: AccessConfig = AccessConfig()
    site: SiteConfig = SiteConfig()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where each setting was given: the file, and the line (from 1) of every setting that is in it."""

    file: Path
    lines: Mapping[Location, int]


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A usable configuration, and advice on what is unwise in it (lines for the operator, no values)."""

    config: PodConfig
    advice: tuple[str, ...]
    origin: Origin


def load_config(path: Path) -> PodConfig:
    """The configuration in a file.

    Raises:
        ConfigError: one line a problem, `file:line: dotted.setting: mend`, in the order of the file.
            No value of the file is repeated: it may be a secret.
    """
    return load_with_advice(path).config


def load_rules(path: Path) -> RulesConfig:
    """What decides, out of a whole configuration or of a file with nothing but `access` and `site`.

    Raises:
        ConfigError: as `load_config`.
    """
    document = read_document(path)
    if "cameras" in document.root or "gates" in document.root:
        whole = load_config(path)
        return RulesConfig(access=whole.access, site=whole.site)
    return _validated(RulesConfig, path, document, Preparation(document, path.absolute().parent))


def load_with_advice(path: Path) -> LoadedConfig:
    """As `load_config`, with the advice that the doctor shows. Raises ConfigError alike."""
    document = read_document(path)
    preparation = Preparation(document, path.absolute().parent)
    config = _validated(PodConfig, path, document, preparation)
    advice = tuple(advice.text(str(path)) for advice in preparation.advice)
    return LoadedConfig(config, advice, Origin(path, document.lines))


def _validated(schema: type[T], path: Path, document: Document, preparation: Preparation) -> T:
    found = [*document.problems, *preparation.problems]
    reported = {problem.location for problem in found}
    later = list(_cross_problems(document))
    try:
        config = schema.model_validate(preparation.settings, strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        details += _hidden_behind(details, schema, preparation.settings)
        later += [_problem(detail, document) for detail in details if not _is_echo(detail, document)]
    found += [problem for problem in later if problem.location not in reported]
    if found:
        told = {p if p.is_named else replace(p, location=known_part(p.location)) for p in found}
        raise ConfigError("\n".join(problem.text(str(path)) for problem in sorted(told, key=_order)))
    return config


_OF_ONE_NUMBER = ("int_type", "float_type", "greater_than_equal", "less_than_equal")


def _hidden_behind(
    details: list[ErrorDetails], schema: type[Section], settings: dict[str, Prepared]
) -> list[ErrorDetails]:
    """What else is wrong, of that which a schema looks at only once each setting of a section can be used.

    Looked at with defaults in the place of wrong numbers: no rule over several settings reads a number.
    """
    numbers = {detail["loc"] for detail in details if detail["type"] in _OF_ONE_NUMBER}
    try:
        schema.model_validate(_without(settings, numbers, ()), strict=True)
    except ValidationError as error:
        told = [(detail["loc"], detail["type"]) for detail in details]
        more = error.errors(include_url=False, include_input=False)
        return [detail for detail in more if (detail["loc"], detail["type"]) not in told]
    return []


def _without(value: Prepared, left_out: Collection[Location], here: Location) -> Prepared:
    """The settings without some; a number within a list stays, for the others would take its place."""
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if (*here, key) not in left_out}
        return {key: _without(part, left_out, (*here, key)) for key, part in kept.items()}
    if isinstance(value, tuple):
        return tuple(_without(part, left_out, (*here, index)) for index, part in enumerate(value))
    return value


def _order(problem: Problem) -> tuple[int, str, str]:
    return problem.line, str(problem.location), problem.mend


def _cross_problems(document: Document) -> Iterator[Problem]:
    """What no single setting shows: names given twice, cameras without a gate, a password without a user.

    Works on the raw values, so that these problems appear beside all others.
    """
    yield from _duplicate_names(document, "cameras")
    yield from _duplicate_names(document, "gates")
    gates = {name for _, name in _named(document, "gates", "name")}
    for location, gate in _named(document, "cameras", "gate"):
        if gates and gate not in gates:
            yield Problem(document.lines[location], location, "is not the name of any entry under gates")
    for index, camera in enumerate(_entries(document, "cameras")):
        if isinstance(camera, dict) and camera.get("password") is not None and not camera.get("username"):
            location = ("cameras", index, "password")
            yield Problem(document.lines[location], location, "needs a username beside it")


def _entries(document: Document, section: str) -> tuple[Value, ...]:
    value = document.root.get(section)
    return value if isinstance(value, tuple) else ()


def _named(document: Document, section: str, key: str) -> Iterator[tuple[Location, str]]:
    for index, entry in enumerate(_entries(document, section)):
        if isinstance(entry, dict) and isinstance(name := entry.get(key), str):
            yield (section, index, key), name


def _duplicate_names(document: Document, section: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for location, name in _named(document, section, "name"):
        line = document.lines[location]
        if name in first:
            yield Problem(line, location, f"the same name is on line {first[name]}; give each its own")
        else:
            first[name] = line


_MENDS = {
    "missing": "is required",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "extra_forbidden": "does not belong here; a file of rules has access and site alone",
    "tuple_type": "must be a list",
    "model_type": "must be a group of settings, one `name: value` a line",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "too_short": "must have at least {min_length} in the list",
    "too_long": "must have {max_length} in the list at most",
    "literal_error": "must be one of {expected}",
    "value_error": "{error}",  # from the validators of pod.config, which name no value
}


def _problem(detail: ErrorDetails, document: Document) -> Problem:
    """A validation error in our words. Pydantic's own are never used: some of them quote the value."""
    location = line_of = tuple(detail["loc"])
    while line_of not in document.lines:  # a missing setting: the line of the group around it
        line_of = line_of[:-1]
    context = {name: str(value).replace("'", "") for name, value in detail.get("ctx", {}).items()}
    mend = _MENDS.get(detail["type"], "cannot be used here; see config.example.yaml").format_map(context)
    return Problem(document.lines[line_of], location, mend)


def _is_echo(detail: ErrorDetails, document: Document) -> bool:
    """Whether a list is called too short only because entries of it are wrong, which is told anyway."""
    if detail["type"] != "too_short":
        return False
    value: Value = document.root
    for part in detail["loc"]:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, tuple) and isinstance(part, int):
            value = value[part]
    return isinstance(value, tuple) and len(value) >= detail.get("ctx", {})["min_length"]
