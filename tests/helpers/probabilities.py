"""Predictions with class probabilities of a known truth, as predictions.csv has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.evaluation.tables import probability_columns


def make_predictions(
    counts: dict[str, int],
    *,
    temperature: float = 1.0,
    seed: int = 0,
    none_found: int = 0,
    types: Sequence[str] = BODY_TYPES,
) -> pd.DataFrame:
    """Photos whose label is drawn from the model's own probabilities, so that it is calibrated.

    Args:
        counts: photos by split.
        temperature: the probabilities are then made sharper (below 1) or flatter (above 1) by this temperature; the
            one that mends them is its inverse.
        seed: of the draw.
        none_found: photos of each split, the last ones, in which no car is found.
        types: of the study.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for split, n in counts.items():
        logits = rng.normal(0, 1, (n, len(types) + 1))
        logits[np.arange(n), rng.integers(len(types), size=n)] += rng.uniform(1, 7, n)
        logits[:, -1] -= 5  # the background
        logits = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        of_types = np.exp(logits[:, :-1])
        of_types /= of_types.sum(1, keepdims=True)
        truth = (of_types.cumsum(1) > rng.random((n, 1))).argmax(1)
        reported = np.exp(logits / temperature)
        likely = (reported / reported.sum(1, keepdims=True))[:, :-1]
        likely[n - none_found :] = 0
        names = np.array(types, dtype=object)
        predicted = np.where(likely.max(1) > 0, names[likely.argmax(1)], "")
        table = pd.DataFrame({"photo_id": [f"{split}/{i:04d}.png" for i in range(n)], "split": split})
        table["body_type"], table["predicted"] = names[truth], predicted
        table["score"] = np.where(likely.max(1) > 0, likely.max(1), np.nan)
        table[probability_columns(types)] = likely
        parts.append(table)
    return pd.concat(parts, ignore_index=True)
