"""carseg_lib.engine.second_opinion: what is learned of a few classes, and how it changes a detection's type."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.engine.inference import Detection
from carseg_lib.engine.second_opinion import SecondOpinion, learn_opinion

TYPES = ("suv", "sedan", "convertible")
SHARES = st.floats(0.001, 1)


def seen(rng: np.random.Generator, cars: int, types: int) -> tuple[np.ndarray, list[int]]:
    """Probabilities of five ImageNet classes, of which each type's own is large, and the cars' types."""
    labels = [i % types for i in range(cars)]
    said = rng.uniform(0.001, 0.1, (cars, 5))
    said[np.arange(cars), labels] += 0.4
    return said, labels


@pytest.mark.parametrize("types", [2, 3])
def test_the_rule_names_what_its_classes_tell(types):
    rng = np.random.default_rng(0)
    rule = learn_opinion(*seen(rng, 300, types), TYPES[:types])
    said, labels = seen(rng, 90, types)
    likely = rule(said)
    assert likely.shape == (90, types) and (likely.argmax(1) == labels).all()
    np.testing.assert_allclose(likely.sum(1), 1)
    np.testing.assert_array_equal(rule.weights, rule.weights.round(6))
    few = learn_opinion(*seen(rng, 2 * types, types), TYPES[:types])
    assert few(said).max() < likely.max() - 0.1, "a rule of a few cars is less sure"


def test_where_there_can_be_no_rule_there_is_none():
    said, labels = seen(np.random.default_rng(0), 30, 3)
    assert learn_opinion(said[:, :0], labels, TYPES) is None
    assert learn_opinion(said, labels, (*TYPES, "minivan")) is None, "no car of the fourth type"
    assert learn_opinion(said, [0] * 30, TYPES[:1]) is None


def rule(power: float) -> SecondOpinion:
    return SecondOpinion(TYPES, np.zeros((1, 3)), np.zeros(3), power)


def detection(*probabilities: float) -> Detection:
    return Detection("suv", max(probabilities, default=0.7), (1, 2, 3, 4), "mask", probabilities, 0.9, 0.8)


def test_both_opinions_are_multiplied():
    found = rule(1.0).on(detection(0.4, 0.3, 0.1), np.array([0.1, 0.8, 0.1]))
    assert found.body_type == "sedan"  # 0.04, 0.24 and 0.01 of 0.29
    assert found.probabilities == pytest.approx((0.8 * 4 / 29, 0.8 * 24 / 29, 0.8 * 1 / 29))
    assert found.score == found.probabilities[1]
    assert (found.box, found.mask, found.likeness, found.car_score) == ((1, 2, 3, 4), "mask", 0.9, 0.8)
    half = rule(0.5).on(detection(0.4, 0.3, 0.1), np.array([0.16, 0.64, 0.2]))
    assert half.probabilities[0] / half.probabilities[1] == pytest.approx(4 / 3 * math.sqrt(1 / 4))


@given(st.tuples(SHARES, SHARES, SHARES), st.tuples(SHARES, SHARES, SHARES), st.floats(0.1, 4))
def test_that_it_is_a_car_is_as_likely_as_before(probabilities, said, power):
    likely = np.array(said) / sum(said)
    found = rule(power).on(detection(*probabilities), likely)
    assert sum(found.probabilities) == pytest.approx(sum(probabilities))
    assert found.score == max(found.probabilities) and TYPES.index(found.body_type) == np.argmax(found.probabilities)
    unmoved = rule(power).on(detection(*probabilities), np.full(3, 1 / 3))
    assert unmoved.probabilities == pytest.approx(probabilities)


@pytest.mark.parametrize("probabilities", [(), (0.0, 0.0, 0.0)])
def test_a_detection_that_gives_no_probabilities_stays(probabilities):
    one = detection(*probabilities)
    assert rule(1.0).on(one, np.array([0.1, 0.8, 0.1])) is one


def test_it_comes_back_from_its_file():
    learned = learn_opinion(*seen(np.random.default_rng(0), 60, 3), TYPES)
    again = SecondOpinion.of(learned.content(), 5)
    np.testing.assert_array_equal(again.weights, learned.weights)
    assert (again.types, again.power, again.biases.tolist()) == (TYPES, 1.0, learned.biases.tolist())


@pytest.mark.parametrize(
    "wrong", [{"power": 0}, {"power": math.inf}, {"biases": [1, 2]}, {"weights": [[1, 2, 3]]}, {"types": ["suv"]}]
)
def test_a_file_of_another_form_is_refused(wrong):
    content = learn_opinion(*seen(np.random.default_rng(0), 60, 3), TYPES).content()
    with pytest.raises(ValueError, match="power"):
        SecondOpinion.of(content | wrong, 5)
