"""The rules of decisions, from the configuration of a site."""

from dataclasses import replace
from typing import TypeVar

from pod.config import AccessConfig, SiteConfig, TypeConfig
from pod.domain.entry import EntryType
from pod.domain.entry_types import TYPE_RULES, TypeRules
from pod.domain.policy import Policy

T = TypeVar("T")


def policy_of(access: AccessConfig, site: SiteConfig) -> Policy:
    """The table of defaults with what the configuration replaces in it."""
    return Policy(
        types={
            kind: _rules(
                replace(TYPE_RULES[kind], min_confidence=access.min_confidence),
                getattr(access.types, kind.value),
            )
            for kind in EntryType
        },
        country=site.country,
    )


def _rules(rules: TypeRules, given: TypeConfig) -> TypeRules:
    stale_after_s = rules.stale_after_s if given.stale_after_h is None else given.stale_after_h * 3600
    return TypeRules(
        min_confidence=_first(given.min_confidence, rules.min_confidence),
        stale_after_s=stale_after_s,
        on_store_failure=_first(given.on_store_failure, rules.on_store_failure),
        spared_by_lockdown=_first(given.spared_by_lockdown, rules.spared_by_lockdown),
    )


def _first(given: T | None, default: T) -> T:
    return default if given is None else given
