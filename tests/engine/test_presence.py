"""carseg_lib.engine.presence: what a score means, the threshold and its file."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.presence import Presence, reference_scores, threshold_of
from carseg_lib.engine.second_opinion import SecondOpinion


def presence(scores, keep=0.9) -> Presence:
    return Presence((5, 7), ("cab", "jeep"), np.sort(scores), len(scores), keep, "weights", "model")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.5, 0.99))
def test_the_threshold_keeps_the_promised_share_and_no_larger_one_does(scores, keep):
    scores = np.array(scores)
    threshold = threshold_of(scores, keep)
    assert threshold in scores and (scores >= threshold).mean() >= keep - 1e-9
    above = scores[scores > threshold]
    if len(above):
        assert (scores >= above.min()).mean() <= keep + 1 / len(scores)


def test_a_score_means_the_share_of_cars_that_look_no_more_like_one():
    found = presence(np.linspace(0.01, 1, 100))
    assert found.share_below(0.5) == pytest.approx(0.5) and found.share_below(0) == 0 and found.share_below(1) == 1
    assert found.threshold == pytest.approx(0.11)


def test_many_scores_are_thinned_and_the_threshold_stays():
    scores = np.random.default_rng(0).beta(5, 1, 30_000)
    kept = reference_scores(scores)
    assert len(kept) == 2000 and (np.diff(kept) >= 0).all() and np.isin(kept, scores).all()
    assert threshold_of(kept, 0.99) == pytest.approx(threshold_of(scores, 0.99), abs=0.01)
    assert reference_scores(np.array([0.5, 0.1])).tolist() == [0.1, 0.5]


def test_the_file_comes_back_and_is_refused_for_another_model(tmp_path):
    run = SimpleNamespace(name="quick", presence=tmp_path / "presence.json")
    with pytest.raises(CarsegError, match=r"no threshold yet.*make evaluate RUN=quick"):
        Presence.load(run, "model")
    saved = presence([0.2, 0.4, 0.9])
    saved.save(run.presence)
    found = Presence.load(run, "model")
    assert found.car_scores.tolist() == [0.2, 0.4, 0.9] and found.threshold == saved.threshold == 0.2
    assert (found.classes, found.names, found.cars, found.keep) == ((5, 7), ("cab", "jeep"), 3, 0.9)
    assert found.opinion is None
    rule = SecondOpinion(("suv", "van"), np.array([[0.5, -0.5], [0.0, 1.5]]), np.array([0.1, -0.1]), 0.5)
    replace(saved, opinion=rule).save(run.presence)
    again = Presence.load(run, "model").opinion
    assert again.types == ("suv", "van") and again.power == 0.5 and (again.weights == rule.weights).all()
    with pytest.raises(CarsegError, match="another model"):
        Presence.load(run, "other")
    content = json.loads(run.presence.read_text())
    del content["second_opinion"]["weights"][1]  # of one class alone
    run.presence.write_text(json.dumps(content))
    with pytest.raises(CarsegError, match="make evaluate RUN=quick"):
        Presence.load(run, "model")
    run.presence.write_text(json.dumps({"schema": 0}))
    with pytest.raises(CarsegError, match="another version"):
        Presence.load(run, "model")
