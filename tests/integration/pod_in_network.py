"""Live video of a made-up camera as a program, for a network of its own: JSON, a line asked, a line answered.

    {"live": {...}}                            the `live:` section, first of all
    {"do": "offer", "sdp": "..."}              -> {"sdp": "...", "took_s": 0.01, "servers": [...]}
    {"do": "tell"}                             -> {"sessions": [...], "ended": [...], "troubles": {...}, ...}

It ends with its input.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from live_fixtures import Ends, live_camera
from relay_fixtures import MadeUpCamera

from pod.app_live import ice_servers
from pod.config_live import LiveConfig
from pod.domain.errors import LiveError
from pod.media.live import gathering, server_watch
from pod.media.live.limits import LiveLimits
from pod.media.live.service import LiveVideo

CONNECT_WITHIN_S = 4.0
LOOK_AGAIN_S = 1.0
"""A test waits less than a POD does."""

SERVERS_WITHIN_S = 2.5
"""Longer than a POD waits for a server: an answer that waited is told from one of a busy machine."""


def main() -> None:
    server_watch.AGAIN_AFTER_S = LOOK_AGAIN_S
    gathering.WITHIN_S = SERVERS_WITHIN_S
    config = LiveConfig.model_validate(json.loads(sys.stdin.readline())["live"])
    with MadeUpCamera() as camera:
        live = LiveVideo(
            (live_camera(camera),),
            limits=LiveLimits(connect_within_s=CONNECT_WITHIN_S),
            ice_servers=lambda: ice_servers(config, site="test"),
            pod_relays=config.turn is not None and config.turn.pod_relays,
        )
        live.start()
        asyncio.run(_serve(live))
        live.close()


async def _serve(live: LiveVideo) -> None:
    ends = Ends(live)
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        if asked["do"] == "offer":
            started_s = time.monotonic()
            try:
                answer = await live.offer("gate", asked["sdp"], viewer="anna", lease_s=60.0)
                told: dict[str, object] = {"sdp": answer.sdp}
            except LiveError as error:
                told = {"error": str(error)}
            told["took_s"] = time.monotonic() - started_s
        else:
            told = {
                "sessions": [asdict(session) for session in live.sessions()],
                "ended": ends.reasons,
                "troubles": dict(live.server_troubles),
                "servers": [asdict(server) for server in live.ice_servers()],
                "sockets": sum(file.is_socket() for file in Path("/proc/self/fd").iterdir()),
            }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
