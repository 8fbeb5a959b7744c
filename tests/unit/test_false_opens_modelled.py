from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up_reads import planted, slots_of

from pod.domain.errors import MeasurementError
from pod.domain.index import AccessIndex
from pod.domain.policy import Policy
from pod.services.false_opens.modelled import PlateForm, Scenario, draw, modelled_figures, rates
from pod.services.false_opens.noise_model import NoiseModel
from pod.services.false_opens.openings import consensuses, lets_in, listed, openings, policy_with

TINY = Scenario(form="NNN", frames=3, correlation=0.5, approaches=600, neighbours_percent=0)


def found(reads, scenario=TINY, *, tilted=True, sizes=(60,), policy=None):
    model = NoiseModel(reads)
    drawn = list(draw(model, scenario, tilted=tilted))
    return rates(drawn, PlateForm(scenario.form, model.characters), sizes=sizes, policy=policy or Policy())


def test_what_is_computed_is_what_happens_when_lists_are_drawn_and_strangers_come():
    """Brute force: lists of 60 of the 1,000 plates, each met by a stranger, decided with the whole list."""
    model = NoiseModel(planted(200, misread=0.25))
    form = PlateForm("NNN", model.characters)
    rng = np.random.default_rng(5)
    let_in = came = 0
    for _ in range(900):
        own = form.draw(rng)
        index = AccessIndex(listed(key) for key in {form.draw(rng) for _ in range(60)} - {own})
        made = model.approach(own, TINY.frames, persistence=model.persistence(0.5), rng=rng, tilted=False)
        came += 1
        let_in += any(lets_in(c, index.candidates(c), Policy()) for c in consensuses(list(made.frames)))
    computed = found(planted(200, misread=0.25)).by_random[60]
    error = np.sqrt(let_in) / came
    assert let_in > 25
    assert computed == pytest.approx(let_in / came, abs=4 * error)


def test_misreads_that_are_sought_out_count_for_no_more_than_they_are():
    reads = planted(200, misread=0.02)
    plain, tilted = found(reads, tilted=False), found(reads, tilted=True)
    assert tilted.by_neighbour == pytest.approx(plain.by_neighbour, rel=0.5)
    assert tilted.listed_opened == pytest.approx(plain.listed_opened, abs=0.02)


def test_weights_average_one_and_never_exceed_two():
    model = NoiseModel(planted(200, misread=0.05))
    weights = [one.weight for one in draw(model, replace(TINY, approaches=1000))]
    assert max(weights) <= 2
    assert np.mean(weights) == pytest.approx(1, abs=0.05)


def test_a_reader_that_lies_raises_the_modelled_rate():
    honest, lying = found(planted(200)), found(planted(200, lie=("3", "8")))
    assert honest.by_neighbour == 0
    assert lying.by_neighbour > 0.005
    assert lying.listed_opened < honest.listed_opened


def test_frames_as_correlated_as_measured_lie_between_independent_ones_and_copies():
    reads = planted(200, misread=0.08)
    apart, half, copies = (found(reads, replace(TINY, frames=8, correlation=c)) for c in (0.0, 0.5, 1.0))
    assert apart.listed_opened >= half.listed_opened >= copies.listed_opened
    low, high = sorted((apart.by_neighbour, copies.by_neighbour))
    assert 0.9 * low <= half.by_neighbour <= 1.1 * high


def test_equal_seeds_give_equal_figures():
    reads = planted(100, misread=0.05)
    some = replace(TINY, approaches=100)
    assert found(reads, some) == found(reads, some) != found(reads, replace(some, seed=9))


def test_longer_lists_and_more_neighbours_let_more_strangers_in():
    scenario = replace(TINY, form="NNNNNN", neighbours_percent=1, approaches=200)
    reads = planted(200, misread=0.05)
    one = found(reads, scenario, sizes=(100, 1000))
    assert one.false_opens_per_million(1000, scenario) > one.false_opens_per_million(100, scenario)
    more = replace(scenario, neighbours_percent=5)
    assert one.false_opens_per_million(100, more) > one.false_opens_per_million(100, scenario)
    assert more.neighbour_share(100_000) == 1


def test_a_reader_without_errors_is_given_a_bound_not_a_zero():
    reads = planted(150)
    model = NoiseModel(reads)
    scenario = replace(TINY, approaches=40, neighbours_percent=1)
    told = modelled_figures(
        reads,
        list(draw(model, scenario)),
        scenario,
        model=model,
        sizes=(1000,),
        policy=Policy(),
        approaches_left_out=5,
    )
    (figure,) = told.figures
    assert figure.false_opens_per_million == 0
    assert figure.interval_95_per_million is None
    assert 0 < figure.bound_95_per_million < 1e6 * 0.01 * 0.05


def test_an_interval_encloses_its_rate():
    reads = planted(200, misread=0.08)
    model = NoiseModel(reads)
    scenario = replace(TINY, approaches=300, neighbours_percent=1)
    told = modelled_figures(
        reads,
        list(draw(model, scenario)),
        scenario,
        model=model,
        sizes=(1000,),
        policy=Policy(),
        approaches_left_out=60,
    )
    (figure,) = told.figures
    low, high = figure.interval_95_per_million
    assert low < figure.false_opens_per_million < high
    low, high = told.listed_opened_interval_95_percent
    assert low < told.listed_opened_percent < high


@given(
    st.lists(
        st.tuples(st.sampled_from(["AB1280D", "AB12B0D", "AB1280Q", "XY999ZZ"]), st.floats(0.3, 0.999)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([0.6, 0.85, 0.95]),
    st.sampled_from([1.0, 2.0, 8.0]),
    st.sampled_from([1, 3]),
)
@example(shown=[("AB1280D", 0.75)], sure=0.6, ratio=1.0, frames=1)  # sure but for one character of its own
@settings(max_examples=30, deadline=None)
def test_what_an_approach_opens_for_is_what_is_decided_at_every_moment_of_it(shown, sure, ratio, frames):
    """Moments that are left out of `Openings` must not be those that open."""
    reads = []
    for text, p in shown:
        slots = slots_of(text, p)
        slots[4] = 0.6 * slots_of("AB1280D", p)[4] + 0.4 * slots_of("AB12B0D", p)[4]
        reads.append(slots)
    policy = policy_with(sure, near_ratio=ratio, near_frames=frames)
    plates = ["AB1280D", "AB12B0D", "AB1280Q", "AB12B0Q", "XY999ZZ"]
    every = {
        key
        for key in (listed(plate).key for plate in plates)
        for consensus in consensuses(reads)
        if lets_in(consensus, AccessIndex([listed(key)]).candidates(consensus), policy)
    }
    assert openings(reads).keys(policy) & set(plates) == every


@pytest.mark.parametrize(
    ("form", "why"),
    [("L", "2 to 10"), ("LLxNN", "L \\(a letter\\)"), ("LLLNNN", "fewer than two")],
    ids=["too short", "no L or N", "letters never seen"],
)
def test_a_form_that_cannot_be_drawn_is_named(form, why):
    with pytest.raises(MeasurementError, match=why):
        PlateForm(form, "0123456789")


def test_too_few_crops_for_a_noise_model_are_refused():
    with pytest.raises(MeasurementError, match="too few"):
        NoiseModel(planted(20))
