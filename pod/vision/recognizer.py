"""Reads the characters of plate crops with an ONNX model of fast-plate-ocr's contract.

The contract is that project's plate configuration: uint8 crops of one size in, a probability per slot and
character out. Its own code takes the configuration and prepares the crops, so its models fit here.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from fast_plate_ocr.core.process import resize_image
from fast_plate_ocr.inference.config import PlateConfig

from models.registry import Manifest, ModelError
from pod.domain.reads import ALPHABET, SLOTS
from pod.vision.network_faults import NetworkFaults
from pod.vision.session import ProviderChoice, answer_to, open_session

_MOST_CROPS = 8
"""Crops of one inference: larger batches gain no time and cost memory."""


_SUM_WITHIN = 0.01


class Recognizer:
    """A loaded recogniser. Several threads may call it at the same time."""

    def __init__(self, manifest: Manifest, provider: ProviderChoice, *, threads: int) -> None:
        """Loads the weights and runs them once.

        Attributes:
            faults: what it failed at since.

        Raises:
            ModelError: the weights cannot be loaded, or read other characters than PlateBridge compares.
        """
        self._config = _plate_config(manifest)
        self._session, self.provider = open_session(manifest.file, provider, threads=threads)
        self.name = manifest.name
        self.faults = NetworkFaults()
        inputs = self._session.get_inputs()
        outputs = [output.name for output in self._session.get_outputs()]
        if len(inputs) != 1 or not outputs:
            raise _other_shape(manifest, f"it has {len(inputs)} inputs and {len(outputs)} outputs")
        self._output, self._file = "plate" if "plate" in outputs else outputs[0], manifest.file
        expected = [self._config.img_height, self._config.img_width, 3]
        said = manifest.input
        if said is not None and [said.height, said.width, 3] != expected:
            raise _other_shape(
                manifest, f"its manifest says {said.height} x {said.width}, its plate_config {expected}"
            )
        if inputs[0].type != "tensor(uint8)" or list(inputs[0].shape)[1:] != expected:
            raise _other_shape(manifest, f"it takes {inputs[0].type} {list(inputs[0].shape)}")
        self.height_px, self.width_px = self._config.img_height, self._config.img_width
        self._batch = 1 if inputs[0].shape[0] == 1 else _MOST_CROPS
        answer = self._run(self._first_crop(manifest))
        if answer.shape != (1, SLOTS, len(ALPHABET)):
            raise _other_shape(manifest, f"it answers with shape {answer.shape}")
        if not _are_probabilities(answer):
            raise _other_shape(manifest, "its answers are no probabilities; export it with its softmax")

    def read(self, crops: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        """Reads plates.

        Args:
            crops: each of shape (h, w, 3), uint8, RGB, h and w at least 1; the plate with a little margin.

        Returns:
            shape (len(crops), SLOTS, len(ALPHABET)), float32: per slot, a probability for each character.

        Raises:
            ModelError: the network cannot be computed, or its answer is no such table; noted in `faults`.
        """
        with self.faults.noted():
            answers = [
                self._answered(crops[start : start + self._batch])
                for start in range(0, len(crops), self._batch)
            ]
        if not answers:
            return np.empty((0, SLOTS, len(ALPHABET)), np.float32)
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def _answered(self, crops: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.float32]:
        answer = self._run(self._prepared(crops))
        if answer.shape != (len(crops), SLOTS, len(ALPHABET)) or not _are_probabilities(answer):
            raise ModelError(
                f"{self._file}: answers a plate with what is no probability: export the model again, or go "
                "back to the bundled one"
            )
        return answer

    def _first_crop(self, manifest: Manifest) -> npt.NDArray[np.uint8]:
        try:
            return self._prepared([np.full((8, 30, 3), 114, np.uint8)])
        except (LookupError, TypeError, ValueError, cv2.error) as error:
            raise ModelError(
                f"{manifest.file}: by its plate_config no crop can be resized ({error!r}): take the YAML "
                "file that the model was trained with"
            ) from error

    def _prepared(self, crops: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
        config = self._config
        batch = np.empty((len(crops), config.img_height, config.img_width, 3), np.uint8)
        for place, crop in zip(batch, crops, strict=True):
            place[:] = resize_image(
                crop,
                config.img_height,
                config.img_width,
                image_color_mode=config.image_color_mode,
                keep_aspect_ratio=config.keep_aspect_ratio,
                interpolation_method=config.interpolation,
                padding_color=config.padding_color,
            )
        return batch

    def _run(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return answer_to(self._session, batch, output=self._output, network=str(self._file))


def _are_probabilities(answer: npt.NDArray[np.float32]) -> bool:
    """Whether every slot (…, len(ALPHABET)) is a distribution; what is no number is none."""
    with np.errstate(all="ignore"):
        return bool((answer >= 0).all() and (np.abs(answer.sum(axis=-1) - 1) < _SUM_WITHIN).all())


def _plate_config(manifest: Manifest) -> PlateConfig:
    try:
        config = PlateConfig(**(manifest.plate_config or {}))
    except TypeError as error:
        raise ModelError(
            f"{manifest.file}: its plate_config is not fast-plate-ocr's: {error}: take the YAML file that "
            "the model was trained with"
        ) from error
    if (config.alphabet, config.pad_char) != (ALPHABET, ALPHABET[-1]):
        raise ModelError(
            f"{manifest.file}: reads the characters '{config.alphabet}', padded with '{config.pad_char}': "
            f"use a model trained for '{ALPHABET}' with '{ALPHABET[-1]}' as padding"
        )
    if config.max_plate_slots != SLOTS:
        raise ModelError(
            f"{manifest.file}: has {config.max_plate_slots} slots: use a model trained for {SLOTS}"
        )
    if config.image_color_mode != "rgb":
        raise ModelError(
            f"{manifest.file}: takes {config.image_color_mode} pictures: use a model trained for rgb"
        )
    return config


def _other_shape(manifest: Manifest, found: str) -> ModelError:
    return ModelError(
        f"{manifest.file}: not a plate recogniser of the expected shape: {found}: use one exported by "
        f"fast-plate-ocr for {SLOTS} slots of {len(ALPHABET)} characters, with its own configuration"
    )
