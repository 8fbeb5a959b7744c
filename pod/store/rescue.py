"""What the store does about a fault of its disk or file: makes room, puts the file back, or recovers it."""

import contextlib
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pod.domain.errors import StoreError
from pod.store import list_copy
from pod.store.audit import read_head
from pod.store.connection import connect_writer
from pod.store.copies import FOLDER, find_copies
from pod.store.diagnosis import Damage, SpoiledError, find_damage, is_damage, is_spoiled_head
from pod.store.file_place import FileMovedError, FilePlace
from pod.store.head_note import HeadNote, Noted
from pod.store.home import HomeGoneError
from pod.store.keeping import Attendants, Keeping
from pod.store.migrate import OtherProgramError, migrate
from pod.store.opening import open_current
from pod.store.private_file import make_private_folder
from pod.store.recovery import Recovery, finish_exchange, is_exchange_open, put_back, recover
from pod.store.reserve import Reserve

ROOM_EVERY_S = 1.0
"""A disk that stays full is not searched for room with every row."""

LOOK_EVERY_S = 5.0
"""How often a reserve that was given up is asked for again."""

RECOVER_EVERY_S = 60.0
"""A file that is damaged again at once lies on a disk that no copy mends."""

_NEAR_FULL_BYTES = 1024 * 1024
_STEPS_A_BREATH = 20_000

_log = logging.getLogger(__name__)


