"""The POD's own RTSP session against a real server, and against cameras that do what no real one does."""

import struct
import time
from dataclasses import replace
from pathlib import Path

import pytest
from camera_fixtures import QUICK, Watched, needs_gstreamer, until, write_clip
from rtsp_stream import (
    FPS,
    SSRC,
    BreakOff,
    WrittenCamera,
    answer,
    interleaved,
    parameter_sets,
    pictures,
    playing_on,
    rtp_of,
    sdp,
    without_parameter_sets,
)

from models.render.camera_process import CameraProcess
from pod.media.nal import NalCodec, nal_units, rules_of
from pod.media.packets import PacketBatch, VideoPacket
from pod.media.parameter_sets import has_parameter_sets
from pod.media.timing import RtspTiming
from pod.services.health import Status
from pod.services.probes import camera_probe

HASTY = replace(QUICK, rtsp=RtspTiming(connect_s=1.0, open_s=3.0, silence_s=0.7), late_s=0.7)
PATIENT = replace(QUICK, rtsp=RtspTiming(connect_s=1.0, open_s=3.0, silence_s=5.0), no_picture_s=8.0)


def listening(watched: Watched) -> list[PacketBatch]:
    batches: list[PacketBatch] = []
    watched.source.packets.subscribe(batches.append)
    return batches


def packets_of(batches: list[PacketBatch]) -> list[VideoPacket]:
    return [packet for batch in batches for packet in batch.packets]


def path_of(watched: Watched) -> str | None:
    return None if watched.source.facts is None else watched.source.facts.path


@needs_gstreamer
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_viewers_get_every_packet_of_a_real_server_from_a_keyframe_on(
    codec: NalCodec, tmp_path: Path
) -> None:
    encoder = "libx264" if codec == "h264" else "libx265"
    clip = write_clip(tmp_path / "clip.mp4", 25, codec=encoder, size=(480, 360))
    with CameraProcess({"gate": [clip]}) as camera:
        watched = Watched(camera.url("gate"))
        batches = listening(watched)
        units = watched.fanout.subscribe(1000)
        with watched:
            watched.until_frames(30)
            facts = watched.source.facts
        read = list(iter(lambda: units.take(0.0), None))
    packets = packets_of(batches)
    rules = rules_of(codec)
    slices = sum(rules.kind(nal) in rules.slices for unit in read for nal in nal_units(unit.data))
    assert packets[0].starts_keyframe
    assert sum(packet.marker for packet in packets) == len(read)
    assert slices >= len(read)
    assert {batch.session for batch in batches} == {1}
    assert {batch.codec for batch in batches} == {codec}
    assert facts is not None
    assert (facts.path, facts.codec, facts.width, facts.height) == ("native", codec, 480, 360)
    assert facts.has_b_frames is not True


def test_a_picture_is_decoded_before_the_camera_sends_the_next_one() -> None:
    """libav's parser holds each picture until the next one begins; read natively none waits."""
    units = pictures(2)
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, timing=PATIENT) as watched:
        camera.send(b"".join(map(interleaved, rtp_of(units[:1]))))
        until(lambda: watched.source.counters.frames_undated == 1, timeout_s=2)
        assert watched.source.counters.units == 1


def test_a_camera_that_drops_to_one_frame_a_second_is_read_without_a_frames_delay() -> None:
    units = pictures()
    limit_s = 1.5
    with (
        WrittenCamera(sdp(units)) as camera,
        Watched(camera.url, timing=PATIENT, freshness_limit_s=limit_s) as watched,
        playing_on(camera, units, fps=1),
    ):
        watched.until_frames(3, timeout_s=15)
        ages_s = [at_s - f.captured_s for at_s, f in zip(watched.taken_s, watched.frames, strict=False)]
    assert watched.reasons == ["playing"]
    assert max(ages_s) < 0.5


def test_announced_parameter_sets_make_a_camera_without_its_own_playable_for_decoder_and_viewers() -> None:
    units = pictures()
    bare = [without_parameter_sets(unit) for unit in units]
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, timing=PATIENT) as watched:
        batches = listening(watched)
        reader = watched.fanout.subscribe(100)
        with playing_on(camera, bare):
            watched.until_frames(10)
            first = reader.take(1)
    assert first is not None
    assert has_parameter_sets(first.data, "h264")
    start = next(packet for packet in packets_of(batches) if packet.starts_keyframe)
    assert start.payload == parameter_sets(units)[0]


def test_a_resolution_that_changes_goes_on_in_the_same_session_for_viewers_too() -> None:
    units = [*pictures(), *pictures(size=(320, 240))]
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, timing=PATIENT) as watched:
        batches = listening(watched)
        with playing_on(camera, units):
            until(lambda: {frame.width for frame in watched.frames} == {160, 320})
            until(lambda: watched.source.facts is not None and watched.source.facts.width == 320)
    assert {batch.session for batch in batches} == {1}
    assert watched.source.counters.units_corrupt == 0


