"""What each way to run the training does: the whole of it, a drill of minutes, one step of everything."""

from dataclasses import dataclass
from typing import Literal

from models.training.plates_set import Part


@dataclass(frozen=True, slots=True)
class Recipe:
    """A change of any of these trains anew what depends on it.

    Attributes:
        part: how much of the pictures is used; None: all.
        detector_side_px: the longer side of the pictures that the detector is trained on.
        detector_input_px: height and width that the detector is exported for.
        detector_pasted, detector_drawn: pictures made by pasting small plates and drawn ones.
        reader_drawn: plates that are rendered for the reader.
        false_opens_of: whose reads give the false-open figures. What a drill trains reads nothing, and
            errors of a reader that reads nothing cannot be modelled.
        disk_gib, memory_gib: what a run takes at most.
        about: how long, in words.
    """

    name: str
    part: Part | None
    detector_epochs: int
    detector_side_px: int
    detector_input_px: tuple[int, int]
    detector_pasted: int
    detector_drawn: int
    reader_epochs: int
    reader_drawn: int
    false_opens_of: Literal["trained", "bundled", "none"]
    disk_gib: float
    memory_gib: float
    about: str


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="full",
            part=None,
            detector_epochs=30,
            detector_side_px=512,
            detector_input_px=(320, 416),
            detector_pasted=400,
            detector_drawn=1_500,
            reader_epochs=60,
            reader_drawn=40_000,
            false_opens_of="trained",
            disk_gib=4,
            memory_gib=6,
            about="about seven hours on one slow core, minutes to an hour on a GPU",
        ),
        Recipe(
            name="smoke",
            part=Part(train_pictures=120, val_pictures=24, train_crops=512, val_crops=96),
            detector_epochs=2,
            detector_side_px=224,
            detector_input_px=(160, 224),
            detector_pasted=8,
            detector_drawn=8,
            reader_epochs=2,
            reader_drawn=64,
            false_opens_of="bundled",
            disk_gib=1,
            memory_gib=2.5,
            about="about three minutes; the weights read nothing",
        ),
        Recipe(
            name="one-step",
            part=Part(train_pictures=8, val_pictures=4, train_crops=64, val_crops=16),
            detector_epochs=1,
            detector_side_px=64,
            detector_input_px=(64, 64),
            detector_pasted=1,
            detector_drawn=1,
            reader_epochs=1,
            reader_drawn=4,
            false_opens_of="none",
            disk_gib=0.3,
            memory_gib=1.5,
            about="about half a minute; the weights read nothing",
        ),
    )
}
