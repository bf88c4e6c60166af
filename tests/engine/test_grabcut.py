import numpy as np
import pytest

from carseg_lib.data.masks import mask_iou
from carseg_lib.engine.pseudo_labels.grabcut import LARGEST, GrabCutAnnotator


def disc(height, width, y, x, radius):
    """A red disc on a noisy green ground, and its mask."""
    ys, xs = np.mgrid[:height, :width]
    mask = (ys - y) ** 2 + (xs - x) ** 2 < radius**2
    noise = np.random.default_rng(0).integers(0, 30, (height, width, 3))
    photo = np.where(mask[..., None], (190, 40, 40), (40, 150, 60)) + noise
    return photo.astype(np.uint8), mask


@pytest.mark.parametrize("scale", [1, 8])  # the second is larger than what GrabCut is given
def test_a_thing_of_another_colour_is_found_in_its_box(scale):
    photo, mask = disc(120 * scale, 160 * scale, 60 * scale, 80 * scale, 40 * scale)
    assert (max(photo.shape) > LARGEST) == (scale == 8)
    box = tuple(float(v * scale) for v in (36, 16, 124, 104))
    (found,) = GrabCutAnnotator().instances([photo], [[box]])[0]
    assert found.box == box and found.mask.shape == mask.shape and found.mask.dtype == bool
    assert mask_iou(found.mask, mask) > 0.97
    assert found.score == 1 and found.stability > 0.97


def test_it_repeats_itself_and_gives_each_box_its_own_mask():
    photo, mask = disc(120, 160, 60, 80, 40)
    boxes = [(36.0, 16.0, 124.0, 104.0), (0.0, 0.0, 160.0, 120.0)]
    first, again = (GrabCutAnnotator().instances([photo, photo], [boxes, []]) for _ in range(2))
    assert [len(of_photo) for of_photo in first] == [2, 0]
    for one, other in zip(first[0], again[0], strict=True):
        assert np.array_equal(one.mask, other.mask) and one.stability == other.stability
    assert mask_iou(first[0][1].mask, mask) > 0.9  # a box that is the whole photo
