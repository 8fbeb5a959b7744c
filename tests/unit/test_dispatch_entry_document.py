"""One entry as it goes to a POD: read whole, or refused whole."""

import json

import pytest

from sync.protocol.entry_document import EntryDocument, read_document, write_document
from sync.protocol.errors import ProtocolError

PLAIN = {"key": "AB123CD", "plate": "AB123CD", "verdict": "allow", "type": "resident"}
FULL = {
    **PLAIN,
    "label": "Ada, flat 3",
    "starts_us": 1_700_000_000_000_000,
    "expires_us": 1_800_000_000_000_000,
    "gates": ["main"],
    "cameras": ["entrance"],
    "sites": ["north"],
    "schedule": "mon-fri 08:00-18:00",
    "uses_left": 3,
    "exact_only": True,
}


@pytest.mark.parametrize("document", [PLAIN, FULL], ids=["plain", "full"])
def test_what_is_written_is_read_and_what_limits_nothing_is_left_out(document):
    entry = EntryDocument.model_validate_json(json.dumps(document))
    entry_id, text = write_document("e1", entry)
    assert entry_id == "e1"
    assert json.loads(text) == document
    assert read_document(text) == entry


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"plate": None}, "plate", id="no_plate"),
        pytest.param({"plate": "ab-123-cd"}, "canonical", id="plate_as_typed"),
        pytest.param({"plate": "ZZ999ZZ"}, "another plate's", id="key_of_another_plate"),
        pytest.param({"verdict": "maybe"}, "verdict", id="unknown_verdict"),
        pytest.param({"type": "king"}, "type", id="unknown_type"),
        pytest.param({"label": "a\nb"}, "line ends", id="label_of_two_lines"),
        pytest.param({"label": "x" * 81}, "label", id="long_label"),
        pytest.param({"starts_us": 1.5}, "starts_us", id="a_broken_moment"),
        pytest.param({"expires_us": 10**18}, "expires_us", id="a_moment_after_the_calendar"),
        pytest.param(
            {"starts_us": 5, "expires_us": 5}, "ends? before|end before", id="over_before_it_begins"
        ),
        pytest.param({"gates": "main"}, "gates", id="gates_that_are_no_list"),
        pytest.param({"gates": ["Main gate"]}, "gates", id="a_name_that_no_gate_has"),
        pytest.param({"gates": ["g"] * 51}, "gates", id="many_gates"),
        pytest.param({"uses_left": True}, "uses_left", id="uses_that_are_no_number"),
        pytest.param({"uses_left": -1}, "uses_left", id="negative_uses"),
        pytest.param({"verdict": "deny", "uses_left": 1}, "denial", id="a_denial_with_uses"),
        pytest.param({"exact_only": "yes"}, "exact_only", id="exactness_in_words"),
        pytest.param({"schedule": ""}, "schedule", id="an_empty_schedule"),
        pytest.param({"only_with_card": True}, "unknown", id="an_unknown_limit"),
    ],
)
def test_an_entry_in_doubt_is_refused_with_the_field_and_without_its_value(change, told):
    with pytest.raises(ProtocolError, match=told) as refused:
        read_document(json.dumps({**PLAIN, **change}))
    assert "ZZ999ZZ" not in str(refused.value)


def test_a_denial_with_an_unknown_field_still_denies():
    assert read_document(json.dumps({**PLAIN, "verdict": "deny", "only_with_card": True})).verdict == "deny"


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{", '{"key":' + "[" * 2000, "x" * 5000],
    ids=["empty", "null", "list", "cut", "deep", "long"],
)
def test_what_is_no_entry_is_refused(text):
    with pytest.raises(ProtocolError):
        read_document(text)
