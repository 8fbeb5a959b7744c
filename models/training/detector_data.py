"""Lays out what a detector trains on: `python -m models.training.detector_data PLATES_FOLDER RUN_FOLDER`.

RUN_FOLDER/data holds linked pictures, copied labels (ultralytics writes caches beside them), the pictures
made by pasting, and data.yaml. An epoch's pictures are listed in train.txt, hard ones several times.
Validation pictures are only linked: nothing is ever made from them.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import yaml

from models.evaluation.boxes import Boxes
from models.training.detector_labels import format_labels, from_pixels, read_labels, to_pixels
from models.training.detector_mining import epoch_list
from models.training.detector_passes import read_passes
from models.training.detector_pastes import Cutting, Picture, cut, paste_cuttings

SPLITS = ("train", "val")
_MOST_CUTTINGS = 600
_SHARP_PLATE_PX = 60
_JPEG_QUALITY = 85

Paste = Callable[[Picture, Boxes, np.random.Generator], tuple[Picture, Boxes]]


def prepare_data(
    plates_folder: Path,
    run_folder: Path,
    *,
    passes: Path | None = None,
    pasted: int = 0,
    drawn: int = 0,
    seed: int = 0,
) -> Path:
    """Writes the data set of a run, over an earlier one. Returns its data.yaml.

    Args:
        plates_folder: holds images/ and labels_snapped/, each with train/ and val/.
        passes: what a network made of the training pictures (`detector_passes`): the hard ones come several
            times an epoch.
        pasted: how many pictures to make by pasting small plates of other pictures.
        drawn: how many to make by pasting drawn plates.

    Raises:
        LabelError: a label cannot be trained on; the message names its file.
    """
    data = run_folder.absolute() / "data"
    shutil.rmtree(data, ignore_errors=True)
    names = {split: _names(plates_folder, split) for split in SPLITS}
    for split in SPLITS:
        _link(plates_folder, data, split)
    epoch = _checked(names["train"], epoch_list(list(read_passes(passes))) if passes else names["train"])
    made = [
        *_made(plates_folder, data, "pasted", names=names["train"], paste=_small, count=pasted, seed=seed),
        *_made(plates_folder, data, "drawn", names=names["train"], paste=_drawn, count=drawn, seed=seed + 1),
    ]
    files = {path.stem: path for path in (data / "images" / "train").iterdir()}
    (data / "train.txt").write_text("".join(f"{path}\n" for path in [*(files[n] for n in epoch), *made]))
    files = {path.stem: path for path in (data / "images" / "val").iterdir()}
    (data / "val.txt").write_text("".join(f"{files[n]}\n" for n in names["val"]))
    description = data / "data.yaml"
    description.write_text(
        yaml.safe_dump({"path": str(data), "train": "train.txt", "val": "val.txt", "names": {0: "plate"}})
    )
    return description


def picture_file(folder: Path, name: str) -> Path:
    """The picture of that name, whatever its ending.

    Raises:
        FileNotFoundError: there is none.
    """
    for ending in (".jpg", ".jpeg", ".png"):
        if (path := folder / f"{name}{ending}").exists():
            return path
    raise FileNotFoundError(f"{folder}: holds no picture {name}")


def _names(plates_folder: Path, split: str) -> list[str]:
    return sorted(path.stem for path in (plates_folder / "images" / split).iterdir())


def _checked(names: Sequence[str], epoch: Sequence[str]) -> list[str]:
    """The epoch's pictures that are among `names`; those that were not looked at come once."""
    known = set(names)
    listed = [name for name in epoch if name in known]
    return [*listed, *sorted(known.difference(listed))]


