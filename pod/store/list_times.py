"""Read the dates people write into the access list. Pure: the caller brings the zone.

A date alone counts from its start, or until its end; written without a zone it is local time. Where clocks
are put back and a local time comes twice, the stricter reading holds: leave to enter starts later and ends
earlier, a ban starts earlier and ends later.
"""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from pod.domain.entry import Verdict
from pod.domain.errors import PlateListError

_FORM = re.compile(
    r"\d{4}-\d\d-\d\d(?P<time>[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_YEARS = range(2000, 2200)


def parse_start(text: str, zone: tzinfo, *, verdict: Verdict) -> datetime:
    """The first moment the text means, aware UTC.

    Raises:
        PlateListError: not a date, or not one there is.
    """
    return _parse(text, zone, end=False, late=verdict is Verdict.ALLOW)


def parse_end(text: str, zone: tzinfo, *, verdict: Verdict) -> datetime:
    """The moment just after what the text means, aware UTC: for a date alone the next midnight.

    Raises:
        PlateListError: not a date, or not one there is.
    """
    return _parse(text, zone, end=True, late=verdict is Verdict.DENY)


def _parse(text: str, zone: tzinfo, *, end: bool, late: bool) -> datetime:
    form = _FORM.fullmatch(text.strip())
    if form is None:
        raise PlateListError(
            f"{text[:40]!r} is not a date: write 2030-05-31, 2030-05-31T18:00 or 2030-05-31T18:00+02:00"
        )
    try:
        written = datetime.fromisoformat(form.group())
    except ValueError as error:
        raise PlateListError(f"{form.group()!r} is not a date there is ({error}): correct it") from error
    if written.year not in _YEARS:
        raise PlateListError(f"the year {written.year} is out of range: use {_YEARS[0]} to {_YEARS[-1]}")
    if form["zone"]:
        return written.astimezone(UTC)
    if not form["time"]:
        day = written.date() + timedelta(days=1) if end else written.date()
        # Where the clocks skip midnight, fold 0 yields the very moment they do.
        return datetime.combine(day, time(), zone).astimezone(UTC)
    moment = written.replace(tzinfo=zone, fold=int(late)).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != written:
        raise PlateListError(
            f"{form.group()!r} does not exist in {zone}: the clocks skip it; choose another time"
        )
    return moment
