"""Build the pod's parts, start them in order, stop them in reverse. No rules live here."""

import asyncio
import faulthandler
import logging
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from pod.app_camera import CameraParts, camera_parts
from pod.app_gates import GateParts, start_gates
from pod.app_live import WHY_NONE, start_live
from pod.app_media import start_media, start_retention
from pod.app_notes import ChangeNotes
from pod.app_page import PageParts, page_view, version
from pod.app_sync import SyncParts, enrolment_of, start_sync
from pod.app_watching import WatchingPart, watching_part
from pod.config import CameraConfig, PodConfig
from pod.config_load import Origin
from pod.domain.clock_trust import ClockTrust
from pod.domain.errors import StoreError
from pod.media.slot import LatestFrame
from pod.media.source import CameraSource
from pod.runtime.broadcast import Broadcast, Event
from pod.runtime.collector import spare_what_stays
from pod.runtime.heartbeat import Heartbeats
from pod.runtime.instance_lock import InstanceLock
from pod.runtime.metrics import PodMetrics
from pod.runtime.sd_notify import SystemdNotifier
from pod.runtime.slow_start import make_slowly
from pod.runtime.supervise import supervise
from pod.runtime.time_zone import zone_of
from pod.runtime.watchdog import feed_watchdog
from pod.services.access_control import Site
from pod.services.alarms import Alarms
from pod.services.camera_loop import CameraLoop
from pod.services.clock_watch import ClockWatch
from pod.services.health import Health, HealthProbe, examine
from pod.services.open_command import OpenCommands
from pod.services.policy import policy_of
from pod.services.probes import camera_probe, live_probe, models_probe, store_probe
from pod.services.stills import Stills
from pod.store.clock_rows import is_doubted, newest_believable
from pod.store.keeping import Keeping
from pod.store.reader import AuditReader
from pod.store.store import FILE_NAME, Store
from pod.vision.pipeline import Models, open_models
from pod.web.admin_password import AdminPassword
from pod.web.page import create_app
from pod.web.server import WebServer, bind
from pod.web.sign_in import SignIn
from pod.web.sign_in_link import SignInLink
from pod.web.tls import certificate_of

log = logging.getLogger(__name__)

LOOP_SILENCE_S = 5.0
"""A decision loop beats four times a second; silent for this and a commit's time limit, it hangs."""

STORE_SILENCE_S = 15.0
"""The store's writer beats four times a second, and may wait 5 s for another process."""

SWITCH_INTERVAL_S = 0.0005
"""How long one thread may keep the interpreter from the others. Python's own 5 ms let a busy page hold up the
cameras' threads: in a storm of viewers a decision took 100 ms at the median, with this 72."""

START_ROW_TIMEOUT_S = 10.0
STOP_ROW_TIMEOUT_S = 5.0
WEB_STOP_TIMEOUT_S = 3.0


