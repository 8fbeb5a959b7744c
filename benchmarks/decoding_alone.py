"""A process that only receives and decodes a camera, as the pod does it, until standard input is closed."""

import sys

from pod.config import CameraConfig
from pod.media.fanout import AccessUnitFanout
from pod.media.slot import LatestFrame
from pod.media.source import CameraSource


def main() -> None:
    camera = CameraConfig(name="alone", url=sys.argv[1], gate="none")
    source = CameraSource(camera, LatestFrame(), AccessUnitFanout(), on_state=lambda state: None)
    source.start()
    sys.stdin.read()
    source.stop()
    print(source.counters.frames)


if __name__ == "__main__":
    main()
