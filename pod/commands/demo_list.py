"""The demo's access list: who of the cars in the clip may pass, and until when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.render.story import STORY
from pod.domain.entry import Entry, EntryType
from pod.store.entries import make_entry
from pod.store.store import Store


def demo_entries(now: datetime) -> list[Entry]:
    """Entries for the clip's cars as their roles ask; the unlisted car has none.

    Args:
        now: aware UTC.
    """
    entries = []
    for visit in STORY:
        if visit.role == "resident":
            entries.append(make_entry(visit.plate, label="Demo resident"))
        elif visit.role == "expired":
            gone = now - timedelta(days=1)
            entries.append(
                make_entry(visit.plate, type=EntryType.CONTRACTOR, label="Demo pass", expires_at=gone)
            )
        elif visit.role == "visitor":
            start, end = now - timedelta(hours=1), now + timedelta(hours=24)
            entries.append(
                make_entry(
                    visit.plate, type=EntryType.VISITOR, label="Demo visitor", starts_at=start, expires_at=end
                )
            )
    return entries


def write_demo_list(database: Path) -> bool:
    """Fill the list of a new database; a list that holds anything is somebody's own and stays as it is.

    Returns:
        whether it was filled.

    Raises:
        StoreError: the database can't be used.
    """
    with Store.open(database) as store:
        if store.plates.current.entries:
            return False
        for entry in demo_entries(datetime.now(UTC)):
            store.plates.add(entry, by="platebridge demo").result()
    return True
