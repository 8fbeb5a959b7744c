"""Live video's figures for Prometheus, read where they are kept at each scrape."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pod.media.live.service import LiveVideo


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
        named = {
            "sent_bytes": CounterMetricFamily(
                "platebridge_live_sent_bytes", "Video sent to viewers, by camera", labels=["camera"]
            ),
            "sent_packets": CounterMetricFamily(
                "platebridge_live_sent_packets", "Packets sent to viewers, by camera", labels=["camera"]
            ),
            "lost_packets": CounterMetricFamily(
                "platebridge_live_lost_packets",
                "Packets that viewers report as lost, by camera",
                labels=["camera"],
            ),
            "nacks": CounterMetricFamily(
                "platebridge_live_nacks", "Packets that viewers asked for again, by camera", labels=["camera"]
            ),
            "skips": CounterMetricFamily(
                "platebridge_live_skips",
                "Times a viewer was too slow and went on at the next keyframe, by camera",
                labels=["camera"],
            ),
        }
        ended = CounterMetricFamily(
            "platebridge_live_sessions_ended",
            "Sessions that ended, by camera and why",
            labels=["camera", "reason"],
        )
        for camera, totals in self._live.totals().items():
            for name, family in named.items():
                family.add_metric((camera,), getattr(totals, name))
            for reason, count in totals.ended.items():
                ended.add_metric((camera, reason), count)
        yield from named.values()
        yield ended
