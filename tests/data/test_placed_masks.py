"""Bitmaps inside of annotations: every code comes back, at its place, and broken ones say why."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carseg_lib.data.formats.brushes import painted, run_lengths
from carseg_lib.data.formats.placed_masks import PlacedMask, merged, of_polygons, png_bitmap
from carseg_lib.data.masks import polygons_to_mask
from carseg_lib.data.photos import ImageError
from tests.helpers.program_files import brush, png, runs

MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(-5, 15), st.integers(-5, 15))
def test_every_code_comes_back_at_its_place(mask, left, top):
    height, width = mask.shape
    assert (run_lengths(",".join(map(str, runs(mask))), width, height) == mask).all()
    assert (painted(brush(mask), width, height) == mask).all()
    text = base64.b64encode(png(mask)).decode()
    assert (png_bitmap(f"data:image/png;base64,{text}") == mask).all()
    assert (png_bitmap(base64.b64encode(zlib.compress(png(mask))).decode(), compressed=True) == mask).all()
    wide = np.zeros((50, 50), dtype=bool)
    wide[top + 10 : top + 10 + height, left + 10 : left + 10 + width] = mask
    placed = PlacedMask.of(mask, left, top)
    assert (placed.read(20, 20) == wide[10:30, 10:30]).all()
    both = merged([placed, PlacedMask.of(mask, left + 3, top)])
    shifted = np.roll(wide, 3, axis=1)
    assert (both.read(20, 20) == (wide | shifted)[10:30, 10:30]).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 20)), min_size=3, max_size=8))
def test_polygons_are_drawn_as_those_of_coco(points):
    flat = [value for point in points for value in point]
    assert (of_polygons([flat]).read(24, 34) == polygons_to_mask([flat], 24, 34)).mean() > 0.995


@pytest.mark.parametrize(
    ("decode", "message"),
    [
        (lambda: run_lengths("3,a", 2, 2), "not whole numbers"),
        (lambda: run_lengths("3,2", 2, 2), r"sum to 5, its mask has 2×2"),
        (lambda: painted(brush(np.ones((2, 2), dtype=bool)), 3, 2), r"has 16 values, a picture of 3×2 has 24"),
        (lambda: painted(brush(np.eye(9, dtype=bool))[:-4], 9, 9), "ends"),
        (lambda: painted([1, "a"], 1, 1), "not a list of numbers"),
        (lambda: painted([], 1, 1), "ends too early"),
        (lambda: painted([300, 0, 0, 4], 1, 1), "not a list of numbers"),
        (lambda: png_bitmap("%%%"), "no PNG written as base64"),
        (lambda: png_bitmap(base64.b64encode(b"x").decode(), compressed=True), "no PNG written as base64"),
    ],
)
def test_a_broken_code_is_said_when_its_photo_is_read(decode, message):
    mask = PlacedMask.read_by(lambda: PlacedMask.of(decode()))
    with pytest.raises(ImageError, match=message) as caught:
        mask.read(4, 4)
    assert caught.value.reason == "bad mask"


def test_a_place_far_outside_is_said():
    bitmap = np.ones((2, 2), dtype=bool)
    assert "far outside" in PlacedMask.read_by(lambda: PlacedMask.of(bitmap, 10**9)).wrong
