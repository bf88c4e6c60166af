"""Every number that is computed from the predictions and detections of a split.

Conventions:
- "no car found" is a prediction like any other, and always wrong.
- Accuracy of a type is one-vs-rest, as in the paper's Table 1: the share of all photos for which "is it this type?" is
  decided correctly.
- A type that has photos but is never predicted has precision 0 (scikit-learn's zero_division=0), so that a model does
  not profit from never predicting it. Its n is then 0 and its interval (0, 1).
- A type without photos in the split has no precision, recall or F1 (null), and the averages exclude it.
- Intervals: see `carseg_lib.evaluation.bootstrap`. The confusion matrix of n photos sampled with replacement is
  multinomial with the shares of the cells and is drawn as such.
- n is the number of photos that a number is computed from. Precision: photos predicted as the type; recall: photos of
  the type; F1: photos of either kind; all others: the photos of the split (mask IoU: those with a labelled mask).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, precision_recall_fscore_support
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import DASH, markdown_table
from carseg_lib.engine.postprocess import NO_DETECTION
from carseg_lib.evaluation.average_precision import average_precision
from carseg_lib.evaluation.bootstrap import Estimate, estimate, mean_estimate
from carseg_lib.evaluation.paired import flatten_estimates

SCORES = ("precision", "recall", "f1", "accuracy")
REPORT_COLUMNS = {  # of classification_report.csv
    "split": "str",
    "body_type": "str",  # or the name of an average
    **{f"{score}{end}": "float64" for score in SCORES for end in ("", "_low", "_high")},
    "support": "int64",  # photos
}
_HEADINGS = {"precision": "Precision", "recall": "Recall", "f1": "F1-score", "accuracy": "Accuracy"}

# One stream of random numbers each, so that adding a number does not change the intervals of the others.
_PREDICTIONS, _BOXES, _MASKS, _BOX_IOU, _MASK_IOU = range(5)


def split_metrics(
    predictions: pd.DataFrame,
    detections: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    body_types: tuple[str, ...],
    bootstrap_samples: int,
    seed: int,
    has_masks: bool,
) -> dict:
    """All numbers of one split, as metrics.json holds them.

    Args:
        predictions: a row per photo of the split, columns as in predictions.csv.
        detections: a row per detection in these photos, columns as in detections.csv.
        truth: a row per labelled instance, columns as in instances.csv; photos of other splits are ignored.
        body_types: the types, in order.
        bootstrap_samples: draws for the intervals.
        seed: the same seed gives the same intervals.
        has_masks: whether masks are labelled; otherwise mask numbers are None.

    Returns:
        Plain Python values; an estimate is {"value", "low", "high", "n"}, or None where it does not apply:
        accuracy, macro and weighted {precision, recall, f1, accuracy}, per_type {type: {the four, support}},
        no_car_found, confusion {labels, matrix}, box and mask {AP, AP50, AP75, per_type: {type: {AP}}},
        box_iou, mask_iou (means over the photos that have one in `predictions`).

    Raises:
        CarsegError: The split is empty, a photo is listed twice or has no label, or a type is not one of
            `body_types`.
    """
    predictions = predictions.sort_values("photo_id", ignore_index=True)
    truth = truth[truth["photo_id"].isin(predictions["photo_id"])]
    _check(predictions, truth, body_types)

    def mean_overlap(column: str, stream: int) -> Estimate | None:
        values = predictions[column].dropna().to_numpy(float)
        seeds = [seed, stream]
        return mean_estimate(values, bootstrap_samples=bootstrap_samples, seed=seeds) if len(values) else None

    sizes = predictions[["photo_id", "width", "height"]]
    settings: dict[str, Any] = {"body_types": body_types, "bootstrap_samples": bootstrap_samples}
    return {
        **_classification_metrics(predictions, **settings, seed=[seed, _PREDICTIONS]),
        "box": average_precision(truth, detections, sizes, "bbox", **settings, seed=[seed, _BOXES]),
        "mask": average_precision(truth, detections, sizes, "segm", **settings, seed=[seed, _MASKS])
        if has_masks
        else None,
        "mask_iou": mean_overlap("mask_iou", _MASK_IOU) if has_masks else None,
        "box_iou": mean_overlap("box_iou", _BOX_IOU),
    }


def headline_numbers(metrics: dict) -> dict[str, Estimate | None]:
    """The seven numbers by which runs are compared, from the result of `split_metrics`.

    Returns:
        accuracy, macro_precision, macro_recall, macro_f1, box_ap, mask_ap, mask_iou: estimate or None.
    """
    return {
        "accuracy": metrics["accuracy"],
        **{f"macro_{score}": metrics["macro"][score] for score in ("precision", "recall", "f1")},
        **{f"{kind}_ap": metrics[kind] and metrics[kind]["AP"] for kind in ("box", "mask")},
        "mask_iou": metrics["mask_iou"],
    }


def headline_table(splits: dict[str, dict]) -> pd.DataFrame:
    """The headline numbers of each split as a table.

    Args:
        splits: metrics of each split by name, as in metrics.json.

    Returns:
        Rows (split, number), columns value, low, high (fractions), n; numbers that do not apply are omitted.
    """
    rows = {
        (split, number): estimate
        for split, scores in splits.items()
        for number, estimate in headline_numbers(scores).items()
        if estimate
    }
    return pd.DataFrame(rows).T.astype({"n": int})


def confusion_matrix(predictions: pd.DataFrame, body_types: tuple[str, ...]) -> np.ndarray:
    """Photos by true type (rows, C) and predicted type (columns, C and "no car found"): int array (C, C + 1)."""
    predicted = _predicted(predictions)
    return sklearn_confusion_matrix(predictions["body_type"], predicted, labels=[*body_types, NO_DETECTION])[:-1]


def scores_of_matrices(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """The scores of many confusion matrices at once.

    Args:
        matrices: int array (B, C, C + 1), rows true types, columns predicted types, the last "no car found".

    Returns:
        precision, recall, f1, accuracy: float arrays (B, C), the first three NaN for a type without photos;
        macro_<score>, weighted_<score>: (B,); overall: (B,), the share of correct predictions.
    """
    n = matrices.sum(axis=(1, 2))[:, None]
    support = matrices.sum(axis=2)  # (B, C)
    predicted = matrices.sum(axis=1)[:, :-1]
    correct = np.diagonal(matrices, axis1=1, axis2=2)
    present = support > 0
    result = {
        "precision": np.where(present, correct / np.maximum(predicted, 1), np.nan),
        "recall": np.where(present, correct / np.maximum(support, 1), np.nan),
        "f1": np.where(present, 2 * correct / np.maximum(support + predicted, 1), np.nan),
        "accuracy": (n - support - predicted + 2 * correct) / n,
    }
    for score in SCORES:
        result[f"macro_{score}"] = np.nanmean(result[score], axis=1)
        result[f"weighted_{score}"] = np.nansum(result[score] * support, axis=1) / n[:, 0]
    return result | {"overall": correct.sum(axis=1) / n[:, 0]}


def classification_report(metrics: dict) -> pd.DataFrame:
    """The paper's Table 1 for a split, with averages and intervals.

    Args:
        metrics: from `split_metrics`.

    Returns:
        Rows: the body types, "macro avg", "weighted avg", "overall accuracy". Columns: body_type; precision,
        precision_low, precision_high and likewise recall, f1, accuracy (fractions, NaN where one does not
        apply); support (photos).
    """
    photos = metrics["accuracy"]["n"]
    rows = [
        *metrics["per_type"].items(),
        ("macro avg", metrics["macro"]),
        ("weighted avg", metrics["weighted"]),
        ("overall accuracy", {"accuracy": metrics["accuracy"]}),
    ]
    table = [{"body_type": name, "support": photos} | flatten_estimates(scores) for name, scores in rows]
    return pd.DataFrame(table, columns=list(REPORT_COLUMNS)[1:])


def report_markdown(report: pd.DataFrame) -> str:
    """A classification report as a Markdown table; a cell is `value (low–high)`, or – for none."""
    rows = []
    for _, row in report.iterrows():
        scores = [
            DASH if pd.isna(row[score]) else f"{row[score]:.3f} ({row[f'{score}_low']:.3f}–{row[f'{score}_high']:.3f})"
            for score in SCORES
        ]
        rows.append([row["body_type"], *scores, f"{row['support']:d}"])
    return markdown_table(["Body type", *_HEADINGS.values(), "Photos"], rows)


def _predicted(predictions: pd.DataFrame) -> pd.Series:
    return predictions["predicted"].fillna("").replace("", NO_DETECTION)


def _check(predictions: pd.DataFrame, truth: pd.DataFrame, body_types: tuple[str, ...]) -> None:
    if predictions.empty:
        raise CarsegError("There are no predictions to score: the split is empty. Give it photos, or run without it.")
    if len(twice := predictions.loc[predictions["photo_id"].duplicated(), "photo_id"]):
        raise CarsegError(f"predictions: the photo {twice.iloc[0]!r} is listed twice. Run the evaluation again.")
    for column, allowed in (("body_type", body_types), ("predicted", (*body_types, NO_DETECTION))):
        given = _predicted(predictions) if column == "predicted" else predictions[column]
        if len(strange := given[~given.isin(allowed)]):
            photo = predictions.loc[strange.index[0], "photo_id"]
            raise CarsegError(f"predictions: photo {photo!r} has {column} {strange.iloc[0]!r}, not one of {allowed}.")
    if len(without := predictions.loc[~predictions["photo_id"].isin(truth["photo_id"]), "photo_id"]):
        raise CarsegError(
            f"predictions: the photo {without.iloc[0]!r} has no labelled instance in the catalogue. "
            "Run the evaluation again."
        )


def _classification_metrics(
    predictions: pd.DataFrame, *, body_types: tuple[str, ...], bootstrap_samples: int, seed: list[int]
) -> dict:
    n = len(predictions)
    true, predicted = predictions["body_type"], _predicted(predictions)
    matrix = confusion_matrix(predictions, body_types)
    cells = np.random.default_rng(seed).multinomial(n, matrix.ravel() / n, size=bootstrap_samples)
    draws = scores_of_matrices(cells.reshape(-1, *matrix.shape))

    support, n_predicted = matrix.sum(axis=1), matrix.sum(axis=0)[:-1]
    basis = {"precision": n_predicted, "recall": support, "f1": support + n_predicted - matrix.diagonal()}  # n of each
    present = [body_type for body_type, photos in zip(body_types, support, strict=True) if photos]
    one_vs_rest = [accuracy_score(true == body_type, predicted == body_type) for body_type in body_types]

    def average(kind: str) -> dict[str, Estimate]:
        scores = precision_recall_fscore_support(true, predicted, labels=present, average=kind, zero_division=0)[:3]
        accuracy = np.average(one_vs_rest, weights=support if kind == "weighted" else None)
        return {
            score: estimate(value, draws[f"{kind}_{score}"], n)
            for score, value in zip(SCORES, (*scores, accuracy), strict=True)
        }

    per_type: dict[str, dict[str, Any]] = {}
    scores = precision_recall_fscore_support(true, predicted, labels=list(body_types), zero_division=0)[:3]
    for c, body_type in enumerate(body_types):
        per_type[body_type] = {
            score: estimate(values[c], draws[score][:, c], int(basis[score][c])) if support[c] else None
            for score, values in zip(SCORES, scores, strict=False)
        }
        per_type[body_type]["accuracy"] = estimate(one_vs_rest[c], draws["accuracy"][:, c], n)
        per_type[body_type]["support"] = int(support[c])
    return {
        "accuracy": estimate(accuracy_score(true, predicted), draws["overall"], n),
        "macro": average("macro"),
        "weighted": average("weighted"),
        "per_type": per_type,
        "no_car_found": int(matrix[:, -1].sum()),
        "confusion": {"labels": [*body_types, NO_DETECTION], "matrix": matrix.tolist()},
    }
