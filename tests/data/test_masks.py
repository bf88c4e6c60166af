import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carseg_lib.data.masks import (
    box_of_mask,
    decode_mask,
    decode_segmentation,
    encode_mask,
    mask_area,
    polygons_to_mask,
)

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda shape: arrays(bool, shape))


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run lengths by the definition: column by column, the first run outside."""
    runs, inside = [0], False
    for pixel in mask.T.ravel():
        if pixel != inside:
            runs.append(0)
            inside = pixel
        runs[-1] += 1
    return runs


@given(masks)
def test_a_mask_survives_encoding(mask):
    counts = encode_mask(mask)
    back = decode_mask(counts, *mask.shape)
    assert back.dtype == bool
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, mask)
    assert mask_area(counts, *mask.shape) == mask.sum()


@given(masks)
def test_uncompressed_run_lengths_give_the_same_mask(mask):
    segmentation = {"size": list(mask.shape), "counts": run_lengths(mask)}
    np.testing.assert_array_equal(decode_segmentation(segmentation, *mask.shape), mask)


@given(masks.filter(lambda mask: mask.any()))
def test_the_box_is_the_smallest_that_holds_the_mask(mask):
    x1, y1, x2, y2 = map(int, box_of_mask(mask))
    assert mask[y1:y2, x1:x2].sum() == mask.sum()
    assert mask[y1, x1:x2].any() and mask[y2 - 1, x1:x2].any()
    assert mask[y1:y2, x1].any() and mask[y1:y2, x2 - 1].any()


def test_coco_counts_known_by_hand():
    mask = np.zeros((5, 7), dtype=bool)
    mask[1:3, 2:5] = True  # runs 11 2 3 2 3 2 12
    assert run_lengths(mask) == [11, 2, 3, 2, 3, 2, 12]
    assert encode_mask(mask) == ";230009"
    assert box_of_mask(mask) == (2.0, 1.0, 5.0, 3.0)


def test_encoding_does_not_depend_on_memory_order_or_type():
    mask = np.random.default_rng(0).random((9, 4)) > 0.5
    assert encode_mask(np.asfortranarray(mask)) == encode_mask(mask) == encode_mask(mask.astype(np.uint8))
    assert encode_mask(mask.astype(np.uint8) * 255) == encode_mask(mask)


def test_polygons_fill_and_join():
    square, bar = [1, 1, 4, 1, 4, 3, 1, 3], [5, 0, 7, 0, 7, 5, 5, 5]
    mask = polygons_to_mask([square, bar], 5, 7)
    expected = np.zeros((5, 7), dtype=bool)
    expected[1:3, 1:4] = True
    expected[:, 5:7] = True
    np.testing.assert_array_equal(mask, expected)
    assert polygons_to_mask([[-9, -9, 20, -9, 20, 20, -9, 20]], 5, 7).all()


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 2]], "at least three points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "at least three points"),
        ([[1, 2, 3, 4, 5, "six"]], "a list of numbers"),
        ([[1, 2, 3, 4, 5, float("nan")]], "far outside"),
        ([[1, 2, 3, 4, 5, 1e30]], "far outside"),
        ([3], "at least three points"),
        ("polygon", "neither polygons nor run lengths"),
        ({"size": [5, 7]}, "neither polygons nor run lengths"),
        ({"size": [7, 5], "counts": ";230009"}, r"size \[7, 5\] is not the photo's \[5, 7\]"),
        ({"size": [5, 7], "counts": "5"}, "do not make a mask of 7×5"),
        ({"size": [5, 7], "counts": "zzzz"}, "do not make a mask"),
        ({"size": [5, 7], "counts": "é"}, "do not make a mask"),
        ({"size": [5, 7], "counts": ""}, "do not make a mask"),
        ({"size": [5, 7], "counts": [30, 6]}, "sum to 36, the photo has 35"),
        ({"size": [5, 7], "counts": [36, -1]}, "whole numbers from 0"),
        ({"size": [5, 7], "counts": [34.5, 0.5]}, "whole numbers from 0"),
        ({"size": [5, 7], "counts": None}, "whole numbers from 0"),
    ],
)
def test_a_malformed_segmentation_is_a_value_error(segmentation, message):
    with pytest.raises(ValueError, match=message):
        decode_segmentation(segmentation, 5, 7)


def test_there_is_no_box_of_nothing_and_no_mask_of_no_size():
    with pytest.raises(ValueError, match="no pixels inside"):
        box_of_mask(np.zeros((3, 3), dtype=bool))
    with pytest.raises(ValueError, match=r"got shape \(0, 4\)"):
        encode_mask(np.zeros((0, 4), dtype=bool))
    with pytest.raises(ValueError, match="no polygon"):
        polygons_to_mask([], 3, 3)
