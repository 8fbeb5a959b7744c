#!/usr/bin/python3
"""A camera for tests, the demo and benchmarks: serves clips over RTSP, in real time and without end.

Runs under the system's python3, which has PyGObject and GStreamer's RTSP server:

    rtsp_camera.py --port 0 gate=day.mp4 wall=day.mp4,night.mp4

serves rtsp://127.0.0.1:PORT/gate and /wall; a list of clips is played in turn, over and over, with timestamps
that never jump back. When it listens it prints one line, {"ready": true, "port": PORT}. The clips are MP4
with H.264 or H.265, without B-frames.
"""

import argparse
import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402  the versions must be required first

PARSERS = {"video/x-h264": "h264", "video/x-h265": "h265"}


@dataclass(frozen=True)
class Unit:
    """One access unit, Annex B; times in nanoseconds from the start of its clip."""

    data: bytes
    at_ns: int
    duration_ns: int
    keyframe: bool


def clip_codec(path: Path) -> str:
    """ "h264" or "h265", whichever the clip holds.

    Raises:
        SystemExit: it holds neither.
    """
    pipeline = Gst.parse_launch("filesrc name=file ! qtdemux name=demux")
    pipeline.get_by_name("file").set_property("location", str(path))
    found: list[str] = []
    pads = threading.Event()

    def on_pad(_demux: Any, pad: Any) -> None:
        name = pad.get_current_caps().get_structure(0).get_name()
        found.extend([PARSERS[name]] if name in PARSERS else [])

    demux = pipeline.get_by_name("demux")
    demux.connect("pad-added", on_pad)
    demux.connect("no-more-pads", lambda _demux: pads.set())
    pipeline.set_state(Gst.State.PLAYING)
    pads.wait(10)
    pipeline.set_state(Gst.State.NULL)
    if not found:
        sys.exit(f"{path}: no H.264 or H.265 video in an MP4 file")
    return found[0]


def read_units(path: Path, codec: str) -> list[Unit]:
    """Every access unit of a clip, in order, parameter sets before each keyframe."""
    pipeline = Gst.parse_launch(
        f"filesrc name=file ! qtdemux ! {codec}parse config-interval=-1"
        f" ! video/x-{codec},stream-format=byte-stream,alignment=au ! appsink name=sink sync=false"
    )
    pipeline.get_by_name("file").set_property("location", str(path))
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    samples: list[tuple[bytes, int, int, bool]] = []
    while (sample := sink.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        data = buffer.extract_dup(0, buffer.get_size())
        samples.append((data, buffer.pts, buffer.duration, not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
    pipeline.set_state(Gst.State.NULL)
    if not samples:
        sys.exit(f"{path}: no access unit could be read")
    start_ns = samples[0][1]
    return [Unit(data, pts - start_ns, duration, keyframe) for data, pts, duration, keyframe in samples]


class Clip(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]  # the base has no type information
    """One mount point: all its viewers share one play-out."""

    def __init__(self, name: str, paths: list[Path], *, log: TextIO | None) -> None:
        super().__init__()
        codecs = {clip_codec(path) for path in paths}
        if len(codecs) > 1:
            sys.exit(f"{name}: its clips must share one codec")
        codec = codecs.pop()
        self._name = name
        self._clips = [read_units(path, codec) for path in paths]
        self._log = log
        self.set_shared(True)
        self.set_launch(
            f"( appsrc name=source is-live=true format=time block=false"
            f" caps=video/x-{codec},stream-format=byte-stream,alignment=au"
            f" ! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=0 aggregate-mode=zero-latency )"
        )
        self.connect("media-configure", self._on_media)

    def _on_media(self, _factory: Any, media: Any) -> None:
        source = media.get_element().get_child_by_name("source")
        stopped = threading.Event()
        media.connect("unprepared", lambda _media: stopped.set())
        threading.Thread(
            target=self._play, args=(source, stopped), name=f"play-{self._name}", daemon=True
        ).start()

    def _play(self, source: Any, stopped: threading.Event) -> None:
        started_ns = time.monotonic_ns()
        clip_start_ns = frame = 0
        while True:
            for units in self._clips:
                for unit in units:
                    at_ns = clip_start_ns + unit.at_ns
                    if stopped.wait(max(0, started_ns + at_ns - time.monotonic_ns()) / 1e9):
                        return
                    buffer = Gst.Buffer.new_wrapped(unit.data)
                    buffer.pts = buffer.dts = at_ns
                    buffer.duration = unit.duration_ns
                    if not unit.keyframe:
                        buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
                    self._note(frame)
                    if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                        return
                    frame += 1
                clip_start_ns += units[-1].at_ns + units[-1].duration_ns

    def _note(self, frame: int) -> None:
        if self._log is not None:
            line = {"mount": self._name, "frame": frame, "sent_mono_ns": time.monotonic_ns()}
            self._log.write(json.dumps(line) + "\n")


def login_required(factories: list[Clip], user: str, *, password: str, method: str) -> Any:
    """What the server asks before it lets in `user`, and nobody else, by Basic or Digest."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    return auth


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mounts", nargs="+", metavar="NAME=CLIP[,CLIP...]")
    parser.add_argument("--port", default=8554, type=int, help="TCP port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--auth", choices=("basic", "digest"), help="ask for a login; needs --user")
    parser.add_argument("--user", help="the only user; the password is the first line of standard input")
    parser.add_argument(
        "--log", type=Path, help="append one JSON line per frame sent: mount, frame, sent_mono_ns"
    )
    parser.add_argument(
        "--tls", type=Path, help="PEM file of certificate and key: serve rtsps://; needs --auth"
    )
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input is closed")
    arguments = parser.parse_args()
    if (arguments.auth is None) != (arguments.user is None):
        parser.error("--auth and --user go together")
    if arguments.tls is not None and arguments.auth is None:
        parser.error("--tls needs --auth")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    Gst.init(None)
    log = arguments.log.open("a", buffering=1) if arguments.log else None
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    factories = []
    for mount in arguments.mounts:
        name, _, paths = mount.partition("=")
        factory = Clip(name, [Path(path) for path in paths.split(",")], log=log)
        server.get_mount_points().add_factory(f"/{name}", factory)
        factories.append(factory)
    if arguments.user is not None:
        password = sys.stdin.readline().rstrip("\n")
        auth = login_required(factories, arguments.user, password=password, method=arguments.auth)
        if arguments.tls is not None:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(str(arguments.tls)))
        server.set_auth(auth)
    if server.attach(None) == 0:
        sys.exit(
            f"port {arguments.port} on 127.0.0.1 is taken: choose another with --port, or 0 for a free one"
        )
    print(json.dumps({"ready": True, "port": server.get_bound_port()}), flush=True)
    loop = GLib.MainLoop()
    if arguments.end_with_stdin:
        threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), name="stdin", daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
