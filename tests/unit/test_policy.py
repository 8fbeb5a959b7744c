from dataclasses import replace

import pytest
from pydantic import ValidationError

from pod.config import AccessConfig, SiteConfig, TypesConfig
from pod.config_load import load_config
from pod.domain.entry import EntryType
from pod.domain.entry_types import TYPE_RULES
from pod.domain.errors import ConfigError
from pod.domain.policy import Policy
from pod.services.policy import policy_of

CAMERA_AND_GATE = "cameras: [{name: c, url: clip.mp4, gate: main}]\ngates: [{name: main}]\n"


def config_of(tmp_path, text: str):
    path = tmp_path / "config.yaml"
    path.write_text(CAMERA_AND_GATE + text)
    return load_config(path)


def test_without_settings_the_table_of_defaults_holds():
    assert policy_of(AccessConfig(), SiteConfig()) == Policy()
    assert policy_of(AccessConfig(), SiteConfig()).version == Policy().version


def test_every_type_has_its_row_in_the_table_and_in_the_configuration():
    assert set(TYPE_RULES) == set(EntryType)
    assert set(TypesConfig.model_fields) == {kind.value for kind in EntryType}


def test_a_setting_of_a_type_replaces_its_cell_and_no_other(tmp_path):
    config = config_of(
        tmp_path,
        """
access:
  min_confidence: 0.8
  types:
    visitor: {min_confidence: 0.95, stale_after_h: 2}
    delivery: {on_store_failure: open, spared_by_lockdown: true}
site: {country: DE}
""",
    )
    policy = policy_of(config.access, config.site)
    defaults = {kind: replace(rules, min_confidence=0.8) for kind, rules in TYPE_RULES.items()}
    assert policy.types == defaults | {
        EntryType.VISITOR: replace(TYPE_RULES[EntryType.VISITOR], min_confidence=0.95, stale_after_s=7200),
        EntryType.DELIVERY: replace(
            defaults[EntryType.DELIVERY], on_store_failure="open", spared_by_lockdown=True
        ),
    }
    assert (policy.country, policy.lowest_confidence) == ("DE", 0.8)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "access: {types: {visitr: {min_confidence: 0.9}}}",
            "access.types.visitr: unknown setting; did you mean 'visitor'?",
        ),
        ("access: {types: {visitor: {stale_after: 3}}}", "unknown setting; did you mean 'stale_after_h'?"),
        (
            "access: {types: {visitor: {stale_after_h: 0}}}",
            "access.types.visitor.stale_after_h: must be at least 1",
        ),
        (
            "access: {types: {staff: {min_confidence: 85}}}",
            "access.types.staff.min_confidence: must be at most 0.999",
        ),
        ("access: {types: {staff: {on_store_failure: maybe}}}", "must be one of open or deny"),
        ("access: {types: {staff: {spared_by_lockdown: 7}}}", "must be true or false"),
        ("access: {types: [visitor]}", "access.types: must be a group of settings"),
        ("site: {country: Germany}", "site.country: must be a country code of two capitals such as DE"),
        ("site: {id: North Gate}", "site.id: must be lower-case letters"),
    ],
    ids=lambda text: text[:44],
)
def test_a_wrong_rule_is_told_with_its_line_and_mend(tmp_path, text, problem):
    with pytest.raises(ConfigError) as told:
        config_of(tmp_path, text)
    assert problem in str(told.value)
    assert "config.yaml:3:" in str(told.value)


def test_every_change_of_the_rules_changes_their_version():
    resident = TYPE_RULES[EntryType.RESIDENT]
    versions = [
        Policy(**change).version
        for change in (
            {},
            {"country": "DE"},
            {"country": "FR"},
            {"near_ratio": 3.0},
            {"near_frames": 5},
            {"ambiguity_margin": 20.0},
            {"types": {**TYPE_RULES, EntryType.RESIDENT: replace(resident, min_confidence=0.9)}},
            {"types": {**TYPE_RULES, EntryType.RESIDENT: replace(resident, stale_after_s=1.0)}},
            {"types": {**TYPE_RULES, EntryType.RESIDENT: replace(resident, on_store_failure="deny")}},
            {"types": {**TYPE_RULES, EntryType.RESIDENT: replace(resident, spared_by_lockdown=True)}},
        )
    ]
    assert len(set(versions)) == len(versions)
    assert Policy().version == Policy(types=dict(TYPE_RULES)).version


@pytest.mark.parametrize(
    "wrong",
    [{"near_ratio": 0.5}, {"near_ratio": float("nan")}, {"ambiguity_margin": 1.5}, {"types": {}}],
    ids=["ratio", "no number", "margin inside the ratio", "a type without its row"],
)
def test_bounds_that_would_let_a_doubtful_reading_win_cannot_be_made(wrong):
    with pytest.raises(ValueError, match=r"must be|needs its row"):
        Policy(**wrong)


def test_rules_cannot_be_changed_in_place():
    with pytest.raises(ValidationError):
        AccessConfig().types.visitor.min_confidence = 0.5