def test_lost_packets_cost_their_pictures_and_are_counted() -> None:
    units = pictures()
    packets = rtp_of(units * 5)
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, timing=PATIENT) as watched:
        batches = listening(watched)
        camera.send(b"".join(map(interleaved, packets[:-10] + packets[-8:])))
        until(lambda: watched.source.counters.units >= 47)
        counters = watched.source.counters
    assert counters.packets_lost == sum(batch.lost for batch in batches) == 2
    assert counters.units_corrupt >= 1


GARBAGE = (
    b"\x00\xff\x10" * 50,
    interleaved(b"\x80" * 30, 77) * 3,
    b"$\x00\x10\x00half a packet",
    b"RTSP/1.0 200 OK\r\nCSeq: 999\r\n\r\n",
)


def test_garbage_between_packets_is_survived_and_pictures_go_on() -> None:
    units = pictures()
    with (
        WrittenCamera(sdp(units)) as camera,
        Watched(camera.url, timing=PATIENT) as watched,
        playing_on(camera, units),
    ):
        for garbage in (b"", *GARBAGE):
            camera.send(garbage)
            watched.until_frames(len(watched.frames) + 5)
        assert watched.source.counters.sessions == 1


def test_garbage_without_end_ends_the_session_by_name() -> None:
    units = pictures()
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url) as watched:
        camera.send(b"\x01" * 600_000)
        assert "no valid stream" in watched.until_reason("failed:corrupt").text


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        pytest.param(lambda _, packet: b"\x40" + packet[1:], "silent", id="version"),
        pytest.param(lambda _, packet: packet[:1] + b"\x00" + packet[2:], "silent", id="payload-type"),
        pytest.param(lambda _, packet: packet[:2] + b"\x00\x07" + packet[4:], "silent", id="sequence-stands"),
        pytest.param(lambda _, packet: packet[:12] + b"\xff" + packet[13:], "silent", id="payload"),
        pytest.param(lambda _, packet: packet[:4] + bytes(4) + packet[8:], "late", id="timestamp-stands"),
    ],
)
def test_rtp_that_lies_ends_in_a_named_state_and_the_truth_after_it_plays(lie: object, reason: str) -> None:
    units = pictures()
    packets = rtp_of(units * 100)
    with (
        WrittenCamera(sdp(units)) as camera,
        Watched(camera.url, freshness_limit_s=0.5, timing=HASTY) as watched,
    ):
        stop_s = time.monotonic() + 15
        at = 0
        while f"failed:{reason}" not in watched.reasons and time.monotonic() < stop_s:
            camera.send(interleaved(lie(at, packets[at % len(packets)])))
            at += 1
            time.sleep(0.005)
        assert f"failed:{reason}" in watched.reasons
        shown = len(watched.frames)
        with playing_on(camera, units):
            until(lambda: len(watched.frames) > shown and watched.source.state.kind == "playing", 15)


def test_a_lie_in_a_report_makes_no_stale_frame_young_and_no_fresh_one_old() -> None:
    units = pictures()
    far = struct.pack("!BBHIQIII", 0x80, 200, 6, SSRC, 1 << 63, 0xF0000000, 0, 0)
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, timing=PATIENT) as watched:
        with playing_on(camera, units):
            watched.until_frames(3)
            for _ in range(5):
                camera.send(interleaved(far, 1))
            watched.until_frames(20)
            until(lambda: watched.source.counters.packets_refused == 5)
        ages_s = [at_s - f.captured_s for at_s, f in zip(watched.taken_s, watched.frames, strict=False)]
    assert watched.reasons == ["playing"]
    assert min(ages_s) > -0.1


def test_a_camera_whose_own_reports_say_that_its_pictures_are_old_is_stale_until_they_say_otherwise() -> None:
    """Its encoder hands out what it stored: nothing about the arrival shows it, only its reports do.

    It stays stale in its session: a new one would be believed until it has brought reports of its own.
    """
    units = pictures()
    started_s = time.monotonic()

    def reports(behind_s: float) -> bytes:
        at = round((time.monotonic() - started_s + behind_s) * 90_000)
        return interleaved(struct.pack("!BBHIQIII", 0x80, 200, 6, SSRC, 1 << 40, at, 0, 0), 1) * 2

    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, freshness_limit_s=1.0) as watched:
        assert camera.playing.wait(5)
        started_s = time.monotonic()
        with playing_on(camera, units):
            watched.until_frames(3)
            camera.send(reports(behind_s=4.0))
            assert "set its transport to libav" in watched.until_reason("stale:late").text
            late = watched.source.counters.units
            until(lambda: watched.source.counters.units > late + FPS * 2 * QUICK.late_s)
            assert watched.reasons[-1] == "stale:late"
            camera.send(reports(behind_s=0.0))
            until(lambda: watched.reasons[-1] == "playing")
        assert watched.source.counters.sessions == 1


