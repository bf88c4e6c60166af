import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.evaluation import selective
from carseg_lib.evaluation.selective import area_under_risk_coverage, risk_coverage, selective_accuracy, threshold_at
from tests.helpers.probabilities import make_predictions

SAMPLING = {"bootstrap_samples": 200, "seed": 0}
SURE = np.array([0.2, 0.9, 0.6, 0.6, 0.8])
HITS = np.array([False, True, True, False, True])


def test_the_curve_by_hand():
    curve = risk_coverage(SURE, HITS)
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.6, 0.2]  # equal confidences are answered together
    assert curve["n"].tolist() == [1, 2, 4, 5] and curve["coverage"].tolist() == [0.2, 0.4, 0.8, 1.0]
    assert curve["accuracy"].tolist() == [1, 1, 0.75, 0.6]
    assert ((curve["low"] < curve["accuracy"]) & (curve["accuracy"] <= curve["high"])).all()


def test_the_area_by_hand():
    # risks at 1..5 answers: 0, 0, then both of equal confidence 1/4, then 2/5
    assert area_under_risk_coverage(SURE, HITS) == pytest.approx((0 + 0 + 0.25 + 0.25 + 0.4) / 5)
    numbers = selective.measure(SURE, HITS, **SAMPLING)
    assert numbers["aurc_best"] == pytest.approx((1 / 4 + 2 / 5) / 5)
    assert numbers["auroc"]["value"] == pytest.approx((3 + 2.5) / 6)  # 3 right above 2 wrong, one pair equal
    assert numbers["accuracy_at"]["0.8"] == pytest.approx(
        {"value": 0.75, "low": 0.3006, "high": 0.9544, "n": 4}, abs=1e-3
    )
    assert numbers["accuracy_at"]["0.9"]["n"] == 5


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_the_area_is_that_of_the_mean_over_all_orders_of_ties(photos):
    confidences, hits = (np.array(column) for column in zip(*photos, strict=True))
    confidences = confidences / 20
    curve = risk_coverage(confidences, hits)
    risks = np.repeat(1 - curve["accuracy"], np.diff(curve["n"], prepend=0))
    assert area_under_risk_coverage(confidences, hits) == pytest.approx(float(risks.mean()))
    assert curve["n"].iloc[-1] == len(hits) and curve["accuracy"].iloc[-1] == pytest.approx(hits.mean())


def test_a_threshold_answers_at_least_the_share():
    confidences = np.arange(10) / 10
    assert threshold_at(confidences, 0.9) == 0.1 and threshold_at(confidences, 1.0) == 0.0
    assert threshold_at(confidences, 0.85) == 0.1 and threshold_at(confidences, 0.01) == 0.9


def test_a_run_by_its_splits_and_by_the_thresholds_of_validation():
    predictions = make_predictions({"train": 10, "validation": 400, "test": 200}, none_found=3)
    found = selective_accuracy(predictions, BODY_TYPES, **SAMPLING)
    assert json.dumps(found, allow_nan=False) and set(found["splits"]) == {"validation", "test"}
    test = predictions[predictions["split"] == "test"]
    right = (test["predicted"] == test["body_type"]).to_numpy()
    sure = test["score"].fillna(0).to_numpy()
    numbers = found["splits"]["test"]
    assert numbers["auroc"]["value"] == pytest.approx(roc_auc_score(right, sure)) and numbers["auroc"]["value"] > 0.7
    surest = right[np.argsort(-sure)[:160]]
    assert numbers["accuracy_at"]["0.8"]["value"] == pytest.approx(surest.mean()) and surest.mean() > right.mean()
    assert numbers["aurc_best"] < numbers["aurc"]["value"] < 1 - right.mean()
    chosen = found["by_validation"]["0.8"]
    answered = sure >= chosen["threshold"]
    assert chosen["coverage"]["value"] == answered.mean() and chosen["coverage"]["n"] == 200
    assert chosen["accuracy"]["value"] == right[answered].mean() and chosen["accuracy"]["n"] == answered.sum()


def test_without_a_wrong_answer_there_is_no_auroc():
    numbers = selective.measure(SURE, np.ones(5, bool), **SAMPLING)
    assert numbers["auroc"] is None and numbers["aurc"]["value"] == 0 == numbers["aurc_best"]
    assert numbers["aurc"]["high"] > 0
