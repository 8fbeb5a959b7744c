"""Join live video to who may watch it: this POD's key, the keys it trusts, the audit. No rules live here."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from pod.config import PodConfig
from pod.domain.errors import ConfigError
from pod.runtime.metrics import PodMetrics
from pod.services.clock_watch import ClockWatch
from pod.services.health import PartHealth, Status
from pod.services.stream_tokens import StreamTokens
from pod.services.watching import Live, Watching
from pod.web.stream_key import own_key

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchingPart:
    """Who may watch, or why nobody can.

    Attributes:
        why_not: for people, with the mend; empty while `watching` is there.
    """

    watching: Watching | None
    why_not: str = ""

    def probe(self) -> PartHealth:
        """Degraded where nobody can watch: cars are let in all the same."""
        if self.watching is not None:
            return PartHealth("who may watch", Status.OK)
        return PartHealth("who may watch", Status.DEGRADED, self.why_not)


def watching_part(
    live: Live,
    config: PodConfig,
    data_dir: Path,
    *,
    clock: ClockWatch,
    note: Callable[[str, Mapping[str, object]], None],
    metrics: PodMetrics,
) -> WatchingPart:
    """Reads the POD's key, so call it in a thread. Without a key the POD starts all the same.

    Args:
        note: writes an audit row without waiting for it; from any thread.
    """
    try:
        own = own_key(data_dir)
    except ConfigError as error:
        log.error("nobody can watch live video: %s", error)
        return WatchingPart(None, f"Nobody can watch live video: {error}.")
    trusted = {key.kid: Ed25519PublicKey.from_public_bytes(key.raw) for key in config.live.trusted_keys}
    tokens = StreamTokens(
        own, audience=f"{config.site.id}/{own.kid}", trusted=lambda: trusted, look=clock.look
    )
    log.info("stream tokens of others name this POD %s as their audience", tokens.audience)
    return WatchingPart(
        Watching(
            live,
            tokens,
            record=note,
            count_refused=lambda code: metrics.watch_refused.labels(code).inc(),
        )
    )
