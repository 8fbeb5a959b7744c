"""No message about a configuration repeats what stands in it: any of it may be a secret."""

import copy
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pod.config_load import load_with_advice
from pod.domain.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
CANARY = "S3CRET-c4n4ry-0f-all-canar1es"
FULL = re.sub(r"(?m)^( +)# (username|password|regions|masks): (?=[\[{a-z])", r"\1\2: ", EXAMPLE.read_text())
TREE = yaml.safe_load(FULL)
STAND_INS = [
    CANARY,
    [CANARY],
    {CANARY: CANARY},
    {CANARY: {CANARY: [CANARY]}},
    f"rtsp://u:{CANARY}@h:x/{CANARY}",
]


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a canary can stand in a tree: in place of every value."""
    if at:
        yield at
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*at, key))


def planted(at: tuple[Any, ...], stand_in: Any) -> str:
    """The full example with a canary in place of one value, as YAML."""
    tree = copy.deepcopy(TREE)
    parent_of(tree, at)[at[-1]] = stand_in
    return yaml.safe_dump(tree)


def planted_as_key(at: tuple[Any, ...]) -> str:
    """The full example with a canary in place of one key, as YAML."""
    tree = copy.deepcopy(TREE)
    parent = parent_of(tree, at)
    parent[CANARY] = parent.pop(at[-1])
    return yaml.safe_dump(tree)


def parent_of(tree: Any, at: tuple[Any, ...]) -> Any:
    for part in at[:-1]:
        tree = tree[part]
    return tree


def told(path: Path) -> str:
    """All that loading says, with the exceptions that a traceback would show: the error, or the advice."""
    try:
        return "\n".join(load_with_advice(path).advice)
    except ConfigError as error:
        return "".join(traceback.format_exception(error))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


@pytest.mark.parametrize("at", [pytest.param(at, id=".".join(map(str, at))) for at in places(TREE)])
def test_no_message_repeats_what_stands_in_the_file(path: Path, at: tuple[Any, ...]) -> None:
    plants = [planted(at, stand_in) for stand_in in STAND_INS]
    if isinstance(at[-1], str):
        plants.append(planted_as_key(at))
    for text in plants:
        path.write_text(text)
        assert CANARY.lower() not in told(path).lower()


SLIPS = {
    "key-twice": f"{CANARY}: 1\n{CANARY}: 2\n",
    "tag-below-an-unknown-key": f"{CANARY}: {{{CANARY}: !x 1}}\n",
    "tag-inside-a-password": f"cameras: [{{username: u, password: {{{CANARY}: !x 1}}}}]\n",
    "own-tag": f"site: !{CANARY} {{name: x}}\n",
    "standard-tag": f"site: {{name: !!{CANARY} x}}\n",
    "alias": f"site: {{name: *{CANARY}}}\n",
    "anchor-twice": f"site: {{name: &{CANARY} [&{CANARY} x]}}\n",
    "directive": f"%{CANARY}\n---\n",
    "tag-handle": f"site: !{CANARY}!x y\n",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in SLIPS.items()])
def test_no_message_repeats_what_stands_in_the_place_of_syntax(path: Path, text: str) -> None:
    path.write_text(text)
    assert CANARY not in told(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, len(FULL)),
    st.text("'\"\\{}[]:&*!%@|>-#,?<\n\t ~0a\0\x85\ufeff", max_size=6),
    st.booleans(),
)
def test_broken_yaml_is_told_without_repeating_it(path: Path, place: int, noise: str, before: bool) -> None:
    path.write_text(FULL[:place] + (noise + CANARY if before else CANARY + noise) + FULL[place:])
    assert CANARY not in told(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace"))))
def test_any_bytes_give_a_configuration_or_a_config_error(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    told(path)
