"""What a POD needs to run, checked one by one: each finding says ok, warn or fail, and how to mend it."""

import errno
import fcntl
import os
import pwd
import queue
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pod.commands.doctor_gates import check_gates as check_gates
from pod.commands.finding import Finding as Finding
from pod.commands.finding import Status
from pod.config import CameraConfig, PodConfig, WebConfig
from pod.config_load import load_with_advice
from pod.domain.errors import ConfigError
from pod.runtime.clock_sync import is_clock_synchronised
from pod.runtime.instance_lock import LOCK_NAME
from pod.store.copies import FOLDER as COPIES
from pod.store.copies import find_copies
from pod.store.recovery import QUARANTINE
from pod.store.reserve import FILE_NAME as RESERVE_NAME
from pod.store.store import FILE_NAME
from pod.web.addresses import why_not_heard
from pod.web.tls import existing_certificate

MIN_FREE_MB = 200
GOOD_FREE_MB = 1000
CAMERA_TIMEOUT_S = 10.0
_NETWORK_FILESYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")


def examine_config(path: Path) -> tuple[PodConfig | None, list[Finding]]:
    """The configuration if it can be used, and a finding for every problem and advice."""
    try:
        loaded = load_with_advice(path)
    except ConfigError as error:
        return None, [Finding("config", "fail", line) for line in str(error).splitlines()]
    advice = [Finding("config", "warn", line) for line in loaded.advice]
    return loaded.config, advice or [Finding("config", "ok", f"{path} can be used")]


def examine(config: PodConfig) -> Iterator[Finding]:
    """Check the machine for one configuration. Opens every camera; no gate is pulsed."""
    yield from check_data_dir(Path(config.data_dir))
    yield from check_store(Path(config.data_dir))
    yield check_time_zone(config.site.time_zone)
    yield check_clock(is_clock_synchronised())
    yield from check_page(config.web.host, config.web.port, data_dir=Path(config.data_dir))
    yield from check_certificate(config.web, Path(config.data_dir))
    yield from check_models(config)
    yield from check_gates(config)
    yield from check_cameras(config.cameras)


def check_data_dir(folder: Path) -> Iterator[Finding]:
    """Whether the database can live there: a writable folder, space, a local disk."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    user = f"the user who runs the POD (now {_user_name()})"
    if not existing.is_dir():
        yield Finding("data_dir", "fail", f"{existing} is a file; name a folder or move the file away")
        return
    fault = _write_fault(existing)
    if fault is not None:
        mend = f"{existing} cannot be written ({fault}); make {folder} and give it to {user}"
        yield Finding("data_dir", "fail", mend)
    elif existing == folder:
        yield Finding("data_dir", "ok", f"{folder} can be written")
    else:
        yield Finding("data_dir", "ok", f"{folder} is made at the first start")
    kind = _filesystem(existing)
    if kind in _NETWORK_FILESYSTEMS:
        text = f"{folder} is on a network share ({kind}), where a database breaks; use a local disk"
        yield Finding("data_dir", "fail", text)
    yield _free_space(existing)


def _free_space(folder: Path) -> Finding:
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb >= GOOD_FREE_MB:
        return Finding("disk", "ok", f"{free_mb} MB free")
    status: Status = "warn" if free_mb >= MIN_FREE_MB else "fail"
    return Finding("disk", status, f"only {free_mb} MB free; clear up, {GOOD_FREE_MB} MB should be free")


def check_store(folder: Path) -> Iterator[Finding]:
    """Whether what guards the database is in place; nothing where there is none yet."""
    try:
        if not (folder / FILE_NAME).exists():
            return
        copies = find_copies(folder / COPIES)
        damaged = sorted(place.name for place in (folder / QUARANTINE).glob("*"))
        is_reserve_held = (folder / RESERVE_NAME).exists()
    except OSError:
        return  # told by the check of the directory
    if copies:
        yield Finding("store", "ok", f"last good copy of {copies[0].at:%Y-%m-%d %H:%M} UTC")
    else:
        yield Finding("store", "warn", "no good copy of the database; a POD makes one as it starts")
    if not is_reserve_held:
        text = "no disk space is held back for the database; free space, then the POD takes its reserve"
        yield Finding("store", "warn", text)
    if damaged:
        text = f"{len(damaged)} replaced databases lie in {folder / QUARANTINE}, the last is {damaged[-1]}"
        yield Finding("store", "warn", f"{text}; find what damaged it, then delete what you need no more")


def check_time_zone(zone: str | None) -> Finding:
    """Whether schedules have a zone of their own."""
    if zone is not None:
        return Finding("time zone", "ok", zone)
    return Finding(
        "time zone", "warn", "the machine's own is used; set site.time_zone, such as Europe/Berlin"
    )


def check_clock(is_synchronised: bool | None) -> Finding:
    """Whether the audit's times, and expiry, can be trusted."""
    if is_synchronised:
        return Finding("clock", "ok", "synchronised")
    mend = "turn on a time service: timedatectl set-ntp true"
    if is_synchronised is None:
        return Finding("clock", "warn", f"this machine does not tell whether its clock is right; {mend}")
    return Finding("clock", "warn", f"not synchronised; {mend}")


