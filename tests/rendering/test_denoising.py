"""The denoiser: less noise, the same light, sharp edges."""

from __future__ import annotations

import numpy as np
import pytest

from carseg_rendering.camera.denoising import denoise

pytest.importorskip("mitsuba_oidn", reason="needs the renderer: make setup-rendering")


def noisy(mean: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (mean * rng.gamma(12, 1 / 12, mean.shape)).astype(np.float32)


def test_noise_on_an_even_surface_shrinks_and_the_light_stays():
    light = noisy(np.full((60, 80, 3), 0.5))
    clean = denoise(light)
    assert clean.shape == (60, 80, 3) and clean.dtype == np.float32
    assert clean.std() < 0.2 * light.std()
    assert clean.mean() == pytest.approx(0.5, rel=0.03)


def test_an_edge_stays_sharp():
    mean = np.full((40, 60, 3), 0.1)
    mean[:, 30:] = 1.5
    clean = denoise(noisy(mean)).mean(axis=(0, 2))
    assert clean[28] < 0.15 and clean[31] > 1.3


def test_light_above_white_is_kept():
    light = np.full((40, 40, 3), 0.2, dtype=np.float32)
    light[10:30, 10:30] = 20.0  # a lamp
    assert denoise(light)[15:25, 15:25].mean() == pytest.approx(20, rel=0.05)


def test_it_is_the_same_each_time():
    light = noisy(np.full((40, 60, 3), 0.4))
    assert np.array_equal(denoise(light), denoise(light))
