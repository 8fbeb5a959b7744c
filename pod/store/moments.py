"""Wall time as the store keeps it: integer microseconds since 1970, UTC. Pure."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment; exact, unlike `timestamp()`.

    Raises:
        ValueError: the moment has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone cannot be stored")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(ts_us: int) -> datetime:
    """The aware UTC moment, `ts_us` microseconds after 1970.

    Raises:
        ValueError: outside the years 1 to 9999.
    """
    try:
        return _EPOCH + timedelta(microseconds=ts_us)
    except OverflowError as error:
        raise ValueError(f"{ts_us} microseconds are no moment of the years 1 to 9999") from error
