"""The look that decides whether a frame is worth inference."""

import numpy as np
import numpy.typing as npt
import pytest

from pod.media.motion import MotionGate

HEIGHT, WIDTH = 540, 960
RNG = np.random.default_rng(5)
SCENE = np.kron(RNG.integers(40, 180, (27, 48)), np.ones((20, 20))).astype(np.float32)
NOISE = RNG.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)


def seen(scene: npt.NDArray[np.float32], noise: float = 2.0) -> npt.NDArray[np.uint8]:
    """What a camera with that much noise (standard deviation, grey levels) makes of a scene."""
    return np.clip(scene + noise * np.roll(NOISE, RNG.integers(0, NOISE.size)), 0, 255).astype(np.uint8)


def with_car(left_px: int, width_px: int = 50) -> npt.NDArray[np.float32]:
    scene = SCENE.copy()
    scene[300 : 300 + width_px * 3 // 4, left_px : left_px + width_px] = 230
    return scene


def accustomed(noise: float = 2.0) -> MotionGate:
    gate = MotionGate()
    for _ in range(5):
        gate.is_moving(seen(SCENE, noise))
    return gate


@pytest.mark.parametrize("noise", [1.0, 4.0, 12.0], ids=["day", "dusk", "night"])
def test_a_still_scene_is_still_however_noisy_the_camera(noise: float) -> None:
    gate = accustomed(noise)
    assert not any(gate.is_moving(seen(SCENE, noise)) for _ in range(10))


@pytest.mark.parametrize("noise", [2.0, 12.0], ids=["day", "night"])
def test_a_car_that_comes_in_is_motion(noise: float) -> None:
    gate = accustomed(noise)
    assert all(gate.is_moving(seen(with_car(100 + 20 * step), noise)) for step in range(10))


def test_a_car_that_creeps_is_motion() -> None:
    gate = accustomed()
    moving = [gate.is_moving(seen(with_car(100 + 2 * step, 150))) for step in range(30)]
    assert sum(moving) > 20


@pytest.mark.parametrize("step", [25.0, -25.0], ids=["brighter", "darker"])
def test_a_change_of_light_over_the_whole_picture_is_no_motion(step: float) -> None:
    gate = accustomed()
    assert not any(gate.is_moving(seen(SCENE + step)) for _ in range(5))


def test_a_car_that_stopped_becomes_part_of_the_scene() -> None:
    gate = accustomed()
    moving = [gate.is_moving(seen(with_car(350))) for _ in range(60)]
    assert moving[0]
    assert not any(moving[-5:])


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (240, 320)], ids=["first", "another-size"])
def test_the_first_frame_of_a_view_counts_as_motion(size: tuple[int, int]) -> None:
    gate = MotionGate() if size == (HEIGHT, WIDTH) else accustomed()
    assert gate.is_moving(np.full(size, 90, np.uint8))
