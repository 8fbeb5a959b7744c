"""The broker of a cloud on one machine: nats-server as a child process, started again where it ends."""

import asyncio
import contextlib
import logging
import secrets
import socket
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.cloud.brokers.nats_config import NatsPlace, nats_config
from sync.cloud.brokers.nats_gate import NatsControl
from sync.cloud.brokers.nats_server import nats_server_program
from sync.cloud.brokers.nats_words import account_key
from sync.cloud.errors import BrokerError
from sync.cloud.identity.private_files import write_private
from sync.cloud.run.home import CloudHome

log = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
RESTART_AFTER_S = 0.5
MAX_LOG_BYTES = 8 * 2**20


class BrokerProcess:
    """nats-server below the cloud's folder. The passwords of its gate are new with each object.

    Attributes:
        control: what the gate signs in with.
    """

    def __init__(self, home: CloudHome) -> None:
        self._folder = home.folder / "broker"
        self._home = home
        issuer = Ed25519PrivateKey.generate()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._control_port = int(free.getsockname()[1])
        self.control = NatsControl(
            (f"nats://127.0.0.1:{self._control_port}",),
            issuer,
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
        )
        self._process: Process | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started until the end of the block; `keep` looks after it meanwhile.

        Raises:
            BrokerError: it does not start; the text says why.
        """
        self._process = await self._started()
        try:
            yield
        finally:
            await _end(self._process)

    async def keep(self) -> None:
        """Start it again where it ends, until cancelled.

        Raises:
            BrokerError: it does not start again.
        """
        while self._process is not None:
            code = await self._process.wait()
            log.warning("the broker ended (%d); it is started again", code)
            await asyncio.sleep(RESTART_AFTER_S)
            self._process = await self._started()

    async def _started(self) -> Process:
        self._see_that_the_port_is_free()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        config, told = self._folder / "nats.conf", self._folder / "log"
        write_private(config, self._config().encode())
        if told.exists() and told.stat().st_size > MAX_LOG_BYTES:
            told.replace(told.with_suffix(".old"))
        with told.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                nats_server_program(), "-c", config, stdin=DEVNULL, stdout=output, stderr=STDOUT
            )
        try:
            await self._until_it_listens(process, told)
        except BaseException:
            await _end(process)  # cancelled, too: nobody else knows of it yet
            raise
        return process

    async def _until_it_listens(self, process: Process, told: Path) -> None:
        give_up_s = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await self._listens():
            if process.returncode is not None or asyncio.get_running_loop().time() > give_up_s:
                raise BrokerError(f"the broker does not start; {told} says why: {_last_fault(told)}")
            await asyncio.sleep(0.05)

    def _see_that_the_port_is_free(self) -> None:
        """Whatever listens there would be taken for the broker."""
        places = self._home.places
        family = socket.AF_INET6 if ":" in places.listens_at else socket.AF_INET
        try:
            socket.create_server((places.listens_at, places.broker_port), family=family).close()
        except OSError as error:
            raise BrokerError(
                f"the broker cannot listen at {places.listens_at}:{places.broker_port} ({error.strerror}): "
                "choose another --broker-port"
            ) from None

    async def _listens(self) -> bool:
        places = self._home.places
        host = "127.0.0.1" if places.listens_at == "0.0.0.0" else places.listens_at  # noqa: S104  # to compare
        try:
            _, writer = await asyncio.open_connection("::1" if host == "::" else host, places.broker_port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    def _config(self) -> str:
        home = self._home
        place = NatsPlace(
            name="platebridge",
            host=home.places.listens_at,
            mqtt_port=home.places.broker_port,
            websocket_port=None,
            control_port=self._control_port,
            certificate=home.server.certificate,
            key=home.server.key,
            ca=home.ca,
            store=self._folder / "store",
        )
        return nats_config(
            place,
            issuer=account_key(self.control.issuer),
            admission_password=self.control.admission_password,
            overseer_password=self.control.overseer_password,
        )


async def _end(process: Process | None) -> None:
    """End it in order, and at once where it does not."""
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_fault(log_file: Path) -> str:
    """The last line that tells of a fault, else the last one."""
    lines = log_file.read_text(errors="replace")[-20_000:].splitlines()
    faults = [line for line in lines if "[FTL]" in line or "[ERR]" in line or line.startswith("nats-server:")]
    return (faults or lines or ["it said nothing"])[-1][-300:]
