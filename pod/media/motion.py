"""Does anything move? A cheap look at a thinned brightness plane: a still scene costs no inference."""

import cv2
import numpy as np
import numpy.typing as npt

_SAMPLES_WIDE = 240
"""The plane is thinned to about this many columns; a car 100 pixels wide at 1080p still covers 12 of them."""

_LEARNING_RATE = 0.08
"""How fast the background follows, a frame: at 10 frames a second a car that stopped fades in about 3 s."""

_LEAST_CHANGE = 10.0
"""Grey levels by which a sample must differ, however quiet the picture is."""

_NOISE_FACTOR = 6.0
"""Samples must differ by this many times the median difference of the frame: night gain is noisy all over."""

_LEAST_AREA = 0.0008
"""Share of the samples that must differ."""

_MEDIAN_STEP = 4
"""Medians are taken over every fourth sample each way: they cost more than all else here."""


class MotionGate:
    """Compares each frame with a slowly following background. Not thread-safe: one camera's loop owns it."""

    def __init__(self) -> None:
        self._background: npt.NDArray[np.float32] | None = None

    def is_moving(self, luma: npt.NDArray[np.uint8]) -> bool:
        """Whether something in the view changed against the background.

        A change of the whole picture's brightness (a cloud, automatic exposure) is no motion. The first frame
        of a view, and the first of another size, count as moving.

        Args:
            luma: shape (H, W), uint8; a strided view will do.
        """
        step = max(1, luma.shape[1] // _SAMPLES_WIDE)
        thin = cv2.blur(np.ascontiguousarray(luma[::step, ::step]), (3, 3)).astype(np.float32)
        background = self._background
        if background is None or background.shape != thin.shape:
            self._background = thin
            return True
        difference = thin - background
        cv2.accumulateWeighted(thin, background, _LEARNING_RATE)
        change = np.abs(difference - np.median(difference[::_MEDIAN_STEP, ::_MEDIAN_STEP]))
        noise = float(np.median(change[::_MEDIAN_STEP, ::_MEDIAN_STEP]))
        threshold = max(_LEAST_CHANGE, _NOISE_FACTOR * noise)
        return bool(np.count_nonzero(change > threshold) > _LEAST_AREA * change.size)
