"""What each type of entry may do: one table of defaults. Pure data; no rule asks for a type by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pod.domain.entry import Entry, EntryType

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class TypeRules:
    """One row of the table.

    Attributes:
        min_confidence: how sure a reading must be to open, 0..1.
        stale_after_s: how old the cloud's last word on an entry of its own may be; None: any age.
        on_store_failure: whether it still opens while nothing can be written down.
        spared_by_lockdown: whether it still opens in lockdown.
    """

    min_confidence: float = 0.85
    stale_after_s: float | None = None
    on_store_failure: Literal["open", "deny"] = "deny"
    spared_by_lockdown: bool = False


TYPE_RULES: Mapping[EntryType, TypeRules] = MappingProxyType(
    {
        EntryType.RESIDENT: TypeRules(on_store_failure="open"),
        EntryType.STAFF: TypeRules(on_store_failure="open", stale_after_s=168 * _HOUR_S),
        EntryType.EMERGENCY: TypeRules(on_store_failure="open", spared_by_lockdown=True),
        EntryType.VISITOR: TypeRules(stale_after_s=24 * _HOUR_S),
        EntryType.DELIVERY: TypeRules(stale_after_s=24 * _HOUR_S),
        EntryType.SERVICE: TypeRules(stale_after_s=72 * _HOUR_S),
        EntryType.CONTRACTOR: TypeRules(stale_after_s=72 * _HOUR_S),
    }
)


def opens_unrecorded(entry: Entry, rules: TypeRules) -> bool:
    """Whether an entry opens while neither store nor journal takes the intent; never one whose uses count."""
    return rules.on_store_failure == "open" and entry.uses_left is None
