"""Figures of a run's predictions: right ones, wrong ones, and its masks beside the labelled ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from carseg_lib.reporting.plots.photos import mask_comparison_grid, prediction_grid
from carseg_lib.reporting.plots.style import AccessibleFigure

if TYPE_CHECKING:
    from carseg_lib.data.catalogue import Catalogue

_RIGHT, _WRONG = 8, 12  # photos shown, at most


def prediction_figures(predictions: pd.DataFrame, dataset: Catalogue, seed: int) -> dict[str, AccessibleFigure]:
    """Test photos that are right, sampled by seed; wrong ones of test and validation, most confident first; masks.

    Args:
        predictions: predictions.csv.
        dataset: its photos and labelled cars.
        seed: of the sample.
    """
    look: dict[str, Any] = {"instances": dataset.instances, "body_types": dataset.body_types}
    test = predictions[predictions["split"] == "test"].sample(frac=1, random_state=seed)
    right = test[test["predicted"] == test["body_type"]]
    title = "Correct predictions, random sample (test)"
    figures = {"correct_test": prediction_grid(right, dataset.root, title=title, limit=_RIGHT, **look)}
    wrong = predictions[predictions["predicted"] != predictions["body_type"]].sort_values("score", ascending=False)
    for split in ("test", "validation"):
        title = f"Misclassified photos, most confident first ({split})"
        part = wrong[wrong["split"] == split]
        figures[f"misclassified_{split}"] = prediction_grid(part, dataset.root, title=title, limit=_WRONG, **look)
    title = "Predicted and labelled masks (test)"
    figures["mask_comparison_test"] = mask_comparison_grid(test, dataset.root, dataset.instances, title=title)
    return figures
