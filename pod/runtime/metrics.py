"""The figures a POD publishes for Prometheus, each with its unit in the name."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)


class PodMetrics:
    """One registry a POD, so that several PODs in one process (tests) never share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.frames = Counter(
            "platebridge_frames_total",
            "Frames by camera and what became of them: read, still, paced, stale, dropped",
            ["camera", "fate"],
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