class Pod:
    """One running POD: `async with Pod(config) as pod: await pod.finished()`, made in a running loop.

    Starting raises ConfigError, ModelError, StoreError or GateError, each with its mend. Cameras that cannot
    be reached only show in health, for they may come back. Leaving stops in reverse: the page, the cameras,
    the gates at rest, the store last.
    """

    def __init__(self, config: PodConfig, origin: Origin | None = None) -> None:
        """
        Args:
            origin: where each setting was given, for the page; None where no file was read.
        """
        self.config = config
        self._origin = origin
        self.metrics = PodMetrics()
        self._stack = AsyncExitStack()
        self._heartbeats = Heartbeats()
        self._probes: list[HealthProbe] = []
        self._cameras: list[tuple[CameraSource, CameraLoop]] = []
        self._slots: dict[str, LatestFrame] = {}
        self._masks = {camera.name: camera.masks for camera in config.cameras}
        self._notifier = SystemdNotifier()
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.alarms = Alarms(lambda row: self._notes.note("alarm", row), now=lambda: datetime.now(UTC))

    async def __aenter__(self) -> Self:
        self._broadcast = Broadcast()
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._notifier.stopping()
        self.stop()
        await self._stack.aclose()

    @property
    def address(self) -> str:
        """Where the local page is."""
        host, port = self._listener.getsockname()[:2]
        return f"{self._scheme}://[{host}]:{port}/" if ":" in host else f"{self._scheme}://{host}:{port}/"

    def sign_in_link(self) -> str:
        """A link to the page that signs in once, from this machine, within ten minutes."""
        return f"{self.address}signin?token={SignInLink(Path(self.config.data_dir)).make()}"

    @property
    def store(self) -> Store:
        return self._store

    def health(self) -> Health:
        return examine(self._probes)

    def listen(self) -> AbstractContextManager[AsyncIterator[Event]]:
        """What happens from now on: decisions, intents, outcomes, camera and gate states."""
        return self._broadcast.listen()

    async def finished(self) -> None:
        """Waits until `stop`; raises what broke a part that the pod cannot do without."""
        await self._finished

    def stop(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    async def _start(self) -> None:
        config, stack = self.config, self._stack
        data_dir = Path(config.data_dir)
        stack.enter_context(InstanceLock(data_dir))
        self._listener = stack.enter_context(bind(config.web.host, config.web.port))
        models = await asyncio.to_thread(open_models, config.vision)
        writer_beat = self._heartbeats.register("store", STORE_SILENCE_S)
        # A recovery of a long audit takes minutes on a small board.
        opening = partial(Store.open, data_dir / FILE_NAME, keeping=Keeping(), beat=writer_beat.beat)
        store = await make_slowly(opening, notifier=self._notifier, heartbeat=writer_beat)
        self._store = stack.enter_context(store)
        self._notes = ChangeNotes(self._store, self._broadcast.publish, metrics=self.metrics)
        self._clock = self._watch_clock()
        started = self._store.record("pod_started", self._started_row(models))
        self._store.wait_for(started, START_ROW_TIMEOUT_S)
        stack.callback(self._record_stop)
        self._gates = start_gates(self._gate_parts(data_dir), stack)
        self._probes += [store_probe(self._store), models_probe(models), self._clock.probe]
        self._probes += self._gates.probes
        self._media = start_media(config, self._store, self._masks, metrics=self.metrics, stack=stack)
        self._store.attend(self.alarms, self._media.make_room)
        enrolment = await asyncio.to_thread(enrolment_of, data_dir)
        retention = start_retention(
            config,
            self._store,
            self._media,
            clock=self._clock,
            has_cloud=enrolment.has_cloud,
            metrics=self.metrics,
            on_fault=self._break,
            stack=stack,
        )
        self._probes += [*self._media.probes, retention]
        stack.push_async_callback(self._stop_cameras)
        parts = self._camera_parts(models)
        for camera in config.cameras:
            self._start_camera(camera, parts)
        watching = await self._start_live(data_dir)
        opener = OpenCommands(self._gates.controllers, self._store, publish=self._broadcast.publish)
        await self._start_web(data_dir, watching, opener)
        self._probes += start_sync(enrolment, self._sync_parts(data_dir, models, opener), stack=stack)
        stack.callback(self._serve("clock", self._clock.watch()).cancel)
        watchdog = self._serve("watchdog", feed_watchdog(self._notifier, self._heartbeats))
        stack.callback(watchdog.cancel)
        self._notifier.ready(f"{len(config.cameras)} cameras, {len(config.gates)} gates, {self.address}")
        log.info("pod started; local page at %s", self.address)

    def _watch_clock(self) -> ClockWatch:
        """Judge the clock before the first row is dated by it."""
        newest = self._store.wait_for(self._store.submit(newest_believable), START_ROW_TIMEOUT_S)
        was_doubted = self._store.wait_for(self._store.submit(is_doubted), START_ROW_TIMEOUT_S)
        watch = ClockWatch(
            ClockTrust(newest=newest, needs_sync=self.config.site.clock == "ntp"),
            note=lambda row: self._notes.note("clock", row),
            alarms=self.alarms,
            was_doubted=was_doubted,
        )
        watch.look()
        return watch

    def _gate_parts(self, data_dir: Path) -> GateParts:
        return GateParts(
            gates=self.config.gates,
            data_dir=data_dir,
            store=self._store,
            clock=self._clock,
            alarms=self.alarms,
            heartbeats=self._heartbeats,
            on_state=self._notes.gate,
            on_fact=self._notes.gate_fact,
            on_fault=self._break,
        )

    def _camera_parts(self, models: Models) -> CameraParts:
        config = self.config
        named = f"{models.detector.name}, {models.recognizer.name}"
        return CameraParts(
            config=config,
            models=models,
            store=self._store,
            site=Site(config.site.id, zone_of(config.site.time_zone), named),
            clock=self._clock,
            policy=policy_of(config.access, config.site),
            opens_unrecorded={gate.name: gate.on_store_failure == "open" for gate in config.gates},
            metrics=self.metrics,
            pictures=self._media.pictures,
            clips=self._media.clips,
            publish=self._broadcast.publish,
            on_fault=self._break,
        )

    def _start_camera(self, camera: CameraConfig, parts: CameraParts) -> None:
        gate = self._gates.controllers[camera.gate]
        beat = self._heartbeats.register(
            f"camera {camera.name}",
            LOOP_SILENCE_S + self.config.store.commit_timeout_ms / 1000 + gate.longest_answer_s,
        )
        slot = self._slots[camera.name] = LatestFrame()
        source, loop = camera_parts(
            parts,
            camera,
            slot,
            gate=gate,
            served=self._gates.served[camera.gate],
            beat=beat.beat,
            on_state=lambda state: self._notes.camera(camera.name, state),
        )
        self._probes.append(camera_probe(camera.name, source))
        self._cameras.append((source, loop))
        loop.start()
        source.start()

    async def _stop_cameras(self) -> None:
        """All at once: a camera that does not answer costs its own time only."""
        async with asyncio.TaskGroup() as stopping:
            for source, loop in self._cameras:
                stopping.create_task(asyncio.to_thread(source.stop), name="stop a source")
                stopping.create_task(asyncio.to_thread(loop.stop), name="stop a decision loop")

    async def _start_live(self, data_dir: Path) -> WatchingPart:
        """Live video, and who may watch it; the gates do without either."""
        sources = [source for source, _ in self._cameras]
        live = self._live = start_live(self.config, sources, metrics=self.metrics, stack=self._stack)
        if live is None:
            return WatchingPart(None, WHY_NONE)
        part = await asyncio.to_thread(
            watching_part,
            live,
            self.config,
            data_dir,
            clock=self._clock,
            note=self._notes.note,
            metrics=self.metrics,
        )
        self._probes += [live_probe(live), part.probe]
        return part

    def _sync_parts(self, data_dir: Path, models: Models, opener: OpenCommands) -> SyncParts:
        return SyncParts(
            data_dir=data_dir,
            store=self._store,
            opener=opener,
            clock=self._clock,
            cameras={
                camera.name: source
                for camera, (source, _) in zip(self.config.cameras, self._cameras, strict=True)
            },
            health=self.health,
            live=self._live,
            versions={
                "program": version(),
                "detector": models.detector.name,
                "recognizer": models.recognizer.name,
            },
            note=self._notes.note,
            metrics=self.metrics,
        )

    async def _start_web(self, data_dir: Path, watching: WatchingPart, opener: OpenCommands) -> None:
        config = self.config
        reader = await self._stack.enter_async_context(await AuditReader.open(data_dir / FILE_NAME))
        certificate = await asyncio.to_thread(certificate_of, config.web, data_dir)
        self._scheme = "http" if certificate is None else "https"
        parts = PageParts(
            config=config,
            origin=self._origin,
            store=self._store,
            gates=self._gates.controllers,
            opener=opener,
            alarms=self.alarms,
            health=self.health,
            listen=self.listen,
            metrics=self.metrics,
            media=self._media.kept,
            stills=Stills(self._slots, self._masks),
            now=self._believable_now,
            watching=watching.watching,
            why_not_watching=watching.why_not,
            note=self._notes.note,
        )
        view = page_view(parts, reader, certificate)
        await asyncio.to_thread(AdminPassword(data_dir).ensure)
        sign_in = SignIn(data_dir, secure=certificate is not None, record=view.record)
        app = create_app(view, sign_in, names=config.web.names, origins=config.live.origins)
        server = WebServer(app, self._listener, certificate=certificate)
        serving = self._serve("web", supervise("web", server.serve, transient=(OSError,)))

        async def stop_serving() -> None:
            server.stop()
            _, hanging = await asyncio.wait([serving], timeout=WEB_STOP_TIMEOUT_S)
            for task in hanging:
                task.cancel()

        self._stack.push_async_callback(stop_serving)

    def _serve(self, name: str, service: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run a service until the stack ends it; a bug in it ends the pod."""

        def ended(task: asyncio.Task[None]) -> None:
            if task.cancelled() or self._finished.done():
                return
            error = task.exception() or RuntimeError(f"the {name} service ended by itself")
            self._finished.set_exception(error)

        task = asyncio.create_task(service, name=name)
        task.add_done_callback(ended)
        return task

    def _break(self, error: Exception) -> None:
        """A part met a bug: end the pod, so that its supervisor starts it afresh, the gates at rest."""

        def end() -> None:
            if not self._finished.done():
                self._finished.set_exception(error)

        self._finished.get_loop().call_soon_threadsafe(end)

    def _believable_now(self) -> datetime | None:
        moment = self._clock.look()
        return None if moment.doubt else moment.now

    def _started_row(self, models: Models) -> dict[str, object]:
        return {
            "version": version(),
            "detector": f"{models.detector.name} ({models.detector.provider})",
            "recognizer": f"{models.recognizer.name} ({models.recognizer.provider})",
            "cameras": [camera.name for camera in self.config.cameras],
            "gates": [gate.name for gate in self.config.gates],
            "list_version": self._store.plates.current.version,
        }

    def _record_stop(self) -> None:
        try:
            stopped = self._store.record("pod_stopped", {"version": version()})
            self._store.wait_for(stopped, STOP_ROW_TIMEOUT_S)
        except StoreError as error:
            log.error("the stop was not recorded: %s", error)


def run(config: PodConfig, origin: Origin | None = None) -> int:
    """Run a POD until SIGTERM or SIGINT. Returns the process's exit status."""
    return asyncio.run(_run(config, origin))


async def _run(config: PodConfig, origin: Origin | None) -> int:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    faulthandler.enable()  # the watchdog's SIGABRT then leaves every thread's stack in the journal
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    pod = Pod(config, origin)
    for number in (signal.SIGTERM, signal.SIGINT):
        # Before the start: told to stop while it starts, it stops in order once it has.
        asyncio.get_running_loop().add_signal_handler(number, pod.stop)
    async with pod:
        spare_what_stays()
        await pod.finished()
    log.info("pod stopped; gates at rest")
    return 0