def check_page(host: str, port: int, *, data_dir: Path) -> Iterator[Finding]:
    """Whether the local page can have its port."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _is_pod_running(data_dir):
            yield Finding("page", "warn", f"port {port} is taken, as it should be while this POD runs")
        else:
            yield Finding("page", "fail", why_not_heard(error, host, port))
        return
    yield Finding("page", "ok", f"port {port} is free on {host}" if port else "takes a free port")


def check_certificate(web: WebConfig, data_dir: Path) -> Iterator[Finding]:
    """Whether the page has a usable certificate, where it is served over TLS; makes none."""
    try:
        certificate = existing_certificate(web, data_dir)
    except ConfigError as error:
        yield Finding("page", "fail", str(error))
        return
    if certificate is not None:
        left = certificate.expires_at - datetime.now(UTC)
        if left < timedelta(days=30):
            text = f"its certificate ends on {certificate.expires_at:%d %B %Y}; give it a new one"
            yield Finding("page", "fail" if left < timedelta(0) else "warn", text)
        yield Finding("page", "ok", f"certificate SHA-256 {certificate.fingerprint}")
    elif web.is_open_to_lan:
        yield Finding("page", "ok", "open to the network; its certificate is made at the first start")


def check_models(config: PodConfig) -> Iterator[Finding]:
    """Whether both models are whole and read the reference picture here."""
    from models import registry
    from pod.vision.pipeline import open_models

    faults: list[str] = []
    wanted: tuple[tuple[str, registry.Task], ...] = (
        (config.vision.detector, "detector"),
        (config.vision.recognizer, "recognizer"),
    )
    whole: dict[str, str] = {}
    for name, task in wanted:
        try:
            manifest = registry.load(name, task, store=config.vision.store)
            registry.verify(manifest)
        except registry.ModelError as error:
            faults.append(str(error))
        else:
            whole[manifest.name] = (
                f"SHA-256 {manifest.sha256[:12]} as it should be"
                if manifest.sha256
                else "no checksum to compare with; pin it with platebridge models import"
            )
    if not faults:
        try:
            opened = open_models(config.vision)
        except registry.ModelError as error:
            faults.append(str(error))
        else:
            for model in (opened.detector, opened.recognizer):
                yield Finding("models", "ok", f"{model.name} on {model.provider}, {whole[model.name]}")
    yield from (Finding("models", "fail", fault) for fault in faults)


def check_cameras(cameras: tuple[CameraConfig, ...]) -> Iterator[Finding]:
    """Whether each camera gives a picture within `CAMERA_TIMEOUT_S`; all are asked at once."""
    with ThreadPoolExecutor(max_workers=min(len(cameras), 8), thread_name_prefix="doctor-camera") as pool:
        yield from pool.map(check_camera, cameras)


def check_camera(camera: CameraConfig, timeout_s: float = CAMERA_TIMEOUT_S) -> Finding:
    """Whether one camera gives a picture; its own words where it does not."""
    from pod.media.fanout import AccessUnitFanout
    from pod.media.slot import LatestFrame
    from pod.media.source import CameraSource
    from pod.media.state import CameraState

    states: queue.SimpleQueue[CameraState] = queue.SimpleQueue()
    slot = LatestFrame()
    source = CameraSource(camera, slot, AccessUnitFanout(), on_state=states.put)
    source.start()
    deadline_s = time.monotonic() + timeout_s
    try:
        while (state := states.get(timeout=max(0.0, deadline_s - time.monotonic()))).kind == "connecting":
            pass
    except queue.Empty:
        mend = f"no picture within {timeout_s:.0f} s; check its address, network and power"
        return Finding("cameras", "fail", f"{camera.name}: {mend}")
    finally:
        source.stop(2.0)
    frame = slot.take(0.0)
    size = f"{frame.width}x{frame.height}" if frame is not None else "a picture"
    if state.kind == "playing":
        return Finding("cameras", "ok", f"{camera.name}: {size}")
    status: Status = "warn" if state.kind == "stale" else "fail"
    return Finding("cameras", status, f"{camera.name}: {state.text}")


def _is_pod_running(data_dir: Path) -> bool:
    try:
        with (data_dir / LOCK_NAME).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _write_fault(folder: Path) -> str | None:
    """Why nothing can be written there; None when it can. Leaves nothing behind."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or "unknown error"


def _filesystem(folder: Path) -> str:
    """Kind of the filesystem that holds a folder, as in /proc/mounts; "" where that is not known."""
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    real = folder.resolve()
    best, kind = "", ""
    for mount in mounts:
        _, point, found, *_ = mount.split(" ")
        point = point.replace("\\040", " ")
        if real.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def _user_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
