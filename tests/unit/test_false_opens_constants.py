from collections import Counter

import numpy as np
import pytest
from made_up_reads import a_crop, planted, slots_of

from pod.domain.errors import MeasurementError
from pod.domain.reads import ALPHABET
from pod.services.false_opens.confusion_fit import (
    Confusions,
    count_confusions,
    fitted_pairs,
    shipped_pairs,
)
from pod.services.false_opens.crops import Reads
from pod.services.false_opens.shipped import check_confusions, check_k_eff
from pod.services.false_opens.sightings import Sighting, alikeness, contradictions, sightings


def doubtful(text: str, rng: np.random.Generator, *, looks: int, copies: bool) -> np.ndarray:
    """Looks that give the truth of one place 60 % and are right in it as often."""
    frames = []
    for look in range(looks):
        if look == 0 or not copies:
            right = rng.random() < 0.6
        slots = slots_of(text, 0.999)
        place, wrong = 2, ALPHABET.index("X")
        truth = ALPHABET.index(text[place])
        slots[place] = 1e-4
        slots[place, truth], slots[place, wrong] = (0.6, 0.4) if right else (0.4, 0.6)
        slots[place] /= slots[place].sum()
        frames.append(slots)
    return np.stack(frames)


def seen(*, copies: bool, looks: int = 8, plates: int = 120) -> list[Sighting]:
    rng = np.random.default_rng(3)
    return [Sighting("AB1CD", doubtful("AB1CD", rng, looks=looks, copies=copies)) for _ in range(plates)]


def test_copies_of_a_look_are_worth_one_and_independent_looks_are_worth_many():
    copies, apart = alikeness(seen(copies=True), seed=1), alikeness(seen(copies=False), seed=1)
    assert copies.k_eff <= 2
    assert apart.k_eff >= 6
    assert copies.correlation_of_errors > 0.9 > 0.5 > apart.correlation_of_errors
    low, high = apart.k_eff_interval_95
    assert low <= apart.k_eff <= high


def test_plates_seen_once_tell_nothing_about_frames():
    reads = planted(40, form="LLNNN", seed=2)
    assert sightings(reads) == []
    with pytest.raises(MeasurementError, match="seen more than once"):
        alikeness(sightings(reads), seed=1)


def test_looks_at_one_plate_stay_together():
    crops = (a_crop("AB12", 0), a_crop("XY34", 0), a_crop("AB12", 1))
    reads = Reads(crops, np.stack([slots_of(text) for text in ("AB12", "XY34", "A812")]))
    (one,) = sightings(reads)
    assert (one.key, len(one.frames)) == ("AB12", 2)


def test_evidence_keeps_one_car_together_and_two_apart():
    plates = ["AB123CD", "XY999ZZ", "KL555MN"]
    told = contradictions([Sighting(key, np.stack([slots_of(key)] * 2)) for key in plates], sure=0.85)
    assert (told.same_percent, told.different, told.different_percent) == (0, 2, 100)


def test_what_a_reader_confuses_is_counted_by_pair_and_by_plate():
    counted = count_confusions(planted(80, form="NNN", lie=("3", "8")))
    assert counted.heaviest(1) == ["38"]
    assert counted.plates["38"] >= 3
    assert counted.misreads["38"] == counted.misreads.total()
    assert counted.explained_percent(["38"]) == 100
    assert counted.explained_percent(["17"]) == 0


def test_a_confusion_that_one_plate_alone_shows_is_not_taken_for_the_readers():
    reads = Reads((a_crop("AB3", 0), a_crop("AB3", 1)), np.stack([slots_of("AB8")] * 2))
    assert count_confusions(reads).weights["38"] > 1
    assert count_confusions(reads).heaviest(5) == []


def test_the_fitted_pairs_are_those_that_both_halves_of_the_plates_show():
    assert fitted_pairs([planted(300, form="NNN", lie=("3", "8"))], 5) == ["38"]
    assert fitted_pairs([planted(300, form="NNN")], 5) == []


def test_a_shipped_k_eff_that_the_looks_contradict_is_found():
    fit = alikeness(seen(copies=True), seed=1)
    assert check_k_eff(fit, shipped=1.0).holds
    broken = check_k_eff(fit, shipped=6.0)
    assert not broken.holds
    assert broken.mend.startswith("set K_EFF to 1")


def counted(weights: dict[str, float], misreads: dict[str, int]) -> Confusions:
    return Confusions(weights, dict.fromkeys(weights, 9), Counter(misreads))


FITTED = ["0D", "8B", "27", "56", "MW", "CG"]
TRAIN = counted(dict.fromkeys(FITTED, 10.0) | {"KX": 0.1}, {"0D": 5})
VALIDATION = counted({}, {"0D": 10, "56": 10})


@pytest.mark.parametrize(
    ("shipped", "holds"),
    [
        pytest.param(frozenset(FITTED), True, id="as fitted"),
        pytest.param(frozenset([*FITTED, "KX"]), False, id="one pair in seven without evidence"),
        pytest.param(frozenset(FITTED) - {"0D"}, False, id="explains half as much"),
        pytest.param(frozenset(FITTED) - {"CG"}, True, id="a light pair less"),
        pytest.param(frozenset(), False, id="empty"),
    ],
)
def test_a_table_of_confusions_that_the_crops_contradict_is_found(shipped, holds):
    finding = check_confusions(TRAIN, VALIDATION, fitted=FITTED, shipped=shipped)
    assert finding.holds is holds
    assert bool(finding.mend) is not holds


def test_the_table_names_each_pair_once():
    pairs = shipped_pairs()
    assert all(a < b for a, b in pairs)
