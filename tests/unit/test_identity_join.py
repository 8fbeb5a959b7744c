"""Join strings: read back whole, and never anything else than what was made."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.protocol.errors import ProtocolError
from sync.protocol.join import MAX_CHARS, Join, make_join, read_join

JOIN = Join("https://cloud.example:8443", b"t" * 20, bytes(range(32)))


@pytest.mark.parametrize("trust", ["ca", "web"])
def test_a_string_is_read_back(trust) -> None:
    join = Join("https://[2001:db8::1]:443", b"\0" * 20, b"\xff" * 32, trust)
    assert read_join(make_join(join)) == join


def test_a_string_is_one_word_that_is_safe_to_copy() -> None:
    assert re.fullmatch(r"PB1-[A-Z2-7]{100,200}", make_join(JOIN))


def test_breaks_spaces_dashes_and_small_letters_do_no_harm() -> None:
    text = make_join(JOIN)
    lines = "\r\n > ".join(text[at : at + 20] for at in range(0, len(text), 20)).replace(" > ", " ")
    assert read_join(f"\t{lines.lower()}\n") == JOIN
    assert read_join("-".join(text[at : at + 4] for at in range(0, len(text), 4))) == JOIN


@given(st.integers(4, len(make_join(JOIN)) - 2), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_slip_is_found(at: int, letter: str) -> None:
    """Of the last letter only a part counts."""
    text = make_join(JOIN)
    slipped = text[:at] + letter + text[at + 1 :]
    if slipped == text:
        return
    with pytest.raises(ProtocolError, match="cut off or mistyped"):
        read_join(slipped)


@given(st.text(max_size=300))
def test_no_text_whatever_is_met_by_anything_but_a_refusal(text: str) -> None:
    for tried in (text, f"PB1-{text}"):
        with pytest.raises(ProtocolError):
            read_join(tried)


def test_a_string_of_a_megabyte_is_refused_at_once() -> None:
    with pytest.raises(ProtocolError, match=str(MAX_CHARS)):
        read_join("PB1-" + "A" * 1_000_000)


@pytest.mark.parametrize(
    "portal",
    [
        "http://cloud.example",
        "https://",
        "https://u:p@cloud.example",
        "https://c/path",
        "https://c\n",
        "file:///x",
        "",
    ],
)
def test_no_string_leads_anywhere_but_to_a_portal(portal: str) -> None:
    with pytest.raises(ValueError, match="portal"):
        make_join(Join(portal, JOIN.token, JOIN.ca_sha256))


def test_a_join_tells_nobody_its_token() -> None:
    assert "t" * 20 not in repr(JOIN)
