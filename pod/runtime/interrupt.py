"""What Ctrl-C does while modules load: it ends the process at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_ends_at_once() -> Iterator[None]:
    """Within it Ctrl-C ends the process as a signal does, which shells show as 130.

    For imports: raised inside one, KeyboardInterrupt is printed, swallowed or turned into an ImportError.
    Does nothing where SIGINT is ignored or has a handler of its own, or away from the main thread.
    """
    raising = signal.default_int_handler
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not raising:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, raising)
