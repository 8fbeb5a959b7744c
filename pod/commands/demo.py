"""`platebridge demo`: a POD on embedded defaults before a camera that the project renders itself."""

import asyncio
import importlib.metadata
import json
import platform
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from models import registry
from pod.commands.demo_camera import DemoCamera, demo_camera
from pod.commands.demo_check import CheckResult
from pod.commands.demo_cloud import CloudCheck, cloud_folder, demo_cloud, join_cloud
from pod.commands.demo_list import write_demo_list
from pod.commands.demo_words import line_of
from pod.config import AccessConfig, CameraConfig, GateConfig, PodConfig, SiteConfig, VisionConfig, WebConfig
from pod.domain.errors import ConfigError
from pod.runtime.broadcast import Event
from pod.runtime.logs import configure_logging
from pod.services.health import Status
from pod.store.private_file import make_private_folder
from pod.store.store import FILE_NAME

CHECK_TIMEOUT_S = 90.0
CLOUD_CHECK_TIMEOUT_S = 180.0
PAGE_PORT = 8480
GATE, CAMERA = "main", "entrance"
_LOOK_EVERY_S = 0.1


def demo(
    video: Annotated[
        str | None,
        typer.Option(metavar="FILE|rtsp://...", help="Play this instead of the project's own clip."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Run until one car was let in and one was not, then print one JSON line.",
        ),
    ] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            help="Keep list and audit in this folder, made if need be; without it they are forgotten."
        ),
    ] = None,
    cloud: Annotated[
        bool,
        typer.Option(
            "--cloud",
            help="Run a cloud beside the POD: the first car that stays outside is put on the list there.",
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"Port of the local page: {PAGE_PORT}; 0 takes a free one."),
    ] = None,
) -> None:
    """Run a POD on a rendered gate camera, with nothing to set up: Ctrl-C ends it.

    The gate is simulated; the plates are read from the pictures alone.

    With --check it exits with 0 when a car was let in and another was not, with 1 when that did not happen
    within 90 s; progress goes to stderr. With --cloud it waits for a car that was turned away, was then put
    on the cloud's list and let in, and for the audit of that in the cloud, for up to 3 minutes.

    Example: platebridge demo --video rtsp://192.0.2.7/stream1
    """
    console = Console(stderr=check, highlight=False)
    configure_logging("human", "error" if check else "warning")
    # While the camera starts, before the POD has a handler of its own.
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        folder = data_dir or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="platebridge-demo-"))
        )
        _make(folder)
        camera = stack.enter_context(demo_camera(video, console=Console(stderr=True, highlight=False)))
        page_port = port if port is not None else 0 if check else PAGE_PORT
        config = demo_config(camera, folder, port=page_port)
        file = camera.url if camera.loop else None
        result = CheckResult(file)
        if cloud:
            beside = stack.enter_context(demo_cloud(stack.enter_context(cloud_folder(data_dir)), console))
            join_cloud(beside, folder, console)
            result = CloudCheck(file, beside, console)
        elif video is None and not write_demo_list(folder / FILE_NAME):
            # A path may hold brackets, which rich would take for markup: here and below.
            console.print(f"The access list in {folder} is kept as it is.", soft_wrap=True, markup=False)
        console.print(f"Starting; the camera plays over {'RTSP' if camera.source == 'rtsp' else 'its file'}.")
        timeout_s = CLOUD_CHECK_TIMEOUT_S if cloud else CHECK_TIMEOUT_S
        run_demo(config, console, check=check, timeout_s=timeout_s, result=result)
        if check:
            print(json.dumps(result.report(camera) | {"versions": _versions(config.vision)}), flush=True)
            raise typer.Exit(0 if result.complete else 1)


def _leave(number: int, frame: object) -> NoReturn:
    """End in order, so that the camera ends, too, and no folder stays behind."""
    sys.exit(128 + number)


