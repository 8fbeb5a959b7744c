"""Walk a document beside the schema: resolve secrets and paths, find settings that do not exist."""

import difflib
import re
import types
import typing
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from pod import config_secrets
from pod.config import BesideConfig, PodConfig, Section, is_stream_url
from pod.config_yaml import Document, Location, Problem, Value

# What the schema validates: values of the file, with secrets resolved and relative paths made absolute.
Prepared = Value | SecretStr | tuple["Prepared", ...] | dict[str, "Prepared"]


class Preparation:
    """What the walk found: the settings ready for validation, problems, and advice for the doctor.

    Args:
        folder: where relative paths start, the folder of the file.
    """

    def __init__(self, document: Document, folder: Path) -> None:
        self.problems: list[Problem] = []
        self.advice: list[Problem] = []
        self._lines = document.lines
        self._folder = folder
        self.settings = self._section(PodConfig, document.root, ())

    def _section(
        self, schema: type[Section], given: dict[str, Value], location: Location
    ) -> dict[str, Prepared]:
        fields = schema.model_fields
        prepared: dict[str, Prepared] = {}
        for key, value in given.items():
            if key not in fields:
                self._unknown(key, schema, location)
            elif value is not None:  # an empty setting is one that was not given
                prepared[key] = self._setting(fields[key], value, (*location, key))
        return prepared

    def _setting(self, field: FieldInfo, value: Value, location: Location) -> Prepared:
        if SecretStr in _members(field.annotation):
            return self._secret(value, location)
        if isinstance(value, str) and any(isinstance(mark, BesideConfig) for mark in field.metadata):
            return self._path(value, location)
        section = section_in(field)
        if section is not None and isinstance(value, dict):
            return self._section(section, value, location)
        if section is not None and isinstance(value, tuple):
            return tuple(
                self._section(section, entry, (*location, index)) if isinstance(entry, dict) else entry
                for index, entry in enumerate(value)
            )
        return value

    def _secret(self, value: Value, location: Location) -> Prepared:
        try:
            secret, advice = config_secrets.resolve(value, beside=self._folder)
        except config_secrets.SecretError as problem:
            self.problems.append(Problem(self._lines[location], location, str(problem)))
            return None
        if advice:
            self.advice.append(Problem(self._lines[location], location, advice))
        return secret

    def _path(self, value: str, location: Location) -> str:
        if is_stream_url(value):
            if "@" in value:
                mend = f"may hold a password; use username, and password: {config_secrets.FORMS}"
                self.advice.append(Problem(self._lines[location], location, mend))
            return value
        # A bare word for a model is its name, not a file.
        is_model = location in (("vision", "detector"), ("vision", "recognizer"))
        is_path = not is_model or "/" in value or value.endswith(".onnx")
        return str(self._folder / value) if is_path and value.strip() else value

    def _unknown(self, key: str, schema: type[Section], location: Location) -> None:
        line, fields = self._lines[(*location, key)], schema.model_fields
        if key in schema.refused:
            self.problems.append(Problem(line, (*location, key), schema.refused[key], is_named=True))
            return
        close = difflib.get_close_matches(key.lower(), fields, n=1, cutoff=0.7)
        if close and re.fullmatch(r"[A-Za-z0-9_-]+", key):
            mend = f"unknown setting; did you mean '{close[0]}'?"
            self.problems.append(Problem(line, (*location, key), mend, is_named=True))
        else:
            # Not named: text in the place of a key can be a value that slipped, and a value can be a secret.
            mend = f"there is an unknown setting on this line; known here: {', '.join(sorted(fields))}"
            self.problems.append(Problem(line, location, mend))


def section_in(field: FieldInfo) -> type[Section] | None:
    """The section that a setting holds, or holds a list of; None for a plain value."""
    members = _members(field.annotation)
    return next((m for m in members if isinstance(m, type) and issubclass(m, Section)), None)


def known_part(location: Location) -> Location:
    """The location up to the first name that is no setting: such a name may be a value that slipped."""
    schema: type[Section] | None = PodConfig
    for index, part in enumerate(location):
        if isinstance(part, int):
            continue
        if schema is None or part not in schema.model_fields:
            return location[:index]
        schema = section_in(schema.model_fields[part])
    return location


def _members(annotation: object) -> list[object]:
    """The types inside an annotation: of `tuple[A, ...] | None` A and None."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) in (tuple, typing.Union):
        return [member for argument in typing.get_args(annotation) for member in _members(argument)]
    return [annotation]
