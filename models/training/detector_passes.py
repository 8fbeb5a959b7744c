"""What a detector makes of the training pictures, as JSON lines:
`python -m models.training.detector_passes PLATES_FOLDER network.onnx passes.jsonl --upstream upstream.onnx`.

A line holds a picture's name, its boxes, and those of another network, which may know plates that nobody
labelled. Both networks are ONNX files: the plain export of ultralytics, and upstream's "end2end" one.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from models.evaluation.boxes import Boxes, iou_matrix
from models.training.detector_labels import read_labels, to_pixels
from models.training.detector_mining import Pass

LOWEST_CONFIDENCE = 0.05
_SAME_PLATE_IOU = 0.5
_GREY = 114

Scored = npt.NDArray[np.float32]
"""Shape (N, 5): x1, y1, x2, y2 in pixels of the picture, score; the surest first."""


class OnnxDetector:
    """A detector's ONNX file, run on one thread."""

    def __init__(self, weights: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        given = self._session.get_inputs()[0]
        self._input = given.name
        self.height_px, self.width_px = given.shape[2], given.shape[3]

    def answer(self, tensor: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The raw output for an input of shape (1, 3, height_px, width_px), float32, RGB, 0..1."""
        output: npt.NDArray[np.float32] = self._session.run(None, {self._input: tensor})[0]
        return output

    def find(self, bgr: npt.NDArray[np.uint8]) -> Scored:
        """The boxes of a picture, (H, W, 3), uint8, BGR, that score at least `LOWEST_CONFIDENCE`."""
        height, width = bgr.shape[:2]
        scale = min(self.height_px / height, self.width_px / width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (self.width_px - inner[0]) // 2, (self.height_px - inner[1]) // 2
        canvas = np.full((self.height_px, self.width_px, 3), _GREY, np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(bgr, inner)[:, :, :3]
        tensor = canvas[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) * np.float32(1 / 255)
        found = suppressed(decoded(self.answer(tensor)))
        found[:, :4] = (found[:, :4] - [left, top, left, top]) / scale
        found[:, :4] = np.clip(found[:, :4], 0, [width, height, width, height])
        return found


def decoded(answer: npt.NDArray[np.float32]) -> Scored:
    """Boxes of either kind of output, in pixels of the network's input; those too unsure are dropped.

    Args:
        answer: shape (1, 5, anchors): centre x, centre y, width, height, score; or (N, 7): batch, x1, y1, x2,
            y2, class, score.
    """
    if answer.ndim == 2:
        rows = answer[:, [1, 2, 3, 4, 6]]
    else:
        x, y, width, height, score = answer[0]
        rows = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2, score], axis=1)
    rows = rows[rows[:, 4] >= LOWEST_CONFIDENCE]
    return rows[np.argsort(-rows[:, 4], kind="stable")].astype(np.float32)


def suppressed(found: Scored) -> Scored:
    """Of boxes that overlap, the surest."""
    overlaps = iou_matrix(found[:, :4], found[:, :4]) > _SAME_PLATE_IOU
    alive = np.ones(len(found), np.bool_)
    for i in range(len(found)):
        if alive[i]:
            alive[i + 1 :] &= ~overlaps[i, i + 1 :]
    return found[alive]


def write_passes(plates_folder: Path, target: Path, *, network: Path, upstream: Path | None = None) -> None:
    """Runs one or two networks over the training pictures and writes what they found."""
    ours = OnnxDetector(network)
    other = OnnxDetector(upstream) if upstream else None
    with target.open("w", encoding="ascii") as lines:
        for file in sorted((plates_folder / "images" / "train").iterdir()):
            bgr = np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR), np.uint8)
            height, width = bgr.shape[:2]
            labels = read_labels(plates_folder / "labels_snapped" / "train" / f"{file.stem}.txt")
            line = {
                "picture": file.stem,
                "input_scale": round(min(ours.height_px / height, ours.width_px / width), 5),
                "found": _plain(ours.find(bgr)),
                "truth": _plain(to_pixels(labels, height=height, width=width)),
                "doubtful": _plain(other.find(bgr)) if other else [],
            }
            lines.write(json.dumps(line) + "\n")


def read_passes(path: Path) -> Iterator[Pass]:
    """The lines of a file that `write_passes` wrote."""
    with path.open(encoding="ascii") as lines:
        for text in lines:
            line = json.loads(text)
            found = np.array(line["found"], np.float32).reshape(-1, 5)
            yield Pass(
                picture=line["picture"],
                found=found[:, :4],
                scores=found[:, 4],
                truth=np.array(line["truth"], np.float32).reshape(-1, 4),
                doubtful=_boxes(line["doubtful"]),
                input_scale=line["input_scale"],
            )


def _boxes(rows: list[list[float]]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 5)[:, :4]


def _plain(rows: npt.NDArray[np.float32]) -> list[list[float]]:
    return [[round(float(value), 3) for value in row] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plates_folder", type=Path, help="holds images/ and labels_snapped/")
    parser.add_argument("network", type=Path, help="the detector's ONNX file")
    parser.add_argument("target", type=Path, help="where the JSON lines go")
    parser.add_argument("--upstream", type=Path, help="another detector, whose boxes count as doubtful")
    options = parser.parse_args()
    write_passes(options.plates_folder, options.target, network=options.network, upstream=options.upstream)


if __name__ == "__main__":
    main()
