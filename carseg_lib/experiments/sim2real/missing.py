"""What rendered cars lack: as which type each real type is named, and what a frozen network's features can tell.

The second bounds the first. A linear rule on the features of a network that no training here has touched, learned from
one source and asked of the other, says how much of a loss is in the pictures rather than in the fine-tuning; learned
from real photos it is what such features can do at all; and a rule that tells rendered from real photos says how far
apart the two sources lie (a classifier two-sample test: Lopez-Paz and Oquab 2017, arXiv:1610.06545).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from carseg_lib.core import files
from carseg_lib.core.config import InputConfig
from carseg_lib.core.formatting import markdown_table
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.evaluation.bootstrap import proportion_estimate
from carseg_lib.evaluation.label_errors import linear_rule, photo_features
from carseg_lib.evaluation.tables import read_predictions
from carseg_lib.experiments.results import share_text
from carseg_lib.experiments.trials import Experiment, Trial

MISSING = "missing.json"  # in the experiment's folder
NOTHING = "no detection"
REAL, RENDERED = "real photos", "rendered photos"
Features = tuple[np.ndarray, np.ndarray]  # float (photos, D), and the photos' types as texts (photos,)


def named_as(predictions: pd.DataFrame, body_types: Sequence[str]) -> list[dict[str, Any]]:
    """As which type the photos of each type are named.

    Args:
        predictions: columns body_type and predicted; the latter is empty without a detection.
        body_types: in their order.

    Returns:
        A row a type that has photos: body_type, n, recall (estimate), named {type or `NOTHING`: photos}.
    """
    rows = []
    for body_type in body_types:
        own = predictions[predictions["body_type"] == body_type]
        if not len(own):
            continue
        found = own["predicted"].replace("", NOTHING).value_counts()
        named = {name: int(found.get(name, 0)) for name in (*body_types, NOTHING)}
        rows.append(
            {
                "body_type": body_type,
                "n": len(own),
                "recall": proportion_estimate(named[body_type], len(own)),
                "named": named,
            }
        )
    return rows


def frozen_rules(training: Mapping[str, Features], validation: Mapping[str, Features]) -> dict[str, Any]:
    """What linear rules on frozen features can tell.

    Args:
        training: the features of the training photos of `REAL` and `RENDERED`.
        validation: those of their validation photos.

    Returns:
        rules: a row for each source that a rule is learned from and asked of: learned_from, asked_of, accuracy
        (estimate); apart: AUROC of a rule that tells the sources' validation photos apart, learned from their training
        photos (0.5: it cannot; 1: it always can).
    """
    rules = []
    for learned_from, (features, labels) in training.items():
        rule = linear_rule().fit(features, labels)
        for asked_of, (asked, truth) in validation.items():
            right = int((rule.predict(asked) == truth).sum())
            accuracy = proportion_estimate(right, len(truth))
            rules.append({"learned_from": learned_from, "asked_of": asked_of, "accuracy": accuracy})
    features, real = _sources(training)
    asked, truth = _sources(validation)
    scores = linear_rule().fit(features, real).predict_proba(asked)[:, 1]
    return {"rules": rules, "apart": float(roc_auc_score(truth, scores))}


def write_missing(experiment: Experiment, trial: Trial, real: Catalogue, rendered: Catalogue) -> dict[str, Any]:
    """Write missing.json and missing.md beside an experiment's results; what is there for the same data is kept.

    Args:
        experiment: its folder.
        trial: the network that learned from the rendered photos, measured on real ones.
        real: the real photos, with splits.
        rendered: the rendered ones, with splits.

    Returns:
        What missing.json holds: named (as of `named_as`), rules and apart (as of `frozen_rules`), data (fingerprints).
    """
    path = experiment.folder / MISSING
    data = {"real": real.fingerprint, "rendered": rendered.fingerprint}
    known = files.read_json(path) if path.is_file() else {}
    if known.get("data") != data:
        inputs = trial.run.config.inputs
        sources = {RENDERED: rendered, REAL: real}
        features = {
            split: {name: _features(catalogue, split, inputs) for name, catalogue in sources.items()}
            for split in ("train", "validation")
        }
        known = {"data": data, **frozen_rules(features["train"], features["validation"])}
    predictions = read_predictions(experiment.folder_of(trial) / "predictions.csv")
    missing = known | {"named": named_as(predictions, real.body_types)}
    files.write_json(path, missing)
    files.write_text(experiment.folder / "missing.md", missing_text(missing))
    return missing


def missing_text(missing: Mapping[str, Any]) -> str:
    """The two tables, in Markdown."""
    columns = list(missing["named"][0]["named"])
    named = [
        [row["body_type"], f"{row['n']:,}", share_text(row["recall"]), *(f"{row['named'][name]:,}" for name in columns)]
        for row in missing["named"]
    ]
    rules = [
        [row["learned_from"], row["asked_of"], share_text(row["accuracy"]), f"{row['accuracy']['n']:,}"]
        for row in missing["rules"]
    ]
    return (
        "What a network that learned from rendered photos calls the real ones (validation):\n\n"
        f"{markdown_table(['Type', 'n', 'Named right', *columns], named)}\n\n"
        "A linear rule on the features of an untouched ImageNet network (EfficientNet-Lite0), of whole photos:\n\n"
        f"{markdown_table(['Learned from', 'Asked of', 'Accuracy', 'n'], rules)}\n\n"
        f"Such a rule tells rendered from real photos with an AUROC of {missing['apart']:.3f}. "
        "In brackets 95% intervals over photos (Wilson).\n"
    )


def _features(catalogue: Catalogue, split: str, inputs: InputConfig) -> Features:
    photos, features = photo_features(catalogue, split, inputs)
    return features, photos["body_type"].to_numpy(str)


def _sources(features: Mapping[str, Features]) -> tuple[np.ndarray, np.ndarray]:
    """The features of all sources, and whether each photo is real."""
    real = [np.full(len(labels), name == REAL) for name, (_, labels) in features.items()]
    return np.concatenate([part for part, _ in features.values()]), np.concatenate(real)
