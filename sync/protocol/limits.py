"""Bounds of everything that goes over the wire, the same on both sides. Pure data."""

MAX_FRAME_BYTES = 256 * 1024
"""A message as it is sent; brokers are set to take a little more."""

MAX_BODY_BYTES = 256 * 1024
"""What a message may unpack to."""

MAX_ROWS = 500
"""Audit rows of one batch."""

MAX_ROW_BYTES = 64 * 1024
"""The payload of one row; a larger one stays on the POD, and its digest goes."""

BATCH_BYTES = 128 * 1024
"""Payloads of one batch, unless a single row is larger."""

MAX_SPANS = 8
"""Stretches of one audit that the cloud may hold apart from each other."""

MAX_POINTS = 64
"""Rows compared at once where two audits are searched for the last they share."""

MAX_LINES = 1000
"""Lines that the audit of one POD may take; one more is refused, and a person has to look."""

MAX_ENTRIES = 100_000
"""Entries of one POD's list."""

MAX_ENTRY_BYTES = 4 * 1024
"""One entry as it is sent."""

MAX_STEPS = 400
"""Entries put and gone in one delta, and entries of one chunk."""

CHUNK_BYTES = 96 * 1024
"""Entries of one chunk or delta."""

MAX_CHUNKS = 8000

MAX_REFUSED = 100
"""Entries that one receipt names as refused; what is above is only counted."""

MAX_INT = 2**53 - 1
"""The largest number that every JSON reader takes exactly."""
