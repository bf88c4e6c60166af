"""Whole cars: as large as their shape says, nothing sticks out, the parts of their type are there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.core.classes import BODY_TYPES
from carseg_rendering.car.assembly import build_car
from carseg_rendering.car.body import BodySurface
from carseg_rendering.car.greenhouse import build_shell
from carseg_rendering.car.outlines import inward, outline
from carseg_rendering.car.paints import sample_look
from carseg_rendering.car.shapes import CarShape, sample_shape

CARS = st.tuples(st.sampled_from(BODY_TYPES), st.integers(0, 10_000))


def shape_of(car: tuple[str, int]) -> CarShape:
    return sample_shape(car[0], np.random.default_rng(car[1]))


@given(st.floats(2, 9), st.floats(2, 9))
def test_an_outline_is_as_long_and_wide_as_asked(front, rear):
    points = outline(2.0, -2.5, 0.9, (front, rear), 101)
    assert points[0] == pytest.approx([2.0, 0.0], abs=1e-9)
    assert points[-1] == pytest.approx([-2.5, 0.0], abs=1e-9)
    assert points[:, 1].max() == pytest.approx(0.9, rel=0.01)
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert steps == pytest.approx(np.full(100, steps.mean()), rel=0.1)
    assert (((points - [-0.25, 0]) * inward(points)).sum(axis=1) < 0).all()


@settings(deadline=None, max_examples=25)
@given(CARS)
def test_the_body_is_as_large_as_its_shape(car):
    shape = shape_of(car)
    points = BodySurface(shape).points
    assert np.isfinite(points).all()
    assert np.ptp(points[..., 0]) == pytest.approx(shape.length, abs=0.02)
    assert 2 * points[..., 1].max() == pytest.approx(shape.width, abs=0.02)
    assert points[..., 2].min() == pytest.approx(shape.clearance, abs=0.02)
    assert (np.diff(points[..., 2], axis=1) > 0).all()  # upwards, without folds


@settings(deadline=None, max_examples=25)
@given(CARS, st.floats(0, 220), st.floats(0.05, 0.95))
def test_points_asked_for_lie_on_the_body_and_lift_moves_them_outwards(car, around, share):
    body = BodySurface(shape_of(car))
    low, high = body.points[round(around), [0, -1], 2]
    z = low + share * (high - low)
    on, off = (body.at(np.array([around]), np.array([z]), lift)[0] for lift in (0.0, 0.02))
    nearest = np.linalg.norm(body.points - on, axis=-1).min()
    assert nearest < 0.06
    assert np.linalg.norm(off - on) == pytest.approx(0.02, abs=0.002)
    assert ((off - on)[:2] * (on[:2] - [0, 0]) > -1e-3).all()


@settings(deadline=None, max_examples=25)
@given(CARS)
def test_the_greenhouse_stands_on_the_body_and_reaches_the_roof(car):
    shape = shape_of(car)
    body, cabin = build_shell(shape)
    assert (cabin.base[:, 1] <= body.reach(cabin.base[:, 0]) + 1e-9).all()  # inside the shoulders
    assert cabin.base[:, 0].max() == pytest.approx(body.cowl_x, abs=0.01)
    assert cabin.roof[:, 2].max() <= shape.height
    assert cabin.skin().vertices[:, 2].max() == pytest.approx(shape.height, abs=0.03)
    assert cabin.roof[:, 1].max() < cabin.base[:, 1].max()
    assert set(cabin.pieces()) >= {"windscreen", "rear screen", "side glass", "pillar"}


@settings(deadline=None, max_examples=6)
@given(CARS)
def test_a_car_fits_its_measures(car):
    check_measures(car)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(CARS)
def test_many_cars_fit_their_measures(car):
    check_measures(car)


def check_measures(car):
    rng = np.random.default_rng(car[1])
    shape = sample_shape(car[0], rng)
    parts = build_car(shape, sample_look(rng, body_type=car[0]))
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    assert np.isfinite(vertices).all()
    size = np.ptp(vertices, axis=0)
    assert shape.length <= size[0] <= shape.length + 0.5  # plates, a spare wheel
    assert shape.width <= size[1] <= shape.width + 0.6  # mirrors
    assert vertices[:, 2].min() == pytest.approx(0.0, abs=0.01)  # stands on its tyres
    top = shape.height if shape.has_roof else shape.height + 0.05
    assert vertices[:, 2].max() <= top + 0.15  # rails, aerial
    for part in parts:
        assert part.mesh.faces.max() < len(part.mesh.vertices)
        assert part.mesh.faces.min() >= 0


@settings(deadline=None, max_examples=6)
@given(CARS)
def test_the_inside_stays_inside(car):
    assert inside_beyond_the_body(*car) <= 0.01


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(CARS)
def test_the_insides_of_many_cars_stay_inside(car):
    assert inside_beyond_the_body(*car) <= 0.01


@pytest.mark.slow
def test_the_insides_of_minivans_stay_inside():
    assert max(inside_beyond_the_body("minivan", seed) for seed in range(40)) <= 0.01


def inside_beyond_the_body(body_type: str, seed: int) -> float:
    """How far the tub and the shelf reach beyond the body's shoulders, metres; negative if they do not."""
    rng = np.random.default_rng(seed)
    shape = sample_shape(body_type, rng)
    body, _ = build_shell(shape)
    tub = [p for p in build_car(shape, sample_look(rng, body_type=body_type)) if p.name in ("tub", "shelf")]
    assert tub
    vertices = np.concatenate([part.mesh.vertices for part in tub])
    return float((np.abs(vertices[:, 1]) - body.reach(vertices[:, 0])).max())


def names(body_type: str, **changes) -> list[str]:
    from dataclasses import replace

    rng = np.random.default_rng(3)
    shape = replace(sample_shape(body_type, rng), **changes)
    return [part.name for part in build_car(shape, sample_look(rng, body_type=body_type))]


def test_what_is_asked_for_is_mounted():
    assert names("suv", roof_rails=True).count("roof") == 1
    with_all = names("suv", roof_rails=True, spare_wheel=True, cladding=True)
    without = names("suv", roof_rails=False, spare_wheel=False, cladding=False)
    assert {"cladding"} <= set(with_all) - set(without)
    assert len(with_all) >= len(without) + 5
    assert "door rail" in names("minivan", sliding_door=True)
    assert "roof" not in names("convertible", variant="open")
    assert "roof" in names("convertible", variant="soft top")


@pytest.mark.parametrize("body_type", BODY_TYPES)
def test_every_shape_has_a_body(body_type):
    rng = np.random.default_rng(0)
    for _ in range(150):
        body, cabin = build_shell(sample_shape(body_type, rng))
        assert np.isfinite(body.points).all() and np.isfinite(cabin.band).all()


def test_wheel_arches_are_open():
    shape = shape_of(("sedan", 1))
    body, _ = build_shell(shape)
    painted, _ = body.meshes(None)
    centres = painted.vertices[painted.faces].mean(axis=1)
    for x, z, radius in body.arches:
        beside = np.abs(centres[:, 1]) > 0.35 * shape.width
        inside = np.hypot(centres[:, 0] - x, centres[:, 2] - z) < radius - 0.02
        assert not (beside & inside).any()
