"""Which database a command of the operator's means."""

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from sync.cloud.errors import CloudError

if TYPE_CHECKING:
    from sync.cloud.database import Connection, Dsn

T = TypeVar("T")

DsnFileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Holds the database's address, such as postgresql://USER:PASSWORD@HOST/DATABASE; mode 0600. "
        "Without it PLATEBRIDGE_CLOUD_DSN counts.",
    ),
]
EmbeddedOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Use a PostgreSQL of its own in this folder, made where it is missing, or that of the cloud "
        "that runs in it.",
    ),
]


def check_installed() -> None:
    """See that this is no POD's installation, before anything of the cloud's is imported.

    Raises:
        CloudError: the cloud's packages are missing.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise CloudError("the cloud's packages are not installed: pip install 'platebridge[cloud]'")


@contextmanager
def the_database(dsn_file: Path | None, embedded: Path | None) -> Iterator["Dsn"]:
    """The database that the options name, an embedded one running for as long as the block does.

    Raises:
        CloudError: none or two are named, it cannot be reached, or the cloud's packages are missing.
    """
    check_installed()
    if dsn_file is not None and embedded is not None:
        raise CloudError("--dsn-file and --embedded name two databases: give one of them")
    from sync.cloud.database import read_dsn
    from sync.cloud.embedded import embedded_server

    if embedded is None:
        yield read_dsn(dsn_file)
        return
    # The folder of a whole cloud (`platebridge cloud run`) holds that of its database.
    folder = embedded / "database" if (embedded / "cloud.json").exists() else embedded
    with embedded_server(folder) as dsn:
        yield dsn


def ask_database(
    dsn_file: Path | None, embedded: Path | None, ask: Callable[["Connection"], Awaitable[T]]
) -> T:
    """What `ask` returns, given a connection to the database that the options name.

    Raises:
        CloudError: as `the_database`, or from `ask`.
    """
    with the_database(dsn_file, embedded) as dsn:
        from sync.cloud.database import connect

        async def asked() -> T:
            async with connect(dsn) as conn:
                return await ask(conn)

        return asyncio.run(asked())
