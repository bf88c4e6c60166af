import numpy as np
import pandas as pd
import pytest

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.config import InputConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.evaluation.label_errors import (
    DOUBTS,
    cross_validated_probabilities,
    doubted_labels,
    label_doubts,
    photo_features,
    plant_flips,
    prove_on_flips,
    prove_on_predictions,
    type_probabilities,
)
from tests.helpers.probabilities import make_predictions


def clusters(n: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of four types that lie apart, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 4
    centres = np.eye(4)[labels] * 4
    return np.hstack([centres, np.zeros((n, 16))]) + rng.normal(0, spread, (n, 20)), labels


def test_flips_are_as_many_as_asked_for_and_to_another_type():
    labels = np.arange(500) % 4
    given, flipped = plant_flips(labels, 4, 0.02, seed=3)
    assert flipped.sum() == 10 and (given != labels).tolist() == flipped.tolist() and set(given) == {0, 1, 2, 3}
    assert (plant_flips(labels, 4, 0.02, seed=3)[0] == given).all()
    assert (plant_flips(labels, 4, 0.02, seed=4)[0] != given).any()
    assert plant_flips(labels[:5], 4, 0.02, seed=0)[1].sum() == 1
    three = {
        int(given[i] - labels[i]) % 4
        for s in range(30)
        for given, at in [plant_flips(labels, 4, 0.02, s)]
        for i in np.flatnonzero(at)
    }
    assert three == {1, 2, 3}


def test_a_sure_contradiction_is_doubted_and_the_lowest_comes_first():
    likely = np.full((40, 2), [0.95, 0.05])
    likely[20:] = [0.05, 0.95]
    labels = np.repeat([0, 1], 20)
    likely[3], likely[7] = [0.04, 0.96], [0.01, 0.99]
    doubts = label_doubts(likely, labels)
    assert doubts["place"].tolist() == [7, 3] and doubts["given"].tolist() == [0, 0]
    assert doubts["likely"].tolist() == [1, 1] and doubts["score"].tolist() == [0.01, 0.04]


def test_probabilities_given_a_car():
    predictions = pd.DataFrame({"p_suv": [0.6, 0.0], "p_sedan": [0.2, 0.0]})
    assert type_probabilities(predictions, ["suv", "sedan"]) == pytest.approx(np.array([[0.75, 0.25], [0.5, 0.5]]))


def test_doubts_of_a_run_name_the_photo_and_leave_training_out():
    predictions = make_predictions({"train": 50, "validation": 300, "test": 100}, temperature=1.5)
    sure = predictions.index[(predictions["split"] == "test") & (predictions["score"] > 0.9)][0]
    predicted = predictions.loc[sure, "predicted"]
    wrong = next(t for t in BODY_TYPES if t != predicted)
    predictions.loc[sure, "body_type"] = wrong
    doubts = doubted_labels(predictions, BODY_TYPES)
    assert list(doubts) == list(DOUBTS) and "train" not in set(doubts["split"])
    assert doubts["score"].is_monotonic_increasing and 0 < len(doubts) < 200
    row = doubts.set_index("photo_id").loc[predictions.loc[sure, "photo_id"]]
    assert (row["given"], row["likely"], row["split"]) == (wrong, predicted, "test")


def test_planted_flips_are_found_by_cross_validation_on_features():
    features, labels = clusters(400, 0.7)
    likely = cross_validated_probabilities(features, labels, 4, seed=0)
    assert likely.sum(1) == pytest.approx(1) and (likely.argmax(1) == labels).mean() > 0.97
    proof = prove_on_flips(labels, features=features, types=4, seeds=range(3))
    assert proof["flipped"].eq(8).all() and proof["n"].eq(400).all()
    assert proof["recall"].min() >= 0.75 and proof["precision"].min() >= 0.6
    assert (proof["found"] <= proof["doubted"]).all() and (proof["corrected"] <= proof["found"]).all()
    blind = prove_on_flips(labels, features=np.random.default_rng(0).normal(size=(400, 20)), types=4, seeds=[0])
    assert blind["precision"][0] < 0.2


def test_planted_flips_are_found_by_the_models_probabilities():
    predictions = make_predictions({"train": 30, "validation": 500, "test": 200})
    sharp = predictions.copy()
    sharp["body_type"] = sharp["predicted"]  # a model that is always right
    proof = prove_on_predictions(sharp, BODY_TYPES, seeds=range(4))
    assert proof["n"].eq(700).all() and proof["flipped"].eq(14).all()
    assert proof["recall"].mean() > 0.8 and proof["precision"].mean() > 0.8 and proof["doubted_before"].max() == 0
    with pytest.raises(ValueError, match="the probabilities or the features"):
        prove_on_flips(np.zeros(4, int), types=2)


def test_a_fold_never_sees_its_own_labels():
    """With labels that features say nothing of, out-of-sample probabilities say nothing of them either."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    likely = cross_validated_probabilities(rng.normal(size=(400, 300)), labels, 4, seed=0)
    assert (likely.argmax(1) == labels).mean() < 0.36
    with pytest.raises(CarsegError, match="need 5 photos of each type, not 0"):
        cross_validated_probabilities(rng.normal(size=(10, 3)), np.zeros(10, int), 4, seed=0)


def test_features_of_photos_are_a_row_each_and_the_same_again(synthetic_cars):
    catalogue = load_catalogue(locate_photos(str(synthetic_cars)))
    inputs = InputConfig(max_images_per_split=0, height=64, width=64, num_workers=0)
    photos, features = photo_features(catalogue, "test", inputs)
    assert list(photos) == ["photo_id", "split", "body_type"] and (photos["split"] == "test").all()
    assert features.shape == (len(photos), 1280) and np.isfinite(features).all() and features.std(0).max() > 0
    assert (photo_features(catalogue, "test", inputs)[1] == features).all()
