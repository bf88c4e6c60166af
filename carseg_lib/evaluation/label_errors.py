"""Labels that are probably wrong, by confident learning, and the proof that planted wrong labels are found.

Confident learning (Northcutt, Jiang and Chuang 2021, arXiv:1911.00068; cleanlab's `find_label_issues`) compares labels
with probabilities that a model gives without having seen them. Photos labelled a whose probability of b is above the
mean that photos labelled b have for b are counted; of each type as many labels are doubted, those of the lowest
probability (`RULE`: of 2% planted flips it found 92–93%, cleanlab's default 81–86%, and of its doubts 43–45% were flips
against 39–40%, on rendered cars and on photographs).

Such probabilities are at hand for validation and test, which the trained model has not learned from. For training
photos they need cross-validation: a logistic regression on features of a frozen ImageNet network, whose folds never see
their own photos (`photo_features`, `cross_validated_probabilities`). It is right on 75–81% of the photos, where the
trained model is on 92%, and finds 76–92% of the flips, but only 9–15% of its doubts are flips: a list to look through.

A doubt is no proof. How many doubted labels are wrong, and how many wrong ones are doubted, is measured by flipping
known labels (`prove_on_flips`). Labels that were wrong before count there as false alarms, so that the true precision
is higher; and flips to a type drawn at random are easier than confusions of like cars.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from carseg_lib.core.config import InputConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loading import DistributedBatchSampler, make_loader
from carseg_lib.engine.features import feature_network
from carseg_lib.evaluation.calibration import true_types
from carseg_lib.evaluation.tables import probabilities

RULE = "prune_by_class"  # of cleanlab's `filter_by`
FOLDS = 5
SHARE, FLIP_SEEDS = 0.02, 10  # of the proof: labels flipped, and repetitions
DOUBTS = {"photo_id": "str", "split": "str", "given": "str", "likely": "str", "score": "float64"}


def type_probabilities(predictions: pd.DataFrame, body_types: Sequence[str]) -> np.ndarray:
    """The probabilities of the types given that the photo shows a car.

    Returns:
        float64 array (photos, types), rows summing to 1. A photo in which no car was found says nothing of its type:
        each has the same probability.

    Raises:
        CarsegError: The predictions have no probabilities.
    """
    types = probabilities(predictions, body_types)
    sums = types.sum(axis=1, keepdims=True)
    return np.divide(types, sums, out=np.full(types.shape, 1 / types.shape[1]), where=sums > 0)


def doubted_labels(predictions: pd.DataFrame, body_types: Sequence[str]) -> pd.DataFrame:
    """The validation and test photos of a run whose labels are probably wrong, the most doubtful first.

    Args:
        predictions: as `tables.read_predictions` returns them; training photos are left out, which the model has
            learned from.
        body_types: of the study, in the classes' order.

    Returns:
        Columns as `DOUBTS`; see `label_doubts`.

    Raises:
        CarsegError: The predictions have no probabilities.
    """
    part = predictions[predictions["split"] != "train"]
    found = label_doubts(type_probabilities(part, body_types), true_types(part, body_types))
    return _table(part, found, body_types)


def doubted_training_labels(catalogue: Catalogue, inputs: InputConfig, *, seed: int) -> pd.DataFrame:
    """The training photos whose labels are probably wrong, by cross-validation on features of a frozen network.

    Args:
        catalogue: with splits; no type may have fewer than `FOLDS` training photos.
        inputs: how photos are preprocessed.
        seed: of the folds.

    Returns:
        Columns as `DOUBTS`; see `label_doubts`.
    """
    photos, features = photo_features(catalogue, "train", inputs)
    labels = true_types(photos, catalogue.body_types)
    likely = cross_validated_probabilities(features, labels, len(catalogue.body_types), seed=seed)
    return _table(photos, label_doubts(likely, labels), catalogue.body_types)


def label_doubts(likely: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """The labels that confident learning doubts; see the module's docstring.

    Args:
        likely: float array (photos, types), rows summing to 1, of models that have not seen the photo's label.
        labels: int array (photos,), 0..types-1.

    Returns:
        place (of the photo), given, likely (types), score (the probability of the given type, 0..1), lowest first.
    """
    places = find_label_issues(labels, likely, filter_by=RULE, return_indices_ranked_by="self_confidence", n_jobs=1)
    scores = get_label_quality_scores(labels, likely)
    columns = {"place": places, "given": labels[places], "likely": likely[places].argmax(axis=1)}
    return pd.DataFrame(columns | {"score": scores[places]})


def plant_flips(labels: np.ndarray, types: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which some are replaced by another type, drawn at random.

    Args:
        labels: int array (photos,), 0..types-1.
        types: number of types, at least 2.
        share: of the labels, 0..1; at least one is flipped.
        seed: the same seed flips the same labels.

    Returns:
        The labels, and bool array (photos,): whether each was flipped.
    """
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(labels), bool)
    flipped[rng.choice(len(labels), max(1, round(share * len(labels))), replace=False)] = True
    steps = rng.integers(1, types, len(labels))
    return np.where(flipped, (labels + steps) % types, labels), flipped


