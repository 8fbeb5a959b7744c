"""The example configuration documents every setting truly: unit, default and range as in the schema."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import annotated_types
import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pod.config import PodConfig, Section
from pod.config_load import load_config, load_with_advice
from pod.config_prepare import section_in

EXAMPLE = Path(__file__).parents[2] / "config.example.yaml"
UNITS = {
    "_h": "in hours",
    "_s": "in seconds",
    "_ms": "in milliseconds",
    "_px": "in pixels",
    "_fps": "frames per second",
}


def settings(schema: type[Section] = PodConfig, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every plain setting of the schema by its dotted name, list indices left out.

    Where all settings of a section are sections of one kind, the first stands for them all.
    """
    inner_sections = [section_in(field) for field in schema.model_fields.values()]
    alike = len(inner_sections) > 1 and len(set(inner_sections)) == 1 and inner_sections[0] is not None
    for name, field in list(schema.model_fields.items())[: 1 if alike else None]:
        inner = section_in(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from settings(inner, f"{prefix}{name}.")


def documentation() -> dict[str, str]:
    """The comment above every setting of the example, by dotted name; commented-out settings count."""
    found: dict[str, str] = {}
    around: list[tuple[int, str]] = []
    comment = ""
    for line in EXAMPLE.read_text().splitlines():
        setting = re.match(r"( *)(?:# )?( *)((?:- )?)([a-z_]+):(?: |$)", line)
        if setting and not re.match(r" *# [A-Za-z_]+: *[A-Z]", line):
            indent = sum(len(setting[part]) for part in (1, 2, 3))
            while around and around[-1][0] >= indent:
                around.pop()
            name = ".".join([*(outer for _, outer in around), setting[4]])
            if line.endswith(":"):
                around.append((indent, setting[4]))
            else:
                found[name] = comment
            comment = ""
        elif line.strip().startswith("#"):
            comment += line.strip().removeprefix("#")
        else:
            comment = ""
    return found


def limits(field: FieldInfo) -> tuple[Any, Any]:
    low = [m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)]
    high = [m.le for m in field.metadata if isinstance(m, annotated_types.Le)]
    return (low or [None])[0], (high or [None])[0]


SETTINGS = dict(settings())
ALL = pytest.mark.parametrize("name", SETTINGS)


@ALL
def test_every_setting_has_its_comment_in_the_example(name: str) -> None:
    assert len(documentation().get(name, "").split()) >= 3


@ALL
def test_the_example_names_the_default_of_every_setting(name: str) -> None:
    default = SETTINGS[name].default
    if default is PydanticUndefined:
        expected = r"Required\."
    elif default is None:
        expected = r"Default: not set\b"
    elif default == ():
        expected = r"Default: none\b"
    elif isinstance(default, bool):
        expected = f"Default: {str(default).lower()}\\."
    else:
        expected = (
            f"Default: {re.escape(f'{default:g}' if isinstance(default, float) else str(default))}\\.(?!\\d)"
        )
    assert re.search(expected, documentation()[name])


@ALL
def test_the_example_names_the_range_of_every_setting(name: str) -> None:
    low, high = limits(SETTINGS[name])
    if low is not None:
        assert re.search(rf"Range: {low:g} to {re.escape(str(high))}\.(?!\d)", documentation()[name])
    if get_origin(SETTINGS[name].annotation) is Literal:
        missing = [
            v
            for v in get_args(SETTINGS[name].annotation)
            if not re.search(rf"\b{v}\b", documentation()[name])
        ]
        assert not missing


@ALL
def test_every_number_of_the_schema_has_both_limits(name: str) -> None:
    if SETTINGS[name].annotation in (int, float):
        assert None not in limits(SETTINGS[name])


@ALL
def test_the_example_names_the_unit_of_every_setting_that_has_one(name: str) -> None:
    for suffix, unit in UNITS.items():
        if name.endswith(suffix):
            assert unit in documentation()[name]


def test_the_example_documents_no_setting_that_does_not_exist() -> None:
    assert set(documentation()) - set(SETTINGS) == set()


def test_the_example_loads_as_it_is() -> None:
    assert load_config(EXAMPLE).cameras


def test_the_example_loads_with_every_optional_setting_switched_on(tmp_path: Path) -> None:
    text = re.sub(
        r"(?m)^( +)# (username|password|regions|masks): (?=[\[{a-z])", r"\1\2: ", EXAMPLE.read_text()
    )
    config = tmp_path / "config.yaml"
    config.write_text(text)
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "entrance-camera"
    secret.write_text("swordfish\n")
    secret.chmod(0o600)
    loaded = load_with_advice(config)
    camera = loaded.config.cameras[0]
    assert camera.password == SecretStr("swordfish")
    assert camera.username
    assert camera.regions
    assert camera.masks
    assert loaded.advice == ()
