"""Read a YAML file into plain values that remember their lines. Bounded in size, depth and aliases."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pod.domain.errors import ConfigError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_NODES = 20_000

_PREFIX = "tag:yaml.org,2002:"

Location = tuple[str | int, ...]
Value = None | bool | int | float | str | tuple["Value", ...] | dict[str, "Value"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with the file. `mend` never holds a value of the file: it may be a secret."""

    line: int
    location: Location
    mend: str
    is_named: bool = False  # the location may be shown whole though its last name is no setting

    def text(self, source: str) -> str:
        """One line for the operator: `file:line: dotted.setting: mend`."""
        setting = ".".join(str(part) for part in self.location)
        return f"{source}:{self.line}: {setting + ': ' if setting else ''}{self.mend}"


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and the line (from 1) of every key and list entry."""

    root: dict[str, Value]
    lines: Mapping[Location, int]
    problems: tuple[Problem, ...]


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2 scalars: `no` and `12:30` stay text, so no camera is named False and no pause is base 60."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's protocol)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """As PyYAML, but refuse what would exhaust the stack."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise yaml.MarkedYAMLError(
                    problem=f"is nested deeper than {MAX_DEPTH} levels", problem_mark=self.get_mark()
                )
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", [*"-+0123456789"]),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", [*"-+0123456789"]),
    ("merge", "<<", ["<"]),
):
    _CoreLoader.add_implicit_resolver(f"{_PREFIX}{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def read_document(path: Path) -> Document:
    """Read one YAML mapping from a regular file of at most `MAX_BYTES`.

    Problems inside the document (duplicate keys, odd tags) are collected in the result.

    Raises:
        ConfigError: the file cannot be read, or is not YAML at all; nothing can be said of its settings then.
    """
    text = _read_text(path)
    try:
        node = _CoreLoader(text).get_single_node()
    except yaml.YAMLError as error:
        raise ConfigError(_syntax_problem(error).text(str(path))) from None
    walk = _Walk()
    root = walk.value(node, (), 1) if node is not None else {}
    if root is None:
        root = {}
    if not isinstance(root, dict):
        raise ConfigError(Problem(1, (), "must be settings, one `name: value` a line").text(str(path)))
    return Document(root, walk.lines, tuple(walk.problems))


def _read_text(path: Path) -> str:
    try:
        if not path.exists():
            raise ConfigError(f"{path}: there is no such file; copy config.example.yaml there and adapt it")
        if not path.is_file():
            raise ConfigError(f"{path}: must be a regular file")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check its owner and mode") from None
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path}: must be at most {MAX_BYTES // 1024} KiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text; save the file as UTF-8") from None


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    """The parser's own words without the parts that quote the file."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(1, (), "holds a control character; save it as plain UTF-8 text")
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    said = error.problem or "cannot be parsed"
    if "'\\t'" in said:
        return Problem(line, (), "is indented with a tab; indent with spaces")
    if said.startswith("is nested"):
        return Problem(line, (), said)
    said = re.sub(r"'(?!<[a-z ]+>')[^']*'|\"[^\"]*\"|; first occurrence.*", "...", said, flags=re.DOTALL)
    if len(said) > 100 or not re.fullmatch(r"[a-zA-Z0-9 ,.<>'()-]*", said):
        said = "cannot be parsed"
    return Problem(line, (), f"is not YAML here ({said}); quote text that holds : # [ ] {{ }} & * ! or %")


class _Walk:
    """Turns composed nodes into values. Counts nodes, so that aliases cannot expand without end."""

    def __init__(self) -> None:
        self.lines: dict[Location, int] = {(): 1}
        self.problems: list[Problem] = []
        self._nodes = 0

    def value(self, node: yaml.Node, location: Location, line: int) -> Value:
        self.lines.setdefault(location, line)
        self._nodes += 1
        if self._nodes > MAX_NODES or len(location) > MAX_DEPTH:
            if self._nodes < 2 * MAX_NODES:
                self._nodes = 2 * MAX_NODES
                self._say(line, (), "holds too many values, or aliases (*name) that grow without end")
            return None
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
            return tuple(
                self.value(child, (*location, index), child.start_mark.line + 1)
                for index, child in enumerate(node.value)
            )
        return self._scalar(node, location, line)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_PREFIX}merge":
                self._say(line, location, "merge keys (<<) are not supported; write the settings out")
            elif not isinstance(key_node, yaml.ScalarNode):
                self._say(line, location, "the name of a setting must be plain text")
            elif key_node.value in values:
                self._say(line, (*location, key_node.value), "is given twice; keep one of them")
            else:
                values[key_node.value] = self.value(value_node, (*location, key_node.value), line)
        return values

    def _scalar(self, node: yaml.Node, location: Location, line: int) -> Value:
        kind = node.tag.removeprefix(_PREFIX)
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        if kind == "str" and isinstance(node, yaml.ScalarNode):
            return text
        if kind == "null" and isinstance(node, yaml.ScalarNode):
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            if kind == "int" and len(text) <= 30:
                return int(text)
            if kind == "float":
                return float(text)
        except ValueError:
            pass
        self._say(line, location, "has a tag (!) or number that is not supported; write a plain value")
        return None

    def _say(self, line: int, location: Location, mend: str) -> None:
        self.problems.append(Problem(line, location, mend))
