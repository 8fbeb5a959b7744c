"""Live video's figures for Prometheus, read where they are kept at each scrape."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pod.media.live.service import LiveVideo

_OF_VIEWERS = {
    "sent_bytes": "Video sent to viewers",
    "sent_packets": "Packets sent to viewers",
    "lost_packets": "Packets that viewers report as lost",
    "nacks": "Packets that viewers asked for again",
    "repeated_packets": "Packets that were sent again to viewers who asked",
    "keyframes_wanted": "Times a viewer could not go on without a keyframe",
    "refused_packets": "Packets for viewers that this machine's network did not take",
    "strange_packets": "Packets that came to a viewer's session, and that no viewer sends",
    "skips": "Times a viewer was too slow and went on at the next keyframe",
}
"""Attributes of `CameraTotals`, and what they count."""

_OF_RELAYS = {
    "dropped_packets": "Packets of the camera that live video was too slow for",
    "long_gops": "Times the pictures since a keyframe were too many or too large to be kept for who joins",
    "encode_skipped_units": "Pictures of the camera that encoding anew could not keep up with",
    "encode_corrupt_units": "Pictures of the camera that could not be decoded to be encoded anew",
}
"""Attributes of `RelayCounts`, and what they count."""


class LiveFigures(Collector):
    """Register it with the POD's registry."""

    def __init__(self, live: LiveVideo) -> None:
        self._live = live

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        viewers = GaugeMetricFamily(
            "platebridge_live_viewers",
            "Viewers of live video now, by camera and state: connecting, playing",
            labels=["camera", "state"],
        )
        paths = GaugeMetricFamily(
            "platebridge_live_paths",
            "Viewers that video goes to now, by camera, way (direct, relayed to the viewer by a TURN server, "
            "relayed_by_pod) and whether the kernel cuts the datagrams (offload)",
            labels=["camera", "path", "offload"],
        )
        sessions = self._live.sessions()
        now = Counter((session.camera, session.state) for session in sessions)
        ways = Counter((one.camera, one.path, one.offload) for one in sessions if one.path is not None)
        for camera in self._live.cameras:
            for state in ("connecting", "playing"):
                viewers.add_metric((camera, state), now[camera, state])
        for (camera, path, offload), count in ways.items():
            paths.add_metric((camera, path, "yes" if offload else "no"), count)
        yield viewers
        yield paths
        yield from self._totals()
        yield GaugeMetricFamily(
            "platebridge_live_servers_in_trouble",
            "STUN and TURN servers that do not do what they should; health says which and why",
            value=len(self._live.server_troubles),
        )
        offers = CounterMetricFamily(
            "platebridge_live_offers",
            "Offers of viewers by what became of them: answered, or why not",
            labels=["outcome"],
        )
        for outcome, count in self._live.offers().items():
            offers.add_metric((outcome,), count)
        yield offers
        yield CounterMetricFamily(
            "platebridge_live_faults",
            "Faults that live video met; each ended at most the sessions it was met in",
            value=self._live.faults,
        )

    def _totals(self) -> Iterator[CounterMetricFamily]:
        for name, text in _OF_VIEWERS.items():
            family = CounterMetricFamily(f"platebridge_live_{name}", f"{text}, by camera", labels=["camera"])
            for camera, totals in self._live.totals().items():
                family.add_metric((camera,), getattr(totals, name))
            yield family
        for name, text in _OF_RELAYS.items():
            family = CounterMetricFamily(f"platebridge_live_{name}", f"{text}, by camera", labels=["camera"])
            for camera, counts in self._live.relays().items():
                family.add_metric((camera,), getattr(counts, name))
            yield family
        ended = CounterMetricFamily(
            "platebridge_live_sessions_ended",
            "Sessions that ended, by camera and why",
            labels=["camera", "reason"],
        )
        for camera, totals in self._live.totals().items():
            for reason, count in totals.ended.items():
                ended.add_metric((camera, reason), count)
        yield ended