def _make(folder: Path) -> None:
    """Where there is none: list and audit are personal data, so nobody else may look into it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        make_private_folder(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be made ({error.strerror}): name another folder under --data-dir"
        ) from error


def demo_config(
    camera: DemoCamera, folder: Path, *, port: int, vision: VisionConfig | None = None
) -> PodConfig:
    """Embedded defaults: one camera, one simulated gate, everything on this machine."""
    return PodConfig(
        data_dir=str(folder),
        site=SiteConfig(name="PlateBridge demo", clock="rtc"),  # a trial needs no time service
        cameras=(CameraConfig(name=CAMERA, url=camera.url, gate=GATE, direction="in", loop=camera.loop),),
        gates=(GateConfig(name=GATE, pause_s=5),),
        vision=vision or VisionConfig(),
        # The clip starts over within a minute; its cars are to be let in again.
        access=AccessConfig(reapproach_s=20),
        web=WebConfig(port=port),
    )


def _versions(vision: VisionConfig) -> dict[str, str]:
    packages = ("platebridge", "av", "onnxruntime")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "detector": registry.load(vision.detector, "detector", store=vision.store).name,
        "recognizer": registry.load(vision.recognizer, "recognizer", store=vision.store).name,
    }


def run_demo(
    config: PodConfig, console: Console, *, check: bool, timeout_s: float, result: CheckResult
) -> None:
    """Run the POD: until Ctrl-C or SIGTERM, or with `check` until the result is settled or time is up.

    Args:
        result: takes each event.
    """
    asyncio.run(_run(config, console, check=check, timeout_s=timeout_s, result=result))


async def _run(
    config: PodConfig, console: Console, *, check: bool, timeout_s: float, result: CheckResult
) -> None:
    from pod.app import (
        Pod,
    )  # not before: it takes a second to import, and a bad option should be told at once

    started_s = time.monotonic()

    def show(event: Event) -> None:
        line = line_of(event, datetime.now().astimezone().strftime("%H:%M:%S"))
        if line is not None:
            console.print(line, soft_wrap=True)

    async with Pod(config) as pod:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, pod.stop)
        console.print(
            f"Started in {time.monotonic() - started_s:.1f} s. Local page: {pod.address}", soft_wrap=True
        )
        if not check:
            console.print(
                f"Sign in by this link, which works once: {pod.sign_in_link()}", soft_wrap=True, markup=False
            )
            _hint(config, console)

        def take(event: Event) -> None:
            show(event)
            result.take(event)

        for part in pod.health().parts if check else ():
            # It may have failed before anybody listened.
            if part.part == f"camera {CAMERA}" and part.status is Status.FAILING:
                result.take_fault(part.sentence)
        if result.fault:
            pod.stop()

        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(pod.listen, take), name="demo events")
            settling = group.create_task(_until_settled(result, pod.stop), name="demo end") if check else None
            try:
                async with asyncio.timeout(timeout_s if check else None):
                    await pod.finished()
            except TimeoutError:
                console.print(f"[red]Not seen within {timeout_s:.0f} s:[/] {', '.join(result.missing)}.")
            finally:
                watching.cancel()
                if settling is not None:
                    settling.cancel()
        if result.fault:
            console.print(result.fault, style="red", soft_wrap=True, markup=False)


async def _until_settled(result: CheckResult, stop: Callable[[], None]) -> None:
    """End the POD once the result is; what happens in the cloud is no event of the POD's."""
    while not result.settled:  # noqa: ASYNC110  # it is settled on other threads, too
        await asyncio.sleep(_LOOK_EVERY_S)
    stop()


async def _watch(
    listen: Callable[[], AbstractContextManager[AsyncIterator[Event]]], take: Callable[[Event], None]
) -> None:
    """Hand on every event; listen again after having been too slow."""
    while True:
        with listen() as events:
            async for event in events:
                take(event)


def _hint(config: PodConfig, console: Console) -> None:
    console.print(
        f"The list: platebridge plates list --data-dir {config.data_dir}   "
        f"The audit: platebridge audit --data-dir {config.data_dir}   "
        f"Another link: platebridge pod password --link --data-dir {config.data_dir}",
        style="dim",
        soft_wrap=True,
        markup=False,
    )
    console.print("Ctrl-C ends the demo.\n", style="dim")
