"""Cars drawn from the ranges: in range, the same for the same seed, overlapping between types as real ones do."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_score

from carseg_lib.core.classes import BODY_TYPES
from carseg_rendering.car.fronts import GRILLES, LAMPS, NO_GRILLE
from carseg_rendering.car.rears import TAIL_LAMPS
from carseg_rendering.car.shapes import ROOFS, STYLES, CarShape, ranges_of, sample_shape
from carseg_rendering.car.style import RANGES
from carseg_rendering.dataset.plan import SHARES

SEEDS = st.integers(0, 10_000)
ALL_STYLES = [(body_type, name) for body_type, styles in STYLES.items() for name in styles]


@given(st.sampled_from(BODY_TYPES), SEEDS)
def test_every_number_is_in_its_range(body_type, seed):
    shape = sample_shape(body_type, np.random.default_rng(seed))
    for name, (low, high) in ranges_of(body_type, shape.style).items():
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


@pytest.mark.parametrize(("body_type", "name"), ALL_STYLES)
def test_a_style_is_a_style(body_type, name):
    style = STYLES[body_type][name]
    assert set(style.ranges) <= set(RANGES)
    assert all(low <= high for low, high in style.ranges.values())
    assert set(style.lamps) <= set(LAMPS)
    assert set(style.grilles) <= {*GRILLES, NO_GRILLE}
    assert set(style.tails) <= set(TAIL_LAMPS)
    assert set(style.chances) <= set(CarShape.__dataclass_fields__)


@pytest.mark.parametrize("body_type", BODY_TYPES)
def test_the_styles_of_a_type_come_with_their_shares(body_type):
    assert sum(style.share for style in STYLES[body_type].values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    found = [sample_shape(body_type, rng).style for _ in range(600)]
    for name, style in STYLES[body_type].items():
        assert found.count(name) / 600 == pytest.approx(style.share, abs=0.06)


def measures(cars: list[CarShape]) -> dict[str, np.ndarray]:
    """Every number of the cars' bodies, and those that follow from them."""
    of = {name: np.array([getattr(car, name) for car in cars]) for name in RANGES}
    of["wheelbase"] = np.array([car.wheelbase for car in cars])
    of["front overhang"] = of["length"] / 2 - np.array([car.front_axle for car in cars])
    of["rear overhang"] = of["length"] - of["wheelbase"] - of["front overhang"]
    of["cabin"] = of["length"] - of["hood_length"] - of["deck_length"]
    of["glass"] = of["height"] - of["cowl_height"]
    for name in ("height", "cabin", "hood_length", "deck_length", "wheel_radius"):
        of[f"{name} / length"] = of[name] / of["length"]
    for name in ("width", "nose_height", "cowl_height", "wheel_radius", "clearance"):
        of[f"{name} / height"] = of[name] / of["height"]
    of["hood's slope"] = (of["cowl_height"] - of["nose_height"]) / of["hood_length"]
    return of


def test_no_two_measures_tell_the_types_but_all_of_them_do():
    rng = np.random.default_rng(0)
    cars = [sample_shape(body_type, rng) for body_type, share in SHARES.items() for _ in range(15 * share)]
    types = np.array([car.body_type for car in cars])
    of = measures(cars)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)

    def told(names: tuple[str, ...]) -> float:
        columns = np.stack([of[name] for name in names], axis=1)
        return float(cross_val_score(LinearDiscriminantAnalysis(), columns, types, cv=folds).mean())

    # A fit to all cars is quick and tells its own cars about as well as others: where it is far off, so are the folds.
    def fitted(names: tuple[str, ...]) -> float:
        columns = np.stack([of[name] for name in names], axis=1)
        return float(LinearDiscriminantAnalysis().fit(columns, types).score(columns, types))

    best = sorted(combinations(of, 2), key=fitted)[-40:]
    for names in best:
        assert told(names) <= 0.75, names
    assert told(tuple(name for name in of if np.ptp(of[name]) > 0)) >= 0.85


def test_neighbouring_types_overlap_in_every_outside_measure():
    pairs = [("suv", "minivan"), ("suv", "sedan"), ("sedan", "convertible"), ("sedan", "minivan")]
    for name in ("length", "width", "nose_height", "hood_length", "belt_rise", "wheel_radius", "clearance"):
        for one, two in pairs:
            a, b = (spread(body_type, name) for body_type in (one, two))
            assert max(a[0], b[0]) < min(a[1], b[1]), (name, one, two)


def spread(body_type: str, name: str) -> tuple[float, float]:
    """The lowest and the highest value of a number over a type's styles."""
    ranges = [ranges_of(body_type, style)[name] for style in STYLES[body_type]]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def test_what_types_have():
    rng = np.random.default_rng(0)
    cars = {body_type: [sample_shape(body_type, rng) for _ in range(400)] for body_type in BODY_TYPES}
    for roof, share in ROOFS.items():
        assert np.mean([car.variant == roof for car in cars["convertible"]]) == pytest.approx(share, abs=0.06)
    assert {car.variant for car in cars["sedan"]} == {"saloon", "fastback"}
    assert all(car.has_roof for body_type in ("suv", "sedan", "minivan") for car in cars[body_type])
    assert 0.6 < np.mean([car.sliding_door for car in cars["minivan"]]) < 0.9
    assert all(car.doors == 1 for car in cars["convertible"])
    assert all(car.doors == 2 for car in cars["sedan"] + cars["minivan"])
    assert not any(car.spare_wheel for car in cars["minivan"] + cars["sedan"])
    assert any(car.spare_wheel for car in cars["suv"])
    assert any(car.roll_bar for car in cars["convertible"])


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match=r"'truck' is none of suv, sedan"):
        sample_shape("truck", np.random.default_rng(0))
