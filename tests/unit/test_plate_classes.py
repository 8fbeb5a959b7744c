"""Which class of a detector is a plate: the only one, the one that sounds like it, or the one named."""

import pytest

from models.manifest import ModelError
from models.plate_classes import class_names, plate_class

CARS = ("car", "truck", "licence plate", "person")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param("{0: 'plate', 1: 'car'}", ("plate", "car"), id="as ultralytics writes them"),
        pytest.param("['plate']", ("plate",), id="a list"),
        pytest.param("", (), id="nothing"),
        pytest.param("__import__('os').system('id')", (), id="code"),
        pytest.param("{" * 5000, (), id="brackets without end"),
        pytest.param("7", (), id="a number"),
        pytest.param("{5: 'plate'}", ("",), id="numbers with holes"),
        pytest.param("'" + "x" * 60_000 + "'", (), id="a novel"),
    ],
)
def test_names_of_classes_are_read_or_passed_over(text, names):
    assert class_names({"names": text}) == names


@pytest.mark.parametrize(
    ("names", "count", "asked", "number"),
    [
        pytest.param((), 1, None, None, id="one without a name"),
        pytest.param(("thing",), 1, None, None, id="one of any name"),
        pytest.param((), None, None, None, id="a network that does not say"),
        pytest.param(CARS, 4, None, 2, id="one sounds like a plate"),
        pytest.param(("auto", "Kennzeichen"), 2, None, 1, id="in another language"),
        pytest.param(CARS, 4, "Licence Plate", 2, id="named"),
        pytest.param(CARS, 4, "0", 0, id="by its number"),
        pytest.param((), 4, "3", 3, id="by its number without names"),
    ],
)
def test_the_class_that_is_a_plate_is_found(names, count, asked, number):
    assert plate_class(names, count, asked=asked) == number


@pytest.mark.parametrize(
    ("names", "count", "asked", "says"),
    [
        pytest.param(("car", "dog"), 2, None, r"2 classes apart \(car, dog\), and none of them", id="none"),
        pytest.param(("front plate", "rear plate"), 2, None, "more than one sounds like", id="two"),
        pytest.param((), 80, None, "80 classes apart without naming them", id="unnamed"),
        pytest.param(CARS, 4, "bus", r"no class 'bus' \(car, truck", id="not there"),
        pytest.param(CARS, 4, "4", "no class '4'", id="a number past the last"),
        pytest.param(CARS, 4, "-1", "no class '-1'", id="a number below the first"),
    ],
)
def test_where_it_is_not_clear_which_class_is_a_plate_the_mend_is_told(names, count, asked, says):
    with pytest.raises(ModelError, match=says):
        plate_class(names, count, asked=asked)
