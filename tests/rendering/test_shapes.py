"""Cars drawn from the ranges: in range, the same for the same seed, overlapping between types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.classes import BODY_TYPES
from carseg_rendering.car.shapes import RANGES, sample_shape

SEEDS = st.integers(0, 10_000)
# A fastback's tail has ranges of its own.
FASTBACK = {"deck_length", "rear_rake", "roof_drop"}


@given(st.sampled_from(BODY_TYPES), SEEDS)
def test_every_number_is_in_its_range(body_type, seed):
    shape = sample_shape(body_type, np.random.default_rng(seed))
    for name, ranges in RANGES.items():
        if shape.variant == "fastback" and name in FASTBACK:
            continue
        low, high = ranges[BODY_TYPES.index(body_type)]
        if name == "nose_height":  # kept under the windscreen's base
            low = min(low, shape.cowl_height - 0.06)
        assert low <= getattr(shape, name) <= high


@given(st.sampled_from(BODY_TYPES), SEEDS)
def test_axles_lie_between_the_bumpers_and_the_cabin_behind_the_hood(body_type, seed):
    shape = sample_shape(body_type, np.random.default_rng(seed))
    half = shape.length / 2
    assert -half + shape.wheel_radius < shape.rear_axle < shape.front_axle < half - shape.wheel_radius
    assert shape.front_axle - shape.rear_axle == pytest.approx(shape.wheelbase)
    assert shape.nose_height < shape.cowl_height < shape.height
    assert shape.hood_length + shape.deck_length < 0.6 * shape.length


@given(st.sampled_from(BODY_TYPES), SEEDS)
def test_the_same_seed_gives_the_same_car(body_type, seed):
    one, two = (sample_shape(body_type, np.random.default_rng(seed)) for _ in range(2))
    assert one == two


def test_neighbouring_types_overlap_in_every_outside_measure():
    pairs = [("suv", "minivan"), ("suv", "sedan"), ("sedan", "convertible"), ("sedan", "minivan")]
    for name in ("length", "width", "nose_height", "hood_length", "belt_rise"):
        for one, two in pairs:
            a, b = (RANGES[name][BODY_TYPES.index(body_type)] for body_type in (one, two))
            assert max(a[0], b[0]) < min(a[1], b[1]), (name, one, two)


def test_what_types_have():
    rng = np.random.default_rng(0)
    cars = {body_type: [sample_shape(body_type, rng) for _ in range(400)] for body_type in BODY_TYPES}
    soft = np.mean([car.variant == "soft top" for car in cars["convertible"]])
    assert 0.14 < soft < 0.27  # about one in five
    assert {car.variant for car in cars["sedan"]} == {"saloon", "fastback"}
    assert all(car.has_roof for body_type in ("suv", "sedan", "minivan") for car in cars[body_type])
    assert np.mean([car.sliding_door for car in cars["minivan"]]) > 0.85
    assert not any(car.spare_wheel for car in cars["minivan"] + cars["sedan"])
    assert any(car.spare_wheel for car in cars["suv"])


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match=r"'truck' is none of suv, sedan"):
        sample_shape("truck", np.random.default_rng(0))