def test_the_session_is_kept_alive_and_the_camera_told_how_packets_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pod.media.native_rtsp.REPORT_EVERY_S", 0.2)
    units = pictures()

    def answers(request: str) -> bytes | None:
        if request.startswith("SETUP"):
            return answer(request, headers="Session: 5;timeout=4\r\n")
        return None

    with (
        WrittenCamera(sdp(units), answers=answers) as camera,
        Watched(camera.url, timing=PATIENT) as watched,
        playing_on(camera, units),
    ):
        until(lambda: "GET_PARAMETER" in camera.methods() and len(camera.received) >= 2)
        assert watched.source.counters.sessions == 1
        assert camera.received[-1][1] == 201
        watched.source.stop()
        until(lambda: camera.methods()[-1] == "TEARDOWN")
    assert "Session: 5" in camera.requests[-1]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_camera_that_asks_for_digest_gets_the_right_answer(algorithm: str) -> None:
    units = pictures()

    def answers(request: str) -> bytes | None:
        if 'nonce="n1"' in request:
            return None
        challenge = f'WWW-Authenticate: Digest realm="x", nonce="n1", qop="auth", algorithm={algorithm}\r\n'
        return answer(request, "401 Unauthorized", headers=challenge)

    with (
        WrittenCamera(sdp(units), answers=answers) as camera,
        Watched(camera.url, username="gate", password="secret", timing=PATIENT) as watched,
        playing_on(camera, units),
    ):
        watched.until_frames(1)
    assert "secret" not in "".join(camera.requests)


def test_a_redirect_is_refused_with_where_it_leads_and_no_secret() -> None:
    def answers(request: str) -> bytes | None:
        if request.startswith("DESCRIBE"):
            return answer(request, "302 Found", headers="Location: rtsp://a:hidden@other/x\r\n")
        return None

    with WrittenCamera(sdp(), answers=answers) as camera, Watched(camera.url) as watched:
        text = watched.until_reason("failed:redirected").text
    assert "set the camera's url" in text
    assert "hidden" not in text


@pytest.mark.parametrize("part", [0.0, 0.1, 0.4, 0.9])
def test_an_rtsp_answer_that_breaks_off_anywhere_is_named(part: float) -> None:
    def answers(request: str) -> BreakOff | None:
        if not request.startswith("DESCRIBE"):
            return None
        whole = answer(request, body=sdp(pictures()))
        return BreakOff(whole[: round(len(whole) * part)])

    with WrittenCamera(sdp(pictures()), answers=answers) as camera, Watched(camera.url) as watched:
        until(lambda: watched.source.counters.attempts_failed > 1)
    assert watched.reasons == ["failed:refused"]


@pytest.mark.parametrize(
    ("transport", "reason"), [("native", "failed:not_native"), ("auto", "failed:silent")]
)
def test_what_the_native_session_cannot_read_goes_through_libav_only_where_that_may_be(
    transport: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    jpeg = sdp().replace("RTP/AVP 96", "RTP/AVP 26")
    with WrittenCamera(jpeg) as camera, Watched(camera.url, transport=transport) as watched:
        watched.until_reason(reason)
    told = [record.getMessage() for record in caplog.records]
    assert any("read through libav: its codec is JPEG" in text for text in told) == (transport == "auto")


def test_a_stream_that_shows_nothing_natively_is_tried_through_libav_and_the_state_says_so() -> None:
    """It sends nothing until the other way was tried, like a camera that minds something about the first."""
    units = pictures()
    with WrittenCamera(sdp(units)) as camera, Watched(camera.url, timing=HASTY) as watched:
        watched.until_reason("failed:silent")
        with playing_on(camera, units):
            state = watched.until_reason("playing")
            assert "through libav: read natively it gave no picture (silent)" in state.text
            assert path_of(watched) == "libav"


def test_a_camera_that_never_sends_a_keyframe_is_read_through_libav_and_state_log_and_health_say_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    units = pictures(30, gop=10, intra_refresh=True)
    with (
        WrittenCamera(sdp(units)) as camera,
        Watched(camera.url, timing=HASTY) as watched,
        playing_on(camera, units[10:]),
    ):
        watched.until_reason("failed:undecodable")
        state = watched.until_reason("playing")
        watched.until_frames(10)
        assert path_of(watched) == "libav"
        health = camera_probe("gate", watched.source)()
    told = "read natively it gave no picture (undecodable)"
    assert told in state.text
    assert (health.status, told in health.sentence) == (Status.OK, True)
    assert any(told in record.getMessage() for record in caplog.records)


@needs_gstreamer
def test_packets_are_made_of_units_where_libav_reads_the_camera(tmp_path: Path) -> None:
    with CameraProcess({"gate": [write_clip(tmp_path / "clip.mp4", 50)]}) as camera:
        watched = Watched(camera.url("gate"), transport="libav")
        batches = listening(watched)
        with watched:
            watched.until_frames(30)
            assert path_of(watched) == "libav"
    packets = packets_of(batches)
    assert packets[0].starts_keyframe
    assert max(len(packet.payload) for packet in packets) <= 1200
    assert len({packet.timestamp for packet in packets}) == sum(packet.marker for packet in packets)
