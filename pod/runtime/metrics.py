"""The figures a POD publishes for Prometheus, each with its unit in the name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)


disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it unannotated


class PodMetrics:
    """One registry a POD, so that several PODs in one process (tests) never share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.frames = Counter(
            "platebridge_frames_total",
            "Frames by camera and what became of them: read, still (nothing moved), paced (too soon), stale, "
            "failed (a model could not be computed)",
            ["camera", "fate"],
            registry=self.registry,
        )
        self.no_plate = Counter(
            "platebridge_no_plate_total",
            "Places that the detector took for a plate and the recogniser did not, by camera",
            ["camera"],
            registry=self.registry,
        )
        self.decisions = Counter(
            "platebridge_decisions_total",
            "Decisions by camera, verdict and reason",
            ["camera", "verdict", "reason"],
            registry=self.registry,
        )
        self.pulses = Counter(
            "platebridge_gate_pulses_total",
            "Pulses by gate and result: pulsed, failed, refused",
            ["gate", "result"],
            registry=self.registry,
        )
        self.inference = Histogram(
            "platebridge_inference_seconds",
            "Time to find and read the plates of one frame",
            ["camera"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.open_latency = Histogram(
            "platebridge_open_latency_seconds",
            "From the moment a frame was captured to the gate's relay edge",
            ["camera"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.camera_up = Gauge(
            "platebridge_camera_up", "1 while a camera plays, else 0", ["camera"], registry=self.registry
        )
        self.store_errors = Counter(
            "platebridge_store_errors_total", "Rows that the store did not commit", registry=self.registry
        )
        self.pictures_kept = Counter(
            "platebridge_pictures_kept_total",
            "Pictures of cars kept on disk, by camera",
            ["camera"],
            registry=self.registry,
        )
        self.pictures_dropped = Counter(
            "platebridge_pictures_dropped_total",
            "Steps without a picture, by camera and why: queue_full, not_encoded, not_stored, stopped",
            ["camera", "reason"],
            registry=self.registry,
        )
        self.pictures_expired = Counter(
            "platebridge_pictures_expired_total",
            "Pictures deleted because of their age",
            registry=self.registry,
        )
        self.clips_kept = Counter(
            "platebridge_clips_kept_total",
            "Clips of cars kept on disk, by camera",
            ["camera"],
            registry=self.registry,
        )
        self.clips_lost = Counter(
            "platebridge_clips_lost_total",
            "Clips that are missing, or short, by camera and why: queue_full, too_many, no_keyframe, "
            "no_clip_of_this, not_stored, cut_short, deleted, fault",
            ["camera", "reason"],
            registry=self.registry,
        )
        self.rows_erased = Counter(
            "platebridge_audit_rows_erased_total",
            "Audit rows emptied because of their age, or again after an older copy was put back",
            registry=self.registry,
        )
        self.watch_refused = Counter(
            "platebridge_watch_refused_total",
            "Stream tokens that opened no live video, by why",
            ["reason"],
            registry=self.registry,
        )
        self._sources = _SourceCounters()
        self.registry.register(self._sources)

    def watch_source(self, camera: str, counters: Callable[[], Mapping[str, int]]) -> None:
        """Publish a camera source's own counters; they are asked for at each scrape."""
        self._sources.cameras[camera] = counters

    def watch_media(self, kept_bytes: Callable[[], int], evicted: Callable[[], int]) -> None:
        """Publish what the kept pictures hold; asked for at each scrape."""
        self.registry.register(_MediaFigures(kept_bytes, evicted))

    def watch_clips(self, held_bytes: Callable[[], int], units_dropped: Callable[[], int]) -> None:
        """Publish what is held in memory for clips to begin with; asked for at each scrape."""
        self.registry.register(_ClipFigures(held_bytes, units_dropped))

    def watch_sync(self, figures: "Callable[[], SyncFigures]") -> None:
        """Publish how it stands with the cloud; asked for at each scrape."""
        self.registry.register(_SyncCollector(figures))


@dataclass(frozen=True, slots=True)
class SyncFigures:
    """How a POD stands with its cloud.

    Attributes:
        is_reached: whether the cloud answers.
        confirmed_row: through which audit row it signed to have them.
        connections: made to brokers since the start.
        unusable: messages that could not be used since the start.
    """

    is_reached: bool
    confirmed_row: int
    connections: int
    unusable: int


class _SyncCollector(Collector):
    def __init__(self, figures: Callable[[], SyncFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        figures = self._figures()
        yield GaugeMetricFamily(
            "platebridge_cloud_up", "1 while the cloud answers, else 0", value=figures.is_reached
        )
        yield GaugeMetricFamily(
            "platebridge_cloud_confirmed_row",
            "Number of the audit row through which the cloud signed to have them",
            value=figures.confirmed_row,
        )
        yield CounterMetricFamily(
            "platebridge_broker_connections", "Connections made to brokers", value=figures.connections
        )
        yield CounterMetricFamily(
            "platebridge_cloud_messages_unusable",
            "Messages from the cloud's topics that could not be used",
            value=figures.unusable,
        )


class _MediaFigures(Collector):
    def __init__(self, kept_bytes: Callable[[], int], evicted: Callable[[], int]) -> None:
        self._kept_bytes, self._evicted = kept_bytes, evicted

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        yield GaugeMetricFamily(
            "platebridge_media_bytes", "What the kept pictures hold on disk", value=self._kept_bytes()
        )
        yield CounterMetricFamily(
            "platebridge_pictures_evicted",
            "Pictures deleted to make room for newer ones or for the database",
            value=self._evicted(),
        )


class _ClipFigures(Collector):
    def __init__(self, held_bytes: Callable[[], int], units_dropped: Callable[[], int]) -> None:
        self._held_bytes, self._units_dropped = held_bytes, units_dropped

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        yield GaugeMetricFamily(
            "platebridge_clip_ring_bytes",
            "What the newest coded pictures of all cameras hold in memory, for clips to begin with",
            value=self._held_bytes(),
        )
        yield CounterMetricFamily(
            "platebridge_clip_units_dropped",
            "Coded pictures missing in clips: the disk held their reader up, or there was too much of them",
            value=self._units_dropped(),
        )


class _SourceCounters(Collector):
    """Reads counters where they are kept instead of keeping them twice."""

    def __init__(self) -> None:
        self.cameras: dict[str, Callable[[], Mapping[str, int]]] = {}

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "platebridge_camera_source",
            "What a camera's source counted: sessions, units and frames, and every kind of loss",
            labels=["camera", "count"],
        )
        for camera, counters in self.cameras.items():
            for name, value in counters().items():
                family.add_metric([camera, name], value)
        yield family
