"""carseg_lib.data.boxes: overlaps as torchvision has them, and the car that a photo's class is about."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import box_iou as torchvision_box_iou

from carseg_lib.data.boxes import box_areas, box_iou, largest_instance

CORNERS = st.floats(0, 2000, width=32)
BOXES = st.tuples(CORNERS, CORNERS, CORNERS, CORNERS).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]) + 1, max(c[1], c[3]) + 1)
)


@given(BOXES, BOXES)
def test_the_overlap_is_torchvisions_to_the_bit(a, b):
    expected = float(torchvision_box_iou(torch.tensor([a]), torch.tensor([b])))
    assert box_iou(a, b) == box_iou(b, a) == expected
    assert 0 <= box_iou(a, b) <= box_iou(a, a) == 1


def test_overlaps_by_hand():
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert box_iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0.0
    assert box_iou((0, 0, 10, 10), (20, 20, 30, 30)) == 0.0
    assert box_iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0.0


def test_the_largest_car_of_a_type_or_of_all():
    cars = pd.DataFrame(
        {
            "body_type": ["suv", "sedan", "suv", "suv"],
            "x1": 0.0,
            "y1": 0.0,
            "x2": [5.0, 90.0, 20.0, 10.0],
            "y2": [10.0, 10.0, 10.0, 20.0],
            "mask": ["a", "b", "c", "d"],
        },
        index=[7, 3, 5, 1],
    )
    assert box_areas(cars).tolist() == [50, 900, 200, 200]
    car = largest_instance(cars, "suv")
    assert (car.x2, car.mask) == (20.0, "c")  # of two with 200 pixels the first
    assert largest_instance(cars).body_type == "sedan"
    with pytest.raises(ValueError, match="the photo has no minivan"):
        largest_instance(cars, "minivan")
    with pytest.raises(ValueError, match="the photo has no labelled car"):
        largest_instance(cars.iloc[:0])
