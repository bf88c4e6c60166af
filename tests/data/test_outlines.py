"""Masks as polygons: they make the same masks again, holes, parts and single pixels included."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.paths import builtin_archive
from carseg_lib.data.catalogue import SPLITS
from carseg_lib.data.masks import decode_segmentation, polygons_to_mask
from carseg_lib.data.outlines import mask_outline, mask_outlines


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.02, 0.98), st.integers(1, 5), st.integers(0, 2**32))
def test_polygons_make_the_same_mask_again(height, width, share, scale, seed):
    coarse = np.random.default_rng(seed).random((height, width)) < share
    mask = np.kron(coarse, np.ones((scale, scale), bool))
    assert bool(mask_outlines(mask)) == mask.any()
    if mask.any():
        assert np.array_equal(polygons_to_mask(mask_outlines(mask), *mask.shape), mask)
        assert np.array_equal(polygons_to_mask([mask_outline(mask)], *mask.shape), mask)


def test_a_part_a_polygon_and_a_hole_none():
    mask = np.zeros((40, 60), bool)
    mask[5:30, 5:40] = mask[33:36, 50:55] = True
    mask[10:20, 10:20] = False
    large, small = mask_outlines(mask)
    assert len(small) == 8 and len(large) <= 2 * 16
    assert (min(small[::2]), max(small[1::2])) == (50.25, 35.75)
    assert len(mask_outline(mask)) <= len(large) + len(small) + 4


def test_a_mask_of_nothing_has_no_outline():
    assert mask_outlines(np.zeros((4, 5), bool)) == []
    with pytest.raises(ValueError, match="no pixels inside"):
        mask_outline(np.zeros((4, 5), bool))


@pytest.mark.slow
def test_every_mask_of_the_embedded_set_comes_back_from_its_polygons():
    with zipfile.ZipFile(builtin_archive()) as packed:
        tables = [json.loads(packed.read(f"annotations/{split}.json")) for split in SPLITS]
    number = 0
    for annotation in (one for table in tables for one in table["annotations"]):
        mask = decode_segmentation(annotation["segmentation"], 160, 240)
        assert np.array_equal(polygons_to_mask(mask_outlines(mask), 160, 240), mask)
        assert np.array_equal(polygons_to_mask([mask_outline(mask)], 160, 240), mask)
        number += 1
    assert number == 3152