class Rescue:
    """For the writer's thread of the process that keeps the data directory.

    Args:
        beat: called during long work, so that nobody takes it for a hanging thread.
    """

    def __init__(
        self,
        path: Path,
        keeping: Keeping,
        attendants: Attendants,
        *,
        busy_timeout_s: float,
        now_us: Callable[[], int],
        beat: Callable[[], None],
    ) -> None:
        self._path = path
        self._keeping = keeping
        self._attendants = attendants
        self._busy_timeout_s = busy_timeout_s
        self._now_us = now_us
        self._beat = beat
        self._place = FilePlace(path, keeps=True)
        self._folder = path.parent / FOLDER
        self._reserve = Reserve(path.parent, keeping.reserve_bytes)
        self._note = HeadNote(self._folder)
        self._next_room_s = self._next_look_s = self._next_recovery_s = 0.0
        self._complaint_s = -RECOVER_EVERY_S
        self._is_home_gone = False
        self.recovered: Recovery | None = None

    @property
    def place(self) -> FilePlace:
        return self._place

    @property
    def is_reserve_held(self) -> bool:
        """Whether the disk space held back for the database is still there."""
        return self._reserve.is_held

    def open(self) -> sqlite3.Connection:
        """The writing connection to a whole database of the current schema, recovered where it must be.

        Raises:
            StoreError: it can't be had.
        """
        if not self._reserve.take():
            self._tell_full("There was not enough free space to hold any back")
        elif shutil.disk_usage(self._path.parent).free <= _NEAR_FULL_BYTES and self._reserve.give_up():
            # Opening takes room of its own, for the log and its index.
            self._tell_full("The space held back for the database is in use")
        try:
            make_private_folder(self._folder)
        except OSError as error:
            raise StoreError(
                f"{self._folder} cannot be made ({error.strerror}): "
                "make room, and give this user write access to the data directory"
            ) from error
        with self._place.exchanging():
            if is_exchange_open(self._path):
                finish_exchange(self._path)
            damage = self._damage()
            if damage is not None:
                self._recover(damage, list_above=-1)
            return self._connect()

    def mend(
        self, conn: sqlite3.Connection, error: Exception, *, list_version: int
    ) -> sqlite3.Connection | None:
        """A connection to try once more with, or None.

        Args:
            list_version: the version of the list that decisions read.
        """
        try:
            if isinstance(error, FileMovedError):
                return self._come_back(conn, error, list_version)
            if isinstance(error, sqlite3.Error):
                if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                    return conn if self._make_room() else None
                if isinstance(error, SpoiledError) or is_damage(error):
                    return self._recover_running(conn, error, list_version)
        except (StoreError, OSError, sqlite3.Error) as fault:
            _log.error("%s: no rescue: %s", self._path, fault)
        return None

    def look(self) -> None:
        """See that file and directory are what they were; now and then hold space back again.

        Raises:
            FileMovedError, SpoiledError, HomeGoneError: they are not.
        """
        try:
            self._place.check()
        except HomeGoneError as error:
            if not self._is_home_gone:
                self._is_home_gone = True
                _log.error("%s", error)
                self._attendants.begin("store_gone", f"{error}.")
            raise
        if self._is_home_gone:
            self._is_home_gone = False
            self._attendants.end("store_gone")
        if time.monotonic() < self._next_look_s or (self._reserve.is_held and not self._reserve.is_lost()):
            return
        self._next_look_s = time.monotonic() + LOOK_EVERY_S
        if self._reserve.take():
            self._attendants.end("disk_full")

    def note(self, seq: int, list_version: int) -> None:
        """Note outside the database how far it got."""
        if self._place.home.is_here:
            self._note.write(Noted(seq, list_version))

    def _connect(self) -> sqlite3.Connection:
        return open_current(self._path, self._place, busy_timeout_s=self._busy_timeout_s)

    def _damage(self) -> Damage | None:
        """What is wrong with the file under the database's name; None where it is whole.

        Raises:
            StoreError, sqlite3.Error: it can't be told, or the file is of a newer PlateBridge.
        """
        with contextlib.suppress(OSError):
            if self._path.stat().st_size == 0 and (self._folder / list_copy.NAMES[0]).exists():
                return Damage("it is empty")
        try:
            return self._look_into()
        except UnicodeDecodeError as error:
            # SQLite quotes a spoiled schema in its complaint, and Python can't read the quotation.
            return Damage(f"its schema cannot be read ({error})")

    def _look_into(self) -> Damage | None:
        try:
            conn = connect_writer(self._path, busy_timeout_s=self._busy_timeout_s)
        except StoreError as error:
            if is_spoiled_head(self._path, error.__cause__):
                return Damage(str(error.__cause__))
            raise
        with closing(conn):
            conn.set_progress_handler(self._breathe, _STEPS_A_BREATH)
            try:
                migrate(conn)
            except OtherProgramError as error:
                if not find_copies(self._folder):
                    raise
                return Damage(str(error))
            except sqlite3.OperationalError as error:
                if not is_damage(error, sql_is_sound=True):
                    raise
                return Damage(str(error))
            return find_damage(conn, self._folder)

    def _breathe(self) -> int:
        self._beat()
        return 0

    def _recover(self, damage: Damage, *, list_above: int, held: sqlite3.Connection | None = None) -> None:
        """With the exchange's lock held."""
        _log.error("%s is damaged: %s", self._path, damage.reason)
        for may_try_again in (True, False):
            try:
                recovered = recover(
                    self._path,
                    reason=damage.reason,
                    now_us=self._now_us(),
                    list_above=list_above,
                    beat=self._beat,
                    held=held,
                )
            except StoreError:
                if not (may_try_again and self._make_room()):
                    raise
            else:
                break
        self._tell_recovered(recovered)

    def _tell_recovered(self, recovered: Recovery) -> None:
        self.recovered = recovered
        self._next_recovery_s = time.monotonic() + RECOVER_EVERY_S
        self._attendants.begin("store_corrupt", recovered.sentence())
        _log.error("%s: %s", self._path, recovered.sentence())

    def _recover_running(
        self, conn: sqlite3.Connection, error: sqlite3.Error, list_version: int
    ) -> sqlite3.Connection | None:
        if time.monotonic() < self._next_recovery_s:
            return None
        with self._place.exchanging():
            damage = self._damage_running(error)
            if damage is not None:
                self._replace(conn, damage, list_version)
            fresh = self._connect()
        conn.close()
        return fresh

    def _damage_running(self, error: sqlite3.Error) -> Damage | None:
        """What is wrong with the open file; None where a page was spoiled in memory alone."""
        if isinstance(error, SpoiledError):
            # Not opened again: SQLite takes an empty file for a new database, and deletes its log.
            return Damage(str(error))
        # A page that was spoiled in memory alone is read well by a new connection.
        is_certain = self._is_repeated()
        return self._damage() or (Damage(str(error)) if is_certain else None)

    def _replace(self, conn: sqlite3.Connection, damage: Damage, list_version: int) -> None:
        """Put what the open connection holds in the file's place if that is whole, else the last good copy.

        With the exchange's lock held.

        Raises:
            StoreError: the disk refuses.
        """
        try:
            recovered = put_back(
                conn, self._path, reason=damage.reason, now_us=self._now_us(), beat=self._beat
            )
        except (StoreError, sqlite3.Error, OSError, UnicodeDecodeError) as error:
            _log.warning("%s: what the pod held of it is not whole: %s", self._path, error)
            self._recover(damage, list_above=list_version, held=conn)
        else:
            self._tell_recovered(recovered)

    def _is_repeated(self) -> bool:
        """Whether the file was found whole after the same complaint a short while ago."""
        last, self._complaint_s = self._complaint_s, time.monotonic()
        return self._complaint_s - last < RECOVER_EVERY_S

    def _come_back(
        self, conn: sqlite3.Connection, error: FileMovedError, list_version: int
    ) -> sqlite3.Connection:
        """The file under the name if it is the newest, else what the open connection still holds, put back.

        Raises:
            StoreError: the directory is gone, or the disk refuses.
        """
        with self._place.exchanging():
            # Where only the log of the open file is gone, a new connection would miss what was in it.
            if self._place.is_the_open_one or not self._holds_all():
                self._replace(conn, Damage(str(error)), list_version)
            fresh = self._connect()
        conn.close()
        return fresh

    def _holds_all(self) -> bool:
        """Whether the file under the name holds every row that was committed: the disk was mounted again."""
        try:
            if not self._path.is_file() or self._path.stat().st_size == 0:
                return False
            if self._damage() is not None:
                return False
            with closing(connect_writer(self._path, busy_timeout_s=self._busy_timeout_s)) as conn:
                return read_head(conn).seq >= self._note.written.seq
        except (StoreError, sqlite3.Error, OSError):
            return False

    def _make_room(self) -> bool:
        """Have pictures deleted, then the reserve given up; returns whether a write may try again."""
        now_s = time.monotonic()
        if now_s < self._next_room_s:
            return False
        self._next_room_s = now_s + ROOM_EVERY_S
        freed_bytes = self._attendants.make_room(self._keeping.reserve_bytes)
        if shutil.disk_usage(self._path.parent).free > min(_NEAR_FULL_BYTES, self._keeping.reserve_bytes):
            return freed_bytes > 0
        was_given = self._reserve.give_up()
        self._tell_full(
            "The space held back for the database is in use"
            if was_given
            else "Nothing is left to give up: new rows go to the journal, and when that is full they are lost"
        )
        return was_given or freed_bytes > 0

    def _tell_full(self, what: str) -> None:
        self._attendants.begin("disk_full", f"The disk is full. {what}. Free space on it.")
