"""carseg_lib.evaluation.robustness: hand-worked tables, intervals and tests, and a measurement of a small model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.config import RunConfig
from carseg_lib.evaluation import robustness
from carseg_lib.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from carseg_lib.evaluation.matched import change_p, matched_difference
from carseg_lib.evaluation.robustness import (
    ANGLES,
    CORNERS,
    CORNERS_ONLY,
    TURNED,
    compare_conditions,
    conditions,
    summarize,
)

TRUTH = np.array(["suv"] * 6 + ["sedan"] * 4, dtype=object)


def answers(right: int, no_car: int = 0) -> np.ndarray:
    """Predictions of which the first are right, the last find no car, and the others say minivan."""
    given_ = TRUTH.copy()
    given_[right:] = "minivan"
    if no_car:
        given_[-no_car:] = ""
    return given_


def test_a_condition_beside_the_clean_photos():
    predicted = {("clean", 0): answers(9), ("fog", 1): answers(9), ("fog", 5): answers(3, no_car=2)}
    rows = {("fog", 1): {"corruption": "fog"}, ("fog", 5): {"corruption": "fog"}}
    weak, strong = compare_conditions(predicted, rows, TRUTH).to_dict("records")
    assert (weak["n"], weak["accuracy"], weak["difference"], weak["p_value"]) == (10, 0.9, 0, 1)
    assert strong["accuracy"] == 0.3 and strong["difference"] == pytest.approx(-0.6) and strong["no_car_found"] == 0.2
    # Wilson's interval of 3 of 10
    assert (strong["accuracy_low"], strong["accuracy_high"]) == pytest.approx((0.1078, 0.6032), abs=1e-4)
    assert strong["p_value"] == pytest.approx(2 * 0.5**6)  # six photos lost, none won
    assert strong["p_holm"] == pytest.approx(2 * strong["p_value"]) and weak["p_holm"] == 1


def test_mcnemars_p_of_few_changes():
    before, after = np.array([1, 1, 1, 1, 0, 0.0]), np.array([0, 0, 0, 1, 1, 0.0])
    assert change_p(before, after) == pytest.approx(10 / 16)  # 3 lost, 1 won: 2 · (1 + 4) / 16
    assert change_p(before, before) == 1


def test_agresti_and_mins_interval():
    before = np.array([1] * 60 + [0] * 40, float)
    after = np.array([0] * 20 + [1] * 40 + [1] * 5 + [0] * 35, float)  # 20 lost, 5 won
    found = matched_difference(before, after)
    # cells 5.5 and 20.5 of 102: -15/102 ± 1.96 √(26 - 225/102) / 102
    assert (found["value"], found["n"]) == (pytest.approx(-0.15), 100)
    half = 1.959964 * (26 - 225 / 102) ** 0.5 / 102
    assert (found["low"], found["high"]) == pytest.approx((-15 / 102 - half, -15 / 102 + half))
    unchanged = matched_difference(np.ones(200), np.ones(200))
    assert unchanged["high"] == -unchanged["low"] == pytest.approx(1.959964 / 202)  # one changed photo in 202


def test_photos_of_a_group_tell_less_than_independent_ones():
    before = np.ones(40)
    after = np.repeat([1.0, 0.0], [30, 10])  # all ten that are lost are of one group
    groups = np.repeat(np.arange(4), 10)
    alone, grouped = matched_difference(before, after), matched_difference(before, after, groups)
    # between groups (0, 0, 0, -1): variance 4/3 · 10² · 3/4 of 40 · 3/16 is 13.3 times that of photos; t(3) for z
    effect = (4 / 3 * 75 / 7.5) * (3.182446 / 1.959964) ** 2
    centre = -10 / 42
    assert alone["low"] == pytest.approx(centre - 1.959964 * (11 - 100 / 42) ** 0.5 / 42)
    assert grouped["low"] == pytest.approx(max(-1, centre - 1.959964 * (effect * (11 - 100 / 42)) ** 0.5 / 42))
    assert grouped["value"] == alone["value"] == -0.25
    assert change_p(before, after) == pytest.approx(2 * 0.5**10) and change_p(before, after, groups) > 0.3
    table = compare_conditions({("clean", 0): TRUTH, ("fog", 1): answers(6)}, {("fog", 1): {}}, TRUTH, ["a"] * 10)
    assert table["accuracy_low"][0] < 0.1 and table["accuracy"][0] == 0.6  # ten photos of one group


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_an_interval_contains_its_difference(pairs):
    before, after = np.array(pairs, float).T
    found = matched_difference(before, after)
    assert -1 <= found["low"] <= found["value"] <= found["high"] <= 1
    turned = matched_difference(after, before)
    assert (turned["low"], turned["high"]) == pytest.approx((-found["high"], -found["low"]))


@pytest.mark.slow
def test_the_interval_of_a_paired_difference_covers():
    """Of 4,000 simulated tables of 200 photos (true difference -10 points), 93.5 to 97% contain it."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(4000):
        cell = rng.choice(4, 200, p=[0.75, 0.13, 0.03, 0.09])  # both right, lost, won, both wrong
        found = matched_difference((cell < 2).astype(float), np.isin(cell, (0, 2)).astype(float))
        covered += found["low"] <= -0.1 <= found["high"]
    assert 0.935 <= covered / 4000 <= 0.97


