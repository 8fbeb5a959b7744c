"""End the process though a library still holds a thread."""

import logging
import os
import sys
import threading

log = logging.getLogger(__name__)


def leave_if_held(code: int, prefix: str) -> None:
    """End at once, with this exit status, where a thread whose name begins so still runs; else return.

    Everything that matters is stopped and written before. An interpreter that ends in order takes itself down
    under such a thread, and the library crashes: a service that stopped well would count as failed.
    """
    held = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith(prefix))
    if not held:
        return
    log.warning("ended without %s, which a library still holds", ", ".join(held))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
