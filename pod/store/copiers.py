"""Both threads that copy: the list after each change, the database every hour."""

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from pod.store.copier import Copier
from pod.store.diagnosis import SpoiledError
from pod.store.home import Home
from pod.store.keeping import Keeping
from pod.store.list_copier import ListCopier
from pod.store.list_copy import ListCopy


class Copiers:
    """Own their threads from construction to `close`; arguments are those of `ListCopier` and `Copier`."""

    def __init__(
        self,
        path: Path,
        keeping: Keeping,
        *,
        home: Home,
        list_version: Callable[[], int],
        read_held: Callable[[], Future[ListCopy]],
        now_us: Callable[[], int],
        on_spoiled: Callable[[SpoiledError], None],
    ) -> None:
        self._of_list = ListCopier(
            path,
            home=home,
            list_version=list_version,
            read_held=read_held,
            now_us=now_us,
            on_spoiled=on_spoiled,
        )
        self._of_database = Copier(
            path,
            every_s=keeping.copy_every_s,
            look_every_s=keeping.look_every_s,
            spare_bytes=keeping.reserve_bytes,
            home=home,
            now_us=now_us,
            on_spoiled=on_spoiled,
        )

    @property
    def fault(self) -> str | None:
        """Why a copy is not as new as it should be, with the mend; None where both are."""
        return self._of_list.fault or self._of_database.fault

    def copied(self) -> Future[None]:
        """Resolves once the list has a copy that began after this call; see `ListCopier.copied`."""
        return self._of_list.copied()

    def close(self, timeout_s: float) -> None:
        """Copy the list once more and end."""
        self._of_list.close(timeout_s)
        self._of_database.close(timeout_s)
