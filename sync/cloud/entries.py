"""A community's access list, as its managers keep it. PODs follow by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sync.cloud.database import Connection
from sync.cloud.errors import CloudError
from sync.cloud.portal_rights import of_the_community
from sync.protocol.plates import match_key, parse_plate

EntryType = Literal["resident", "visitor", "delivery", "service", "contractor", "emergency", "staff"]
TYPES: tuple[str, ...] = get_args(EntryType)
MAX_LABEL_CHARS = 80


@dataclass(frozen=True, slots=True)
class ListedPlate:
    """One entry.

    Attributes:
        plate: canonical form.
        verdict: `allow` or `deny`; a denial wins over whatever else the list says.
        version: of the list, at the entry's last change.
    """

    id: str
    plate: str
    verdict: str
    type: str
    label: str
    version: int


@dataclass(frozen=True, slots=True)
class PodList:
    """Which list is in force on a POD, as it last said.

    Attributes:
        version: None where the POD never said.
        refused: how many entries it could not put in force.
    """

    pod: str
    name: str
    version: int | None
    refused: int

    def told(self, newest: int) -> str:
        """Whether the newest version is applied there, in words; never assumed."""
        if self.version is None:
            return "pending: it never said which list it has"
        if self.version != newest:
            return f"pending: it has version {self.version}"
        return f"applied, but for {self.refused} that it refused" if self.refused else "applied"


async def add_entry(
    conn: Connection, community: str, *, plate: str, deny: bool, type: str, label: str
) -> ListedPlate:
    """Put a plate on the list.

    Raises:
        CloudError: the plate, type or label cannot be, or there is no such community.
    """
    try:
        written = parse_plate(plate)
    except ValueError as error:
        raise CloudError(str(error)) from None
    if type not in TYPES:
        raise CloudError(f"{type!r} is no type of entry: write {', '.join(TYPES[:-1])} or {TYPES[-1]}")
    if len(label) > MAX_LABEL_CHARS or not label.isprintable():
        raise CloudError(f"the label must be one line of at most {MAX_LABEL_CHARS} characters")
    verdict = "deny" if deny else "allow"
    async with of_the_community(conn, community):
        found = await conn.execute(
            "INSERT INTO platebridge.entry (community, key, plate, verdict, type, label) "
            "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id, version",
            (community, match_key(written), written, verdict, type, label),
        )
        entry_id, version = await found.fetchone() or ("", 0)
    return ListedPlate(str(entry_id), written, verdict, type, label, int(str(version)))


async def remove_entries(conn: Connection, community: str, plate: str) -> Sequence[ListedPlate]:
    """Take every entry of a plate off the list; PODs' own entries stay, for they are the POD's.

    Raises:
        CloudError: the plate is not on the list.
    """
    async with of_the_community(conn, community):
        found = await conn.execute(
            "DELETE FROM platebridge.entry WHERE community = %s AND key = %s AND owner = 'cloud' "
            "RETURNING id, plate, verdict, type, label, version",
            (community, match_key(plate)),
        )
        gone = [ListedPlate(*row) for row in await found.fetchall()]  # type: ignore[arg-type]  # the columns' types
    if not gone:
        raise CloudError(
            f"{plate} is not on the list of {community}: `platebridge cloud plates list` shows it"
        )
    return gone


async def overview(conn: Connection, community: str) -> tuple[int, Sequence[ListedPlate], Sequence[PodList]]:
    """The list's version, the cloud's entries by plate, and what each POD that is not revoked has of it."""
    async with of_the_community(conn, community):
        found = await conn.execute("SELECT version FROM platebridge.list_state")
        state = await found.fetchone()
        found = await conn.execute(
            "SELECT id, plate, verdict, type, label, version FROM platebridge.entry "
            "WHERE enabled AND owner = 'cloud' ORDER BY plate, id"
        )
        entries = [ListedPlate(*row) for row in await found.fetchall()]  # type: ignore[arg-type]  # as above
        found = await conn.execute(
            "SELECT p.id, p.name, r.version, coalesce(r.refused_count, 0) FROM platebridge.pod AS p "
            "LEFT JOIN platebridge.receipt AS r ON r.pod = p.id WHERE p.revoked_at IS NULL ORDER BY p.id"
        )
        pods = [PodList(*row) for row in await found.fetchall()]  # type: ignore[arg-type]  # as above
    return (int(str(state[0])) if state else 0), entries, pods
