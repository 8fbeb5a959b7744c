"""Fit the recogniser's temperature: `python -m models.training.calibrate_reader X.onnx PLATES/ocr OUT.json`.

X.onnx must be exported without a temperature. What is fitted on are the crops whose texts were kept from
training (`alphabet.is_held_out`), never the validation crops.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime

from models.training.alphabet import encode, is_held_out
from models.training.calibration import fit_temperature, negative_log_likelihood
from models.training.crop_sources import ocr_crops
from models.training.views import inputs

_LEAST_PROBABILITY = 1e-12
_FALL_BACK = 8
"""Crops of a set so small that none of its texts is held out: a drill's, whose temperature means nothing."""


def calibrate(reader: Path, crops_folder: Path) -> dict[str, float | int]:
    """The temperature, how many crops it was fitted on, and what it did to the likelihood of their texts."""
    held_out = [crop for crop in ocr_crops(crops_folder, "train", None) if is_held_out(crop.text)]
    held_out = held_out or list(islice(ocr_crops(crops_folder, "train", None), _FALL_BACK))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(reader), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    shares = np.concatenate([session.run(None, {name: crop[None]})[0] for crop in inputs(held_out)])
    # A softmax forgets what all logits have in common, and so does a temperature.
    logits = np.log(np.maximum(shares, _LEAST_PROBABILITY))
    truth = np.array([encode(crop.text) for crop in held_out])
    temperature = fit_temperature(logits, truth)
    return {
        "temperature": round(temperature, 4),
        "crops": len(held_out),
        "nats_before": round(negative_log_likelihood(logits, truth), 5),
        "nats_after": round(negative_log_likelihood(logits, truth, temperature=temperature), 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", type=Path, help="the recogniser's ONNX file")
    parser.add_argument("crops_folder", type=Path, help="the folder ocr/ of the plates")
    parser.add_argument("target", type=Path, help="where the JSON goes")
    options = parser.parse_args()
    found = calibrate(options.reader, options.crops_folder)
    options.target.write_text(json.dumps(found, indent=1))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