def test_the_summary_takes_means_over_the_same_photos():
    predicted = {("clean", 0): answers(10)}
    for name in CORRUPTIONS:
        for severity in SEVERITIES:
            predicted[name, severity] = answers(10 - severity) if name == "fog" else answers(10)
    predicted |= {(TURNED, angle): answers(10 - abs(angle) // 30 - (angle > 0)) for angle in ANGLES}
    predicted |= {(CORNERS_ONLY, angle): answers(10, no_car=1) for angle in CORNERS}
    found = summarize(predicted, TRUTH, bootstrap_samples=200, seed=0)
    assert found["photos"] == 10 and found["clean"]["value"] == 1 and found["clean_no_car_found"]["value"] == 0
    fog = found["corruptions"]["fog"]
    assert fog["accuracy"]["value"] == pytest.approx(0.7) and fog["strongest"]["value"] == 0.5
    assert fog["difference"]["value"] == pytest.approx(-0.3) and fog["difference"]["high"] < 0
    assert found["mean_corruption"]["accuracy"]["value"] == pytest.approx((7 + 0.7) / 8)
    assert list(found["rotation"]) == ["15", "30", "45", "90", "180"]
    assert found["rotation"]["90"]["accuracy"]["value"] == pytest.approx(0.65)  # 7 and 6 of 10
    assert found["rotation"]["180"]["accuracy"]["value"] == pytest.approx(0.4)  # one direction
    assert found["corners"]["15"]["accuracy"]["value"] == pytest.approx(0.9)


def test_every_condition_leaves_a_photo_of_the_same_shape_and_the_first_leaves_it_as_it_is():
    image = np.random.default_rng(0).integers(1, 256, (64, 96, 3), dtype=np.uint8)
    changes = conditions(seed=0)
    assert next(iter(changes)) == ("clean", 0) and len(changes) == 1 + 8 * 5 + len(ANGLES) + len(CORNERS)
    changed = {name: change(image, "a.jpg") for name, change in changes.items()}
    assert (changed["clean", 0] == image).all()
    assert all(one.shape == image.shape and one.dtype == np.uint8 for one in changed.values())
    assert (changed[TURNED, -180] == image[::-1, ::-1]).all()


def test_a_model_that_sees_only_brightness_is_measured_under_each_condition(monkeypatch):
    """Predictions are of the changed photos, in batches, by the rule of one prediction a photo."""
    from carseg_lib.engine.inference import Detection

    seen = []

    def detect(model, batches, body_types, config):
        for images, sizes in batches:
            seen.append(len(images))
            for image, size in zip(images, sizes, strict=True):
                assert size == (96, 64)
                bright = float(image.mean()) > 0
                yield [Detection("suv" if bright else "sedan", 0.9, (0, 0, 1, 1), "")] if bright else []

    monkeypatch.setattr(robustness, "detect", detect)
    photos = type(
        "P", (), {"photos": type("T", (), {"photo_id": ["a", "b", "c"]}), "class_ids": {"suv": 1, "sedan": 2}}
    )
    images = [np.full((64, 96, 3), level, np.uint8) for level in (250, 10, 200)]
    changes = {("clean", 0): lambda image, name: image, ("dark", 1): lambda image, name: image // 50}
    config = RunConfig(name="a", profile="quick").updated(train={"batch_size": 2})
    found = robustness.predict_conditions(None, photos, images, changes, config)
    assert found["clean", 0].tolist() == ["suv", "", "suv"] and found["dark", 1].tolist() == ["", "", ""]
    assert seen == [2, 1, 2, 1]
