"""The denoiser: less noise, the same light, sharp edges where the guide has one."""

from __future__ import annotations

import numpy as np
import pytest

from carseg_rendering.camera.denoising import denoise


def noisy(mean: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (mean * rng.gamma(12, 1 / 12, mean.shape)).astype(np.float32)


def test_noise_on_an_even_surface_shrinks_and_the_light_stays():
    light = noisy(np.full((60, 80, 3), 0.5))
    clean = denoise(light, np.zeros((60, 80, 2)))
    assert clean.shape == (60, 80, 3)
    assert clean.std() < 0.35 * light.std()
    assert clean.mean() == pytest.approx(0.5, rel=0.03)


def test_an_edge_of_the_guide_stays_sharp():
    mean = np.full((40, 60, 3), 0.2)
    mean[:, 30:] = 0.3
    guide = np.zeros((40, 60, 1))
    guide[:, 30:] = 8.0
    clean = denoise(noisy(mean), guide).mean(axis=(0, 2))
    assert clean[29] == pytest.approx(0.2, rel=0.05)
    assert clean[30] == pytest.approx(0.3, rel=0.05)


def test_a_strong_edge_of_the_light_alone_stays():
    mean = np.full((40, 60, 3), 0.1)
    mean[:, 30:] = 1.5
    clean = denoise(noisy(mean), np.zeros((40, 60, 1))).mean(axis=(0, 2))
    assert clean[28] < 0.2
    assert clean[31] > 1.2


def test_a_clean_picture_is_left_as_it_is():
    light = np.full((20, 20, 3), 0.7, dtype=np.float32)
    assert denoise(light, np.zeros((20, 20, 1))) == pytest.approx(light, rel=1e-5)
