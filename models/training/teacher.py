"""Ask another recogniser what a plate says, with its doubts: a soft target to learn from.

Hinton et al., "Distilling the knowledge in a neural network" (2015). Several views of one plate are averaged,
which reads more plates than any of them alone.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import yaml

from models.training.alphabet import ALPHABET, SLOTS, Shares
from models.training.crops import Box, Picture
from models.training.views import view

View = tuple[float, tuple[float, float]]
"""Margin and shift, shares of the box's size."""


class Teacher:
    """A recogniser as fast-plate-ocr exports it, for ten slots of 0-9A-Z_, with a head for the country."""

    def __init__(self, onnx_file: Path) -> None:
        """Opens the network, and beside it the YAML file whose name goes on with `_plate_config`.

        Raises:
            FileNotFoundError: one of the two is missing.
            ValueError: it reads other characters, or names no country.
        """
        config = onnx_file.with_name(f"{onnx_file.stem}_plate_config.yaml")
        for needed in (onnx_file, config):
            if not needed.exists():
                raise FileNotFoundError(f"{needed}: missing: a teacher is a network and its configuration")
        described = yaml.safe_load(config.read_text())
        if (described["alphabet"], described["max_plate_slots"]) != (ALPHABET, SLOTS):
            raise ValueError(f"{config}: must read {SLOTS} slots of {ALPHABET}: use another teacher")
        if not described.get("plate_regions"):
            raise ValueError(f"{config}: names no plate_regions: use a teacher that tells the country")
        self._regions: list[str] = described["plate_regions"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(onnx_file), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def ask(self, picture: Picture, box: Box, views: tuple[View, ...]) -> tuple[Shares, str]:
        """Mean probabilities over the views, and the country."""
        shares = np.zeros((SLOTS, len(ALPHABET)), np.float32)
        regions = np.zeros(len(self._regions), np.float32)
        for margin, shift in views:
            seen = view(picture, box, margin=margin, shift=shift)
            plate, region = self._session.run(None, {self._input: seen[None]})
            shares += plate.reshape(shares.shape) / len(views)
            regions += region.reshape(-1) / len(views)
        return shares, self._regions[int(regions.argmax())]
