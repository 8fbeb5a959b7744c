from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readings import deny, entry, read_as

from pod.domain.evidence import Evidence
from pod.domain.index import AccessIndex

plates = st.text("0O1IAB8", min_size=2, max_size=3)
entries = st.lists(st.builds(entry, plates, id=st.integers(1, 10_000)), max_size=12, unique_by=lambda e: e.id)


@settings(deadline=None)
@given(entries, st.data())
def test_a_changed_index_is_as_if_built_anew(before, data):
    removed = data.draw(st.lists(st.sampled_from(before), unique=True)) if before else []
    added = [replace(e, id=e.id + 20_000) for e in data.draw(entries)]
    changed = AccessIndex(before).replaced(removed, added)
    anew = AccessIndex([*(e for e in before if e not in removed), *added])
    assert changed.entries == anew.entries
    assert all(changed.by_key(e.key) == anew.by_key(e.key) for e in [*before, *added])


def test_many_additions_are_sorted_in_as_few_are():
    many = [entry(f"AB{i:04}", id=i) for i in range(500)]
    few = [entry(f"AA{i:04}", id=1000 + i) for i in range(200)]
    assert AccessIndex(few).replaced([], many).entries == AccessIndex([*many, *few]).entries


def test_the_index_before_a_change_stays_as_it_was():
    index = AccessIndex([entry("AB1", id=1), entry("AB2", id=2)])
    index.replaced([entry("AB1", id=1)], [entry("AB3", id=3)])
    assert [e.plate for e in index.entries] == ["AB1", "AB2"]
    assert index.by_key("AB3") == ()


@pytest.mark.parametrize(
    "stranger", [entry("AB9", id=1), entry("AB1", id=9), deny("AB1", id=1)], ids=["plate", "row", "verdict"]
)
def test_an_entry_that_is_not_there_cannot_be_taken_out(stranger):
    with pytest.raises(ValueError, match="is not in the index"):
        AccessIndex([entry("AB1", id=1)]).replaced([stranger], [])


def test_entries_are_sorted_by_plate():
    plates = [e.plate for e in AccessIndex([entry("B2"), entry("A3"), entry("A1")]).entries]
    assert plates == [
        "A1",
        "A3",
        "B2",
    ]


def test_candidates_are_the_plate_read_and_what_the_evidence_may_mean_instead():
    index = AccessIndex(
        [entry("AB1280D"), entry("AB12B0D"), entry("AB1288D"), entry("AB1260D"), deny("AB128OD")]
    )
    split = read_as("AB1280D", doubt={4: {"8": 0.6, "B": 0.36}})
    assert [e.plate for e in index.candidates(split)] == ["AB1280D", "AB128OD", "AB12B0D"]


def test_a_sharp_reading_has_no_candidates_but_its_own_plate():
    index = AccessIndex([entry("AB1280D"), entry("AB12B0D")])
    assert [e.plate for e in index.candidates(read_as("AB1280D", 0.999))] == ["AB1280D"]


def test_before_the_first_read_there_are_no_candidates():
    assert AccessIndex([entry("AB1280D")]).candidates(Evidence().consensus()) == ()


def test_padding_inside_a_reading_leaves_its_own_plate_as_candidate():
    gapped = read_as("AB_80D", doubt={3: {"8": 0.6, "B": 0.36}})
    index = AccessIndex([entry("AB80D"), entry("ABB0D")])
    assert [e.plate for e in index.candidates(replace(gapped, text="AB80D"))] == ["AB80D"]
