import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.engine.inference import paste_mask


def test_a_full_mask_covers_the_pixels_whose_centres_are_in_the_box():
    mask = paste_mask(np.ones((28, 28), np.float32), (10.3, 5.6, 40.5, 25.4), 40, 60)
    assert np.flatnonzero(mask.any(0))[[0, -1]].tolist() == [10, 39]
    assert np.flatnonzero(mask.any(1))[[0, -1]].tolist() == [6, 24]
    assert mask.sum() == 30 * 19


def test_an_edge_inside_the_box_is_where_the_probability_is_a_half():
    half = np.zeros((28, 28), np.float32)
    half[:, :14] = 1
    for left in (10.0, 10.25, 10.75):  # the edge moves with the box, not by whole pixels
        mask = paste_mask(half, (left, 0, left + 280.0, 20), 20, 300)
        assert np.flatnonzero(mask[0])[-1] + 0.5 <= left + 140 < np.flatnonzero(mask[0])[-1] + 1.5


@given(st.floats(5, 90), st.floats(5, 60), st.floats(16, 60), st.floats(16, 60))
@settings(max_examples=60, deadline=None)
def test_a_disc_is_pasted_where_it_was(x, y, width, height):
    steps = (np.arange(28) + 0.5) / 28 - 0.5
    # falls from 1 in the middle through 0.5 at radius 0.4
    soft = (1 - np.hypot(steps[:, None], steps[None]) / 0.8).clip(0, 1).astype(np.float32)
    mask = paste_mask(soft, (x, y, x + width, y + height), 130, 160)
    ys, xs = np.nonzero(mask)
    assert mask.sum() == pytest.approx(np.pi * 0.16 * width * height, rel=0.15)
    assert xs.mean() + 0.5 == pytest.approx(x + width / 2, abs=0.4)
    assert ys.mean() + 0.5 == pytest.approx(y + height / 2, abs=0.4)


@pytest.mark.parametrize("box", [(-20, -20, 200, 200), (-9, 3, -2, 9), (70, 70, 90, 90), (5, 5, 5, 5)])
def test_what_lies_outside_the_photo_is_cut_and_nothing_fails(box):
    mask = paste_mask(np.ones((28, 28), np.float32), box, 40, 60)
    assert mask.shape == (40, 60) and mask.dtype == bool
    assert mask.all() == (box[0] == -20) and mask.any() == (box[0] == -20)
