"""Keeps Python's garbage collector from holding up the way of a decision."""

import gc


def spare_what_stays() -> None:
    """Never again look through the objects that live now; call it once, when the process has started.

    A full collection visits every object while all threads wait: of a started POD some 140,000, which took
    105 ms on a calm desktop and a second on a busy one. What comes later is visited as ever.
    """
    gc.collect()  # so that nothing is kept that nobody holds
    gc.freeze()