def prove_on_flips(
    labels: np.ndarray,
    *,
    likely: np.ndarray | None = None,
    features: np.ndarray | None = None,
    types: int,
    share: float = SHARE,
    seeds: Sequence[int] = range(FLIP_SEEDS),
) -> pd.DataFrame:
    """How many planted flips are found, and how many doubts are flips.

    Args:
        labels: int array (photos,), 0..types-1, taken as right.
        likely: float array (photos, types) of a model that has not learned from these labels; they stay as they are.
        features: float array (photos, features), instead of `likely`: the cross-validation learns from the flips too.
        types: number of types.
        share: of the labels flipped, 0..1.
        seeds: one repetition each.

    Returns:
        A row a seed: seed, n, flipped, doubted, found (flips among the doubted), precision (found of doubted; NaN where
        nothing is doubted), recall (found of flipped), corrected (of the found, those whose likely type is the true
        one), doubted_before (without flips: these are false alarms here, or labels that were wrong before).

    Raises:
        ValueError: Not one of `likely` and `features` is given.
    """
    if (likely is None) == (features is None):
        raise ValueError("give the probabilities or the features")

    def doubts(given: np.ndarray, seed: int) -> pd.DataFrame:
        known = likely
        if known is None:
            known = cross_validated_probabilities(cast(np.ndarray, features), given, types, seed=seed)
        return label_doubts(known, given)

    before = len(doubts(labels, seeds[0]))
    rows = []
    for seed in seeds:
        given, flipped = plant_flips(labels, types, share, seed)
        doubted = doubts(given, seed)
        hits = doubted[flipped[doubted["place"]]]
        rows.append(
            {
                "seed": seed,
                "n": len(labels),
                "flipped": int(flipped.sum()),
                "doubted": len(doubted),
                "found": len(hits),
                "precision": len(hits) / len(doubted) if len(doubted) else np.nan,
                "recall": len(hits) / int(flipped.sum()),
                "corrected": int((hits["likely"].to_numpy() == labels[hits["place"]]).sum()),
                "doubted_before": before,
            }
        )
    return pd.DataFrame(rows)


def prove_on_predictions(
    predictions: pd.DataFrame,
    body_types: Sequence[str],
    *,
    share: float = SHARE,
    seeds: Sequence[int] = range(FLIP_SEEDS),
) -> pd.DataFrame:
    """`prove_on_flips` for the validation and test photos of a run, with the trained model's probabilities."""
    part = predictions[predictions["split"] != "train"]
    likely = type_probabilities(part, body_types)
    return prove_on_flips(true_types(part, body_types), likely=likely, types=len(body_types), share=share, seeds=seeds)


@torch.inference_mode()
def photo_features(catalogue: Catalogue, split: str, inputs: InputConfig) -> tuple[pd.DataFrame, np.ndarray]:
    """What a frozen ImageNet network says of each photo: the mean over its last layer.

    Args:
        catalogue: with splits.
        split: whose photos are taken.
        inputs: how they are preprocessed.

    Returns:
        The photos (columns photo_id, split, body_type), and float32 array (photos, 1280).
    """
    photos = CarDataset(catalogue, split, inputs, 0)
    network = feature_network()
    batches = make_loader(photos, DistributedBatchSampler(photos.in_order(), 32), inputs.num_workers)
    features = [network(images.contiguous(memory_format=torch.channels_last)) for images, _ in batches]
    return photos.photos[["photo_id", "split", "body_type"]], torch.cat(features).float().numpy()


def linear_rule() -> Pipeline:
    """A logistic regression on the features of a frozen network, not yet fitted."""
    # C: strong enough a penalty for more features than photos of a type
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))


def cross_validated_probabilities(features: np.ndarray, labels: np.ndarray, types: int, *, seed: int) -> np.ndarray:
    """The probabilities of a logistic regression for the photos of each fold, learned from the other folds.

    Args:
        features: float array (photos, features).
        labels: int array (photos,), 0..types-1.
        types: number of types; each needs `FOLDS` photos.
        seed: of the folds.

    Returns:
        float64 array (photos, types), rows summing to 1.

    Raises:
        CarsegError: A type has too few photos.
    """
    counts = np.bincount(labels, minlength=types)
    if counts.min() < FOLDS:
        raise CarsegError(f"doubted labels by cross-validation need {FOLDS} photos of each type, not {counts.min()}")
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return cross_val_predict(linear_rule(), features, labels, cv=folds, method="predict_proba")


def _table(photos: pd.DataFrame, doubts: pd.DataFrame, body_types: Sequence[str]) -> pd.DataFrame:
    rows = photos[["photo_id", "split"]].iloc[doubts["place"]].reset_index(drop=True)
    names = np.array(body_types, dtype=object)
    named = {"given": names[doubts["given"]], "likely": names[doubts["likely"]], "score": doubts["score"].to_numpy()}
    return rows.assign(**named).astype(DOUBTS)
