"""The whole cloud on one machine as one service: what runs where, and what is started again."""

import asyncio
import signal
from collections.abc import Callable

from sync.cloud.api.desk import Desk
from sync.cloud.api.media_store import MediaStore
from sync.cloud.api.pool import Pool
from sync.cloud.api.server import PodApi, Served
from sync.cloud.bridge.service import Bridge
from sync.cloud.brokers.nats_gate import NatsGate
from sync.cloud.dispatch.service import Dispatch
from sync.cloud.embedded import EmbeddedServer, supervised_server
from sync.cloud.errors import CloudError
from sync.cloud.migrate import Say
from sync.cloud.run.broker import BrokerProcess
from sync.cloud.run.database import dsn_of, keep_running, prepare
from sync.cloud.run.home import CloudHome, Files
from sync.mqtt import BrokerAddress, TlsFiles

READY_TIMEOUT_S = 60.0
MEDIA_QUOTA_BYTES = 2 * 2**30
MEDIA_KEEP_FREE_BYTES = 2**30


def run_cloud(home: CloudHome, say: Say, *, on_ready: Callable[[], None]) -> None:
    """Run it until SIGINT or SIGTERM.

    Args:
        say: told what is done, a line each.
        on_ready: called once PODs can come.

    Raises:
        CloudError: a part cannot run; the text says which, why, and what to do.
    """
    say(f"database   {home.folder / 'database'}")
    with supervised_server(home.folder / "database") as server:
        asyncio.run(_run(home, server, say, on_ready=on_ready))


async def _run(home: CloudHome, server: EmbeddedServer, say: Say, *, on_ready: Callable[[], None]) -> None:
    running = asyncio.ensure_future(_serve(home, server, say, on_ready=on_ready))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        say("stopped; everything is kept")
    except BaseExceptionGroup as group:
        fault = _first(group)
        if isinstance(fault, CloudError):
            raise fault from None
        raise


async def _serve(home: CloudHome, server: EmbeddedServer, say: Say, *, on_ready: Callable[[], None]) -> None:
    await prepare(server, say)
    broker = BrokerProcess(home)
    gate = NatsGate(dsn_of(server, "broker"), broker.control)
    address = BrokerAddress.parse(f"mqtts://localhost:{home.places.broker_port}")
    bridge = Bridge(dsn_of(server, "bridge"), address, signer=home.welcomes, tls=_tls(home, home.bridge))
    dispatch = Dispatch(dsn_of(server, "dispatch"), address, signer=home.lists, tls=_tls(home, home.dispatch))

    async def broker_trouble() -> str | None:
        return None if bridge.ready.is_set() else "the bridge has no broker, or no database"

    desk = Desk(
        pool=Pool(dsn_of(server, "api")),
        signer=home.authority,
        brokers=[home.places.broker],
        keys=home.pinned_keys,
        media=MediaStore(
            home.folder / "media", quota_bytes=MEDIA_QUOTA_BYTES, keep_free_bytes=MEDIA_KEEP_FREE_BYTES
        ),
        broker_check=broker_trouble,
    )
    places = home.places
    served = Served(places.listens_at, places.portal_port, home.server.certificate, home.server.key)
    api = PodApi(desk, served)
    async with broker.running(), asyncio.TaskGroup() as tasks:
        for part, name in (
            (broker.keep(), "broker"),
            (keep_running(server), "database"),
            (gate.run(), "gate"),
            (api.run(), "portal"),
        ):
            tasks.create_task(part, name=name)
        tasks.create_task(_announce([gate.ready, bridge.ready, dispatch.ready, api.ready], on_ready))
        # Before it nobody is let in, and the broker takes its time to say so.
        await gate.ready.wait()
        tasks.create_task(bridge.run(), name="bridge")
        tasks.create_task(dispatch.run(), name="dispatch")


async def _announce(parts: list[asyncio.Event], on_ready: Callable[[], None]) -> None:
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            for part in parts:
                await part.wait()
    except TimeoutError:
        raise CloudError(
            f"not every part was ready within {READY_TIMEOUT_S:.0f} s: read the lines above and broker/log"
        ) from None
    on_ready()


def _tls(home: CloudHome, files: Files) -> TlsFiles:
    return TlsFiles(home.ca, files.certificate, files.key)


def _first(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group
