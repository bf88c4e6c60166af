"""Pieces: photos of cars made carless, by windows beside the cars and by shuffled patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carseg_lib.core.config import InputConfig
from carseg_lib.data.dataset import CarDataset, sample_seed
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.pieces import GRID, LEAST_SIDE, PieceDataset, free_window, make_piece, patch_grid, shuffle_patches

INPUTS = InputConfig(height=64, width=96, num_workers=0)


def drawn_from(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def boxes_of(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(boxes, np.float32)


@st.composite
def photos_with_boxes(draw) -> tuple[tuple[int, int], np.ndarray]:
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 120))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        x, y = draw(st.floats(0, width - 1)), draw(st.floats(0, height - 1))
        found.append((x, y, draw(st.floats(x + 1, width)), draw(st.floats(y + 1, height))))
    return (height, width), boxes_of(*found)


def test_the_largest_window_beside_the_cars_has_the_photos_shape():
    size = (100, 200)
    # beside the box around both: left 20 wide, right 80, above 10 high, below 30
    cars = boxes_of((20, 10, 90, 60), (60, 30, 120, 70))
    assert free_window(cars, size, 0.0, 0.0) == (120, 0, 200, 40)
    assert free_window(cars, size, 1.0, 1.0) == (120, 60, 200, 100)
    assert free_window(boxes_of((0, 0, 200, 60)), size, 0.5, 0.0) == (60, 60, 140, 100)
    assert free_window(boxes_of((0, 0, 151, 100)), size, 0.5, 0.5) is None  # 49 of 200 is less than a quarter
    assert free_window(boxes_of((0, 0, 150, 100)), size, 0.0, 0.0) == (150, 0, 200, 25)


@given(photos_with_boxes(), st.floats(0, 1), st.floats(0, 1))
def test_a_window_shows_no_part_of_a_box(photo, x, y):
    (height, width), boxes = photo
    window = free_window(boxes, (height, width), x, y)
    if window is None:
        return
    x1, y1, x2, y2 = window
    assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert all(x2 <= box[0] or x1 >= box[2] or y2 <= box[1] or y1 >= box[3] for box in boxes)
    assert x2 - x1 >= LEAST_SIDE * width - 1 and y2 - y1 >= LEAST_SIDE * height - 1


def test_a_small_car_is_cut_by_a_finer_grid():
    size = (240, 240)  # patches of 60 x 40, 30 x 20, 15 x 10
    assert patch_grid(boxes_of((20, 30, 200, 200)), size) == GRID
    assert patch_grid(boxes_of((2, 2, 38, 58)), size) == (8, 12)  # inside one patch; half as wide and high, a quarter
    assert patch_grid(boxes_of((2, 2, 18, 28)), size) == (16, 24)
    assert patch_grid(boxes_of((20, 30, 60, 90)), size) == GRID  # cut in the middle both ways: a quarter in each
    assert patch_grid(boxes_of((20, 30, 200, 200), (2, 2, 18, 28)), size) == (16, 24)  # the smallest decides
    assert patch_grid(boxes_of((0, 0, 2, 2)), (2, 2)) == (2, 2)  # a patch is a pixel at least


@given(photos_with_boxes())
def test_no_patch_holds_more_than_half_of_a_box(photo):
    (height, width), boxes = photo
    rows, columns = patch_grid(boxes, (height, width))
    assert 1 <= rows <= height and 1 <= columns <= width
    if (rows, columns) == (height, width):
        return
    h, w = height // rows, width // columns
    for x1, y1, x2, y2 in boxes.astype(float):
        for top in range(0, height, h):
            for left in range(0, width, w):
                inside = max(min(left + w, x2) - max(left, x1), 0) * max(min(top + h, y2) - max(top, y1), 0)
                assert inside <= 0.5 * (x2 - x1) * (y2 - y1) * (1 + 1e-6)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31), st.data())
def test_every_patch_moves_and_none_is_lost(rows, columns, h, w, seed, data):
    spare = data.draw(st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1)))
    image = np.zeros((rows * h + spare[0], columns * w + spare[1], 3), np.uint8)
    for k in range(rows * columns):
        top, left = k // columns * h, k % columns * w
        image[top : top + h, left : left + w] = k + 1
    shuffled = shuffle_patches(image, (rows, columns), drawn_from(seed))
    assert shuffled.shape == (rows * h, columns * w, 3)
    assert (np.sort(shuffled, axis=None) == np.sort(image[: rows * h, : columns * w], axis=None)).all()
    if rows * columns > 1:
        assert (shuffled != image[: rows * h, : columns * w]).all()


@given(arrays(np.uint8, (8, 12, 3)), st.integers(0, 2**31))
def test_a_piece_follows_from_its_seed(image, seed):
    cars = boxes_of((0, 0, 12, 4))  # below is a window
    one, other = (make_piece(image, cars, drawn_from(seed)) for _ in range(2))
    assert np.array_equal(one, other) and one.shape in ((8, 12, 3), (4, 6, 3))


def test_windows_and_patches_are_taken_half_of_the_time_where_there_is_a_window():
    image = np.zeros((40, 60, 3), np.uint8)
    window, whole = boxes_of((0, 0, 60, 20)), boxes_of((0, 0, 60, 40))
    shapes = [make_piece(image, window, drawn_from(seed)).shape for seed in range(400)]
    assert shapes.count((20, 30, 3)) == pytest.approx(200, abs=40) and set(shapes) == {(20, 30, 3), (40, 60, 3)}
    assert {make_piece(image, whole, drawn_from(seed)).shape for seed in range(40)} == {(40, 60, 3)}


def test_pieces_are_training_photos_without_boxes(synthetic_cars):
    catalogue = load_catalogue(synthetic_cars)
    cars = CarDataset(catalogue, "train", INPUTS, 3, augment=True)
    pieces = PieceDataset(catalogue, "train", INPUTS, 3, augment=True)
    assert len(pieces) == len(cars) == 12
    for i in range(len(pieces)):
        image, target = pieces[(2, i)]
        assert image.shape == (3, 64, 96) and not torch.equal(image, cars[(2, i)][0])
        assert target["boxes"].shape == (0, 4) and target["masks"].shape == (0, 64, 96)
        assert (target["labels"].dtype, target["class_id"], target["index"]) == (torch.int64, 0, i)
        assert target["seed"] == sample_seed(3, 2, f"piece of {cars.name(i)}")
        again, other = pieces[(2, i)][0], pieces[(3, i)][0]
        assert torch.equal(image, again) and not torch.equal(image, other)
