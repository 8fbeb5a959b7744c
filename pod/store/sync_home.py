"""Where the cloud is found, kept in the database; the enrolment tells it until the first move."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict

from pod.domain.errors import StoreError
from pod.store.following_reader import FollowingReader
from pod.store.store import Store
from sync.protocol.homes import Home, Homes

WRITE_TIMEOUT_S = 5.0


class SqliteHomes:
    """`sync.agent.ports.HomeStore` over a POD's store. Each call raises StoreError where it can't answer.

    Args:
        enrolled: the home of the enrolment. A POD that is enrolled anew starts from the new one.
    """

    def __init__(self, store: Store, reader: FollowingReader, *, enrolled: Home) -> None:
        self._store = store
        self._reader = reader
        self._enrolled = enrolled

    def load(self) -> Homes:
        """What was saved last since the enrolment."""
        found = self._reader.ask("SELECT homes FROM cloud_home")
        if not found:
            return Homes(self._enrolled)
        try:
            saved = json.loads(found[0][0])
            if _home(saved["enrolled"]) != self._enrolled:
                return Homes(self._enrolled)
            moving = saved["next"]
            return Homes(
                _home(saved["current"]), None if moving is None else _home(moving), int(saved["number"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"where the cloud moved to cannot be read ({error}): enroll this POD again"
            ) from error

    def save(self, homes: Homes) -> None:
        """Durable once it returns."""
        text = json.dumps({**asdict(homes), "enrolled": asdict(self._enrolled)})

        def job(conn: sqlite3.Connection) -> None:
            conn.execute("INSERT OR REPLACE INTO cloud_home (only, homes) VALUES (1, ?)", (text,))

        self._store.wait_for(self._store.submit(job), WRITE_TIMEOUT_S)


def _home(saved: Mapping[str, object]) -> Home:
    portal, brokers = saved["portal"], saved["brokers"]
    if not isinstance(portal, str) or not isinstance(brokers, list):
        raise TypeError("an address of the cloud is not what it should be")
    return Home(portal, tuple(str(broker) for broker in brokers))
