"""Bounds the single blocks of memory that libav takes, in this whole process.

libav's RTSP puts the parts of a NAL unit together until its end comes, up to 2 GiB: a camera whose units have
none would take the POD's memory. PyAV has no way to this setting: the library that it loaded is asked itself.
"""

import ctypes
import logging
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

MOST_BLOCK_BYTES = 256 * 1024 * 1024
"""A picture of `decoder.MAX_PIXELS` with four bytes a pixel fits."""


@cache
def bound_blocks() -> bool:
    """Set the bound, once, for each libav that is loaded; whether that could be done."""
    try:
        maps = Path("/proc/self/maps").read_text().splitlines()
        paths = sorted({line.split(maxsplit=5)[-1] for line in maps if "/libavutil" in line})
        for path in paths:  # OpenCV may bring its own
            set_most = ctypes.CDLL(path).av_max_alloc
            set_most.argtypes, set_most.restype = (ctypes.c_size_t,), None
            set_most(MOST_BLOCK_BYTES)
    except (OSError, AttributeError) as error:
        log.warning("the memory that libav takes for one stream has no bound here: %r", error)
        return False
    return bool(paths)
