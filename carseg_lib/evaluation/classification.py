"""Every number that is computed from the predictions and detections of a split.

Conventions:
- "no car found" is a prediction like any other, and always wrong.
- Accuracy of a type is one-vs-rest, as in the paper's Table 1: the share of all photos for which "is it this type?" is
  decided correctly.
- A type that has photos but is never predicted has precision 0 (scikit-learn's zero_division=0), so that a model does
  not profit from never predicting it. Its n is then 0 and its interval (0, 1).
- A type without photos in the split has no precision, recall or F1 (null), and the averages exclude it.
- Intervals. Accuracy, precision and recall are shares of photos: Wilson's. So is the F1 score in disguise: F1 = 2 q /
  (1 + q), where q is the share of hits among the photos of the type or predicted as it; its interval is Wilson's of q.
  Averages over types: percentiles of the scores of matrices whose cells have the shares of a Dirichlet distribution
  with the counts of photos and one photo more, spread over the cells (prior of Perks 1947), so that an empty cell is
  not an impossible one. With groups of photos Wilson's n, and the counts, are divided by the design effect (see
  `carseg_lib.evaluation.clusters`). docs/statistics.md has the coverage of each.
- n is the number of photos that a number is computed from. Precision: photos predicted as the type; recall: photos of
  the type; F1: photos of either kind; all others: the photos of the split (mask IoU: those with a labelled mask).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from carseg_lib.core.classes import NO_DETECTION
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import DASH, markdown_table
from carseg_lib.evaluation.average_precision import average_precision
from carseg_lib.evaluation.bootstrap import Estimate, estimate, group_numbers, mean_estimate, percentile_interval
from carseg_lib.evaluation.clusters import design_effect, share_estimate
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
_PREDICTIONS, _BOXES, _MASKS, _BOX_IOU, MASK_IOU = range(5)


def split_metrics(
    predictions: pd.DataFrame,
    detections: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    body_types: tuple[str, ...],
    bootstrap_samples: int,
    seed: int,
    has_masks: bool,
    groups: pd.Series | None = None,
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
        groups: name of each photo's group by photo_id ("" or missing: the photo is its own), as for photos of one car
            model; their photos are not counted as independent. None: no groups.

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
        values = predictions.set_index("photo_id")[column].dropna()
        if values.empty:
            return None
        of_photos = None if groups is None else groups.reindex(values.index).fillna("").tolist()
        sampling: dict[str, Any] = {"bootstrap_samples": bootstrap_samples, "seed": [seed, stream]}
        return mean_estimate(values.to_numpy(float), **sampling, groups=of_photos)

    sizes = predictions[["photo_id", "width", "height"]]
    settings: dict[str, Any] = {"body_types": body_types, "bootstrap_samples": bootstrap_samples, "groups": groups}
    return {
        **classification_metrics(predictions, **settings, seed=[seed, _PREDICTIONS]),
        "box": average_precision(truth, detections, sizes, "bbox", **settings, seed=[seed, _BOXES]),
        "mask": average_precision(truth, detections, sizes, "segm", **settings, seed=[seed, _MASKS])
        if has_masks
        else None,
        "mask_iou": mean_overlap("mask_iou", MASK_IOU) if has_masks else None,
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
        matrices: int or float array (B, C, C + 1) of photos or their shares, rows true types, columns predicted types,
            the last "no car found".

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
        "precision": np.where(present, correct / np.where(predicted > 0, predicted, 1), np.nan),
        "recall": np.where(present, correct / np.where(present, support, 1), np.nan),
        "f1": np.where(present, 2 * correct / np.where(support + predicted > 0, support + predicted, 1), np.nan),
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


def classification_metrics(
    predictions: pd.DataFrame,
    *,
    body_types: tuple[str, ...],
    bootstrap_samples: int,
    seed: int | list[int],
    groups: pd.Series | None = None,
) -> dict:
    """The numbers of `split_metrics` that need no boxes, of predictions that name known types.

    Args:
        predictions: as for `split_metrics`; columns photo_id, body_type, predicted.
        body_types: the types, in order.
        bootstrap_samples: draws for the intervals of averages.
        seed: the same seed gives the same intervals.
        groups: as for `split_metrics`.
    """
    true, predicted = predictions["body_type"], _predicted(predictions)
    matrix = confusion_matrix(predictions, body_types)
    support = matrix.sum(axis=1)
    of_photos = None
    if groups is not None:
        of_photos = group_numbers(groups.reindex(predictions["photo_id"]).fillna("").tolist())
    rows, columns = (pd.Index([*body_types, NO_DETECTION]).get_indexer(names) for names in (true, predicted))
    cell = rows * matrix.shape[1] + columns
    averages = _average_estimates(matrix, cell, of_photos, bootstrap_samples, seed)

    def share(right: pd.Series, among: pd.Series | None = None) -> Estimate:
        chosen = np.ones(len(right), bool) if among is None else among.to_numpy()
        return share_estimate(right.to_numpy()[chosen], None if of_photos is None else of_photos[chosen])

    def f1_score(hit: pd.Series, among: pd.Series) -> Estimate:
        found = share(hit, among)
        return {key: q if key == "n" else 2 * q / (1 + q) for key, q in found.items()}

    per_type: dict[str, dict[str, Any]] = {}
    for body_type, photos in zip(body_types, support, strict=True):
        of_type, called = true == body_type, predicted == body_type
        hit = of_type & called
        scores = {"precision": share(hit, called), "recall": share(hit, of_type), "f1": f1_score(hit, of_type | called)}
        per_type[body_type] = scores if photos else dict.fromkeys(scores)
        per_type[body_type] |= {"accuracy": share(of_type == called), "support": int(photos)}
    accuracy = share(true == predicted)
    return {
        "accuracy": accuracy,
        "macro": averages["macro"],
        "weighted": averages["weighted"] | {"recall": accuracy},  # they are one number
        "per_type": per_type,
        "no_car_found": int(matrix[:, -1].sum()),
        "confusion": {"labels": [*body_types, NO_DETECTION], "matrix": matrix.tolist()},
    }


def _average_estimates(
    matrix: np.ndarray, cell: np.ndarray, groups: np.ndarray | None, bootstrap_samples: int, seed: int | list[int]
) -> dict[str, dict[str, Estimate]]:
    """The averages over types, macro and weighted, with intervals by draws of the matrix.

    Args:
        matrix: int array (C, C + 1), see `confusion_matrix`.
        cell: int array (n,), of each photo in the flattened matrix.
        groups: int array (n,), numbers of the photos' groups, or None.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.
    """
    values = scores_of_matrices(matrix[None])
    possible = np.repeat(matrix.sum(axis=1) > 0, matrix.shape[1]).astype(float)  # a type without photos has none
    prior = possible / possible.sum()
    names = [(kind, score) for kind in ("macro", "weighted") for score in SCORES]
    slopes = {} if groups is None else _slopes(matrix)
    found: dict[str, dict[str, Estimate]] = {"macro": {}, "weighted": {}}
    drawn: dict[float, dict[str, np.ndarray]] = {}
    for kind, score in names:
        effect = 1.0
        if groups is not None:
            influence = slopes[f"{kind}_{score}"][cell]
            effect = design_effect(influence - influence.mean(), groups)
        if effect not in drawn:
            rates = np.random.default_rng(seed).standard_gamma(
                matrix.ravel() / effect + prior, size=(bootstrap_samples, matrix.size)
            )
            shares = rates / rates.sum(axis=1, keepdims=True)
            drawn[effect] = scores_of_matrices(shares.reshape(-1, *matrix.shape))
        name = f"{kind}_{score}"
        found[kind][score] = estimate(values[name][0], percentile_interval(drawn[effect][name]), int(matrix.sum()))
    return found


def _slopes(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """How much each score changes with a photo more in each cell: float arrays (cells,), by name."""
    step = 1e-4
    more = matrix.ravel() + step * np.eye(matrix.size)
    before, after = scores_of_matrices(matrix[None]), scores_of_matrices(more.reshape(-1, *matrix.shape))
    return {name: (after[name] - before[name]) / step for name in after if name.startswith(("macro_", "weighted_"))}
