"""The local page before a real store and kept pictures, without cameras: served from this process."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

from clip_files import keep_clip, units_of
from PIL import Image, ImageDraw
from prometheus_client import CollectorRegistry

from pod.domain.errors import StoreError
from pod.domain.history import ApproachRecord, AuditEvent
from pod.media.clips.seal import seal
from pod.runtime.broadcast import Broadcast, Event
from pod.services.health import Health, PartHealth, Status
from pod.services.open_command import OpenCommands
from pod.store.car_search import CarQuery, rows_of, search
from pod.store.media import MediaStore
from pod.store.moments import to_us
from pod.store.store import FILE_NAME, Store
from pod.web.admin_password import AdminPassword
from pod.web.page import create_app
from pod.web.server import WebServer, bind
from pod.web.shared_links import SharedLinks
from pod.web.sign_in import SignIn
from pod.web.sign_in_link import SignInLink
from pod.web.view import CameraView, GateView, PodView

ZONE = ZoneInfo("Europe/Berlin")

EVIDENCE = [
    [["A", 0.998]],
    [["B", 0.97], ["8", 0.03]],
    [["1", 0.999]],
    [["2", 0.62], ["Z", 0.36], ["7", 0.015]],
    [["3", 0.99]],
    [["C", 0.999]],
    [["D", 0.93], ["0", 0.05]],
    [["_", 0.9999]],
    [["_", 0.9999]],
    [["_", 0.9999]],
]


class ServedPage:
    """`with ServedPage(folder) as served:` serves the page at `served.address`.

    Attributes:
        now: the time that new audit rows get; moved on by whoever writes them.
        noted: what somebody did, for the audit: kind and row.
        broken: what reading the records raises, while set.
    """

    def __init__(
        self, folder: Path, *, gates: Sequence[str] = ("main",), cameras: Sequence[str] = ("entry",)
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.now = datetime.now(UTC)
        self.broken: StoreError | None = None
        self.noted: list[tuple[str, dict[str, object]]] = []
        self._gates, self._cameras = gates, cameras

    def __enter__(self) -> Self:
        path = self.folder / FILE_NAME
        self.store = Store.open(path, now_us=lambda: to_us(self.now))
        self.media = MediaStore(
            self.folder / "media", self.store, quota_bytes=2**26, min_free_bytes=0, seal=seal
        )
        AdminPassword(self.folder).ensure()
        self._listener = bind("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="served page")
        self._thread.start()
        assert self._started.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join(20)
        self._listener.close()
        self.store.close()

    def sign_in_path(self) -> str:
        """Where a browser signs in, once."""
        return f"/signin?token={SignInLink(self.folder).make()}"

    def car(
        self, approach: str, *rows: dict[str, object], pictures: bool = True, known: bool = False
    ) -> None:
        """Write the rows of one car, a second apart, with pictures of it, and tell the pages."""
        for revision, facts in enumerate(rows, 1):
            kind = str(facts.get("kind", "decision"))
            row = {
                "approach": approach,
                "revision": revision,
                "camera": "entry",
                "gate": "main",
                "plate": "AB123CD",
                "verdict": "deny",
                "reason": "not_listed",
                "confidence": 0.62,
                "frames": 5,
                "evidence": EVIDENCE,
                "list_version": 12,
                "rules": "3f9a1c",
                "models": {"detector": "plates-v0", "recognizer": "ocr-v0"},
            } | {name: value for name, value in facts.items() if name != "kind"}
            self.now += timedelta(seconds=1)
            self.store.record(kind, row).result(10)
        if pictures:
            pair = {"scene": a_scene(str(row["plate"])), "plate": a_plate(str(row["plate"]))}
            self.media.keep(approach, 1, camera="entry", at=self.now, known=known, pictures=pair)
        self._loop.call_soon_threadsafe(self._broadcast.publish, {"kind": kind, **row})

    def clip(self, approach: str, video: Path, *, plate_at_s: float = 1.0) -> None:
        """Keep a clip of one car: the coded pictures of a video file."""
        keep_clip(self.media, approach, units_of(video), at=self.now, plate_at_s=plate_at_s)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._broadcast = Broadcast()
        path = self.folder / FILE_NAME

        async def recent(limit: int) -> Sequence[ApproachRecord]:
            if self.broken is not None:
                raise self.broken
            found = await asyncio.to_thread(search, path, CarQuery(), page=limit)
            return found.records

        async def approach(name: str) -> Sequence[AuditEvent]:
            if self.broken is not None:
                raise self.broken
            return await asyncio.to_thread(rows_of, path, name)

        def listen() -> AbstractContextManager[AsyncIterator[Event]]:
            return self._broadcast.listen()

        async def no_still(camera: str) -> bytes | None:
            return None

        view = PodView(
            site="Linden Court",
            time_zone=ZONE,
            version="0.0",
            health=lambda: Health((PartHealth("store", Status.OK, ""),)),
            alarms=tuple,
            recent=recent,
            approach=approach,
            search=lambda query: asyncio.to_thread(search, path, query),
            listen=listen,
            registry=CollectorRegistry(),
            plates=self.store.plates,
            gates=lambda: {name: GateView(name, "ready") for name in self._gates},
            opener=OpenCommands({}, self.store, publish=self._broadcast.publish),
            cameras=[CameraView(name, self._gates[0], "in") for name in self._cameras],
            still=no_still,
            media=self.media,
            links=SharedLinks(self.folder, now=lambda: datetime.now(UTC)),
            record=lambda kind, row: self.noted.append((kind, dict(row))),
        )
        sign_in = SignIn(self.folder, secure=False, record=view.record)
        self._server = WebServer(create_app(view, sign_in), self._listener)
        self._loop.call_soon(self._started.set)
        await self._server.serve()


def a_scene(plate: str) -> bytes:
    """A car before a gate, drawn, as JPEG."""
    picture = Image.new("RGB", (960, 540), "#7d8f86")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 340, 960, 540), fill="#5b5f63")
    draw.rounded_rectangle((300, 170, 680, 430), 40, fill="#2f4d7a")
    draw.rounded_rectangle((350, 190, 630, 280), 24, fill="#a9c3d6")
    draw.rectangle((420, 350, 560, 390), fill="#fdfdfb")
    draw.text((432, 352), plate, fill="#101418", font_size=28)
    return _jpeg(picture)


def a_plate(plate: str) -> bytes:
    """A plate alone, drawn, as JPEG."""
    picture = Image.new("RGB", (280, 70), "#fdfdfb")
    ImageDraw.Draw(picture).text((20, 8), plate, fill="#101418", font_size=48)
    return _jpeg(picture)


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()
