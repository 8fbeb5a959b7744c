"""What requests about the list ask for: the fields of a form, the filter of an address."""

from collections.abc import Container
from urllib.parse import urlencode

from starlette.requests import Request

from pod.domain.entry import EntryType, Verdict
from pod.web.list_words import STATES, ListFilter
from pod.web.schedule_form import Fields

MOST_FIELDS = 1000
"""Of one form: fifty windows of nine fields each, and the rest."""

_MOST_WRITTEN = 80


async def fields_of(request: Request) -> Fields:
    """The text fields of a form that was sent."""
    fields: dict[str, list[str]] = {}
    async with request.form(max_fields=MOST_FIELDS, max_files=0) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields.setdefault(name, []).append(value)
    return fields


def first(fields: Fields, name: str) -> str:
    """The value of a field that comes once; "" where it is missing."""
    return next(iter(fields.get(name, ())), "")


def number(text: str) -> int | None:
    """A whole number as the database counts them; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def filter_of(request: Request) -> ListFilter:
    """What the address asks for; what makes no sense asks for nothing."""
    asked = request.query_params
    return ListFilter(
        text=asked.get("q", "").strip()[:_MOST_WRITTEN],
        verdict=_one_of(asked.get("verdict", ""), [each.value for each in Verdict]),
        type=_one_of(asked.get("type", ""), [each.value for each in EntryType]),
        state=_one_of(asked.get("state", ""), STATES),
        page=min(number(asked.get("page", "")) or 1, 100_000),
    )


def page_link(wanted: ListFilter, page: int) -> str:
    """The address of another page of the same filter."""
    fields = {"q": wanted.text, "verdict": wanted.verdict, "type": wanted.type, "state": wanted.state}
    asked: dict[str, str | int] = {name: text for name, text in fields.items() if text}
    if page > 1:
        asked["page"] = page
    return f"/list?{urlencode(asked)}" if asked else "/list"


def _one_of(text: str, known: Container[str]) -> str:
    return text if text in known else ""