def _link(plates_folder: Path, data: Path, split: str) -> None:
    """Links the pictures of a split one by one, and copies its labels after checking them."""
    (data / "images").mkdir(parents=True, exist_ok=True)
    (data / "images" / split).symlink_to(
        (plates_folder / "images" / split).absolute(), target_is_directory=True
    )
    (data / "labels" / split).mkdir(parents=True)
    for path in sorted((plates_folder / "labels_snapped" / split).glob("*.txt")):
        read_labels(path)
        shutil.copyfile(path, data / "labels" / split / path.name)


def _made(
    plates_folder: Path,
    data: Path,
    kind: str,
    *,
    names: Sequence[str],
    paste: "_Maker",
    count: int,
    seed: int,
) -> Iterator[Path]:
    """Makes `count` pictures of a kind, each from a training picture drawn by lot; yields their files."""
    if not count:
        return
    rng = np.random.default_rng(seed)
    put = paste(plates_folder, names, rng)
    for folder in ("images", "labels"):
        (data / folder / kind).mkdir(parents=True)
    for i in range(count):
        picture, boxes = load(plates_folder, names[int(rng.integers(len(names)))])
        picture, boxes = put(picture, boxes, rng)
        height, width = picture.shape[:2]
        path = data / "images" / kind / f"{kind}_{i:05}.jpg"
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        labels = format_labels(from_pixels(boxes, height=height, width=width))
        (data / "labels" / kind / f"{path.stem}.txt").write_text(labels)
        yield path


_Maker = Callable[[Path, Sequence[str], np.random.Generator], Paste]


def _small(plates_folder: Path, names: Sequence[str], rng: np.random.Generator) -> Paste:
    cuttings = list(_cuttings(plates_folder, names, rng))

    def put(picture: Picture, boxes: Boxes, rng: np.random.Generator) -> tuple[Picture, Boxes]:
        return paste_cuttings(picture, boxes, cuttings=cuttings, rng=rng)

    return put


def _drawn(plates_folder: Path, names: Sequence[str], rng: np.random.Generator) -> Paste:
    from models.render.scenes import paste_plates

    def put(picture: Picture, boxes: Boxes, rng: np.random.Generator) -> tuple[Picture, Boxes]:
        rgb, placed = paste_plates(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8), boxes, rng)
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR).astype(np.uint8), placed

    return put


def _cuttings(plates_folder: Path, names: Sequence[str], rng: np.random.Generator) -> Iterator[Cutting]:
    """Plates wide enough to be shrunk, of pictures drawn by lot."""
    taken = 0
    for i in rng.permutation(len(names)):
        picture, boxes = load(plates_folder, names[int(i)])
        for box in boxes:
            if box[2] - box[0] >= _SHARP_PLATE_PX and taken < _MOST_CUTTINGS:
                taken += 1
                yield cut(picture, box)
        if taken >= _MOST_CUTTINGS:
            return


def load(plates_folder: Path, name: str, *, split: str = "train") -> tuple[Picture, Boxes]:
    """A picture, (H, W, 3), uint8, BGR, and its boxes, xyxy in its pixels.

    Raises:
        ValueError: the picture cannot be decoded.
    """
    file = picture_file(plates_folder / "images" / split, name)
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{file}: cannot be decoded as a picture: leave it out of the set")
    labels = read_labels(plates_folder / "labels_snapped" / split / f"{name}.txt")
    return np.asarray(picture, np.uint8), to_pixels(labels, height=picture.shape[0], width=picture.shape[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plates_folder", type=Path, help="holds images/ and labels_snapped/")
    parser.add_argument("run_folder", type=Path)
    parser.add_argument("--passes", type=Path, help="what a network made of the training pictures")
    parser.add_argument("--pasted", type=int, default=0, help="pictures with small pasted plates")
    parser.add_argument("--drawn", type=int, default=0, help="pictures with drawn plates")
    options = parser.parse_args()
    print(
        prepare_data(
            options.plates_folder,
            options.run_folder,
            passes=options.passes,
            pasted=options.pasted,
            drawn=options.drawn,
        )
    )


if __name__ == "__main__":
    main()
