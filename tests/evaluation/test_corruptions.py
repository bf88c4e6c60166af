"""carseg_lib.evaluation.corruptions: what each corruption does to a photo, and that nothing but its name decides it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.evaluation.corruptions import CORRUPTIONS, SEVERITIES, blacken_corners, corrupt, rotate


def photo(height=64, width=96, seed=0):
    rng = np.random.default_rng(seed)
    smooth = np.linspace(40, 200, width)[None, :, None] + rng.uniform(-30, 30, (height, width, 3))
    return smooth.clip(0, 255).astype(np.uint8)


def distance(a, b):
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_stronger_severity_changes_the_photo_more(name):
    image = photo(224, 224)
    before = image.copy()
    changed = [corrupt(image, name, severity, seed=3, photo_id="a.jpg") for severity in SEVERITIES]
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in changed)
    assert (image == before).all()
    far = [distance(image, one) for one in changed]
    assert far[0] > 0
    if name != "fog":  # a thicker fog is also smoother: severities 3 and 4 differ in the clouds alone
        assert far == sorted(far) and far[4] > far[0]
    else:
        contrast = [one.std() for one in changed]
        assert far[4] > far[0] and max(contrast) < image.std() * 1.2


@given(st.sampled_from(list(CORRUPTIONS)), st.sampled_from(SEVERITIES), st.integers(64, 130), st.integers(64, 130))
def test_it_depends_on_seed_and_photo_alone(name, severity, height, width):
    image = photo(height, width)
    first = corrupt(image, name, severity, seed=1, photo_id="a.jpg")
    assert first.shape == image.shape
    np.random.seed(0)  # noqa: NPY002 - the global state must not matter
    assert (corrupt(image, name, severity, seed=1, photo_id="a.jpg") == first).all()
    same = (corrupt(image, name, severity, seed=2, photo_id="a.jpg") == first).all()
    other = (corrupt(image, name, severity, seed=1, photo_id="b.jpg") == first).all()
    random = name in ("gaussian_noise", "motion_blur", "fog")
    assert same == other == (not random)


def test_noise_has_the_deviation_that_its_severity_says():
    grey = np.full((224, 224, 3), 128, np.uint8)
    noise = corrupt(grey, "gaussian_noise", 1, seed=0, photo_id="a").astype(float) - 128
    assert noise.std() / 255 == pytest.approx(0.08, rel=0.01)
    assert noise.mean() == pytest.approx(0, abs=0.3)


def test_contrast_is_kept_by_the_share_that_its_severity_says_about_each_channels_mean():
    image = np.zeros((10, 10, 3), np.uint8)
    image[:5] = (100, 200, 0)
    low = corrupt(image, "contrast", 3, seed=0, photo_id="a")  # a fifth: 50 ± 10, 100 ± 20, 0
    assert low[0, 0].tolist() == [60, 120, 0] and low[9, 0].tolist() == [40, 80, 0]


def test_brightness_raises_the_largest_channel_and_keeps_the_hue():
    image = np.array([[[100, 50, 0], [0, 0, 0], [255, 255, 255]]], np.uint8)
    bright = corrupt(image, "brightness", 1, seed=0, photo_id="a")[0]  # + 25.5 of 255
    assert bright[0].tolist() == [126, 63, 0]  # 125.5 / 100 of each
    assert bright[1].tolist() == [26, 26, 26] and bright[2].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["defocus_blur", "motion_blur"])
def test_a_blur_keeps_the_light_and_spreads_a_point(name):
    image = np.zeros((224, 224, 3), np.uint8)
    image[110:114, 110:114] = 240
    blurred = [corrupt(image, name, severity, seed=0, photo_id="a") for severity in (1, 5)]
    lit = [(one[..., 0] > 0).sum() for one in blurred]
    assert 16 < lit[0] < lit[1]
    assert blurred[0].max() < 240 and blurred[0].sum() == pytest.approx(image.sum(), rel=0.05)
    kernel = np.argwhere(blurred[0][..., 0] > 0)
    rows, columns = np.ptp(kernel, axis=0)
    # radius 3 about a point of 4 pixels; a trail of 20 pixels, at most 45° from the level
    assert (rows, columns) == (9, 9) if name == "defocus_blur" else columns > rows


def test_a_blur_grows_with_the_photo():
    small, large = np.zeros((224, 224, 3), np.uint8), np.zeros((448, 448, 3), np.uint8)
    small[112, 112] = large[224, 224] = 255
    spread = [
        np.ptp(np.argwhere(corrupt(image, "defocus_blur", 1, seed=0, photo_id="a")[..., 0] > 0), axis=0)[0]
        for image in (small, large)
    ]
    assert spread == [6, 12]


def test_pixelation_leaves_a_block_for_each_pixel_that_is_kept():
    image = photo(224, 224)
    blocks = corrupt(image, "pixelate", 5, seed=0, photo_id="a")  # a quarter of the rows: blocks of 4 × 4
    assert (blocks[::4] == blocks[3::4]).all() and (blocks[:, ::4] == blocks[:, 3::4]).all()
    assert np.abs(blocks[0, 0] - image[:4, :4].mean(axis=(0, 1))).max() <= 1


def test_rotation_by_quarter_turns_is_exact_and_others_blacken_the_corners():
    image = photo(64, 64) | 1  # no pixel is black
    assert (rotate(image, 90) == np.rot90(image)).all()
    assert (rotate(image, 180) == image[::-1, ::-1]).all()
    turned, upright = rotate(image, 45), blacken_corners(image, 45)
    assert ((turned == 0) == (upright == 0)).all() and (upright[0, 0] == 0).all()
    assert (upright[32, 32] == image[32, 32]).all() and (upright[upright > 0] == image[upright > 0]).all()
    # a square turned by 45° leaves an octagon of 2(√2 - 1) = 82.8% of its area
    assert (upright[..., 0] > 0).mean() == pytest.approx(0.828, abs=0.03)
