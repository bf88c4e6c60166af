"""The numbers of "rendered to real", from the answers of its cells: each with an interval, and paired differences.

Every cell answers the same real photos, so that two cells are compared photo by photo: the interval of a difference
is the bootstrap over photos of the difference in each. No interval here knows of another training's luck (another
seed); `repeats` shows that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.evaluation.bootstrap import Estimate, mean_estimate, proportion_estimate
from carseg_lib.experiments.sim2real.config import Cell, TransferPlan, study_of
from carseg_lib.experiments.trials import read_trial

MEASURES = ("accuracy", "mask_iou")  # those that are compared


def write_results(
    plan: TransferPlan, cells: Iterable[Cell], real: Catalogue, judged: Catalogue
) -> dict[str, Any]:
    """Write transfer.json and transfer.csv, a row a cell, from the answers of cells that are done.

    Args:
        plan: what was asked for.
        cells: those that are done.
        real: the real photos, with splits.
        judged: those that every cell answered.

    Returns:
        What transfer.json holds. An estimate is {"value", "low", "high", "n"}, or None without true masks:
        cells: name, question, version, start, photos, epochs, seed, steps, seconds, accuracy, mask_iou, box_iou,
            no_car_found (estimates), recall {type: estimate};
        curve: start, photos, trainings, accuracy, mask_iou: means over the trainings of a point; photos = 0 is the
            rendered start itself;
        differences: question, from, to, photos, accuracy, mask_iou: `to` less `from`, -1..1.
    """
    settings = {
        "bootstrap_samples": study_of(plan, "real", plan.real).bootstrap_samples,
        "seed": plan.seed,
    }
    answers = {cell: read_answers(plan.folder / cell.name) for cell in cells}
    rows = []
    for cell, predictions in answers.items():
        card = read_trial(plan.folder / cell.name)
        facts = {name: value for name, value in asdict(cell).items() if name != "data"}
        facts |= {"steps": card["steps"], "seconds": card["seconds"]}
        rows.append(facts | cell_numbers(predictions, real.body_types, **settings))
    points = _points(plan, answers)
    results = {
        "schema": 1,
        "real": {
            "name": real.name,
            "fingerprint": real.fingerprint,
            "training_photos": len(real.split("train").photos),
            "answered": {t: int((judged.photos.body_type == t).sum()) for t in real.body_types},
        },
        "plan": {
            "run": plan.run,
            "profile": plan.profile,
            "seed": plan.seed,
            "versions": list(plan.rendered),
            "version_photos": plan.version_photos,
            "version_epochs": plan.version_epochs,
            "curve": [list(point) for point in plan.curve],
            "repeats": plan.repeats,
            "validation_photos": plan.validation_photos,
            "start": Path(plan.start).name,
            "overrides": dict(plan.overrides),
        },
        "cells": rows,
        "curve": [
            {"start": start, "photos": photos, "trainings": len(tables)} | means(tables, **settings)
            for (photos, start), tables in points.items()
        ],
        "differences": _differences(plan, answers, points, **settings),
    }
    files.write_csv(plan.folder / "transfer.csv", pd.DataFrame([flat(row) for row in rows]))
    files.write_json(plan.folder / "transfer.json", results)
    return results


def cell_numbers(
    predictions: pd.DataFrame, body_types: Iterable[str], *, bootstrap_samples: int, seed: int
) -> dict[str, Any]:
    """The numbers of one cell from its predictions.csv: accuracy, mask_iou, box_iou, no_car_found, recall by type."""
    right = predictions.predicted == predictions.body_type
    settings = {"bootstrap_samples": bootstrap_samples, "seed": seed}

    def share(chosen: pd.Series) -> Estimate | None:
        return proportion_estimate(int(chosen.sum()), len(chosen), **settings) if len(chosen) else None

    return {
        **means([predictions], **settings),
        "box_iou": mean_estimate(predictions.box_iou.to_numpy(float), **settings),
        "no_car_found": share(predictions.predicted == ""),
        "recall": {t: share(right[predictions.body_type == t]) for t in body_types},
    }


def difference(before: np.ndarray, after: np.ndarray, *, bootstrap_samples: int, seed: int) -> Estimate:
    """The mean of `after` less `before`, photo by photo.

    Args:
        before: float array (n,), each 0..1.
        after: the same photos.
        bootstrap_samples: draws.
        seed: the same seed gives the same interval.

    Returns:
        An estimate, -1..1.
    """
    # An estimate lies between 0 and 1, a difference between -1 and 1.
    halved = mean_estimate((1 + after - before) / 2, bootstrap_samples=bootstrap_samples, seed=seed)
    return {key: value if key == "n" else 2 * value - 1 for key, value in halved.items()}


def finding(estimate: Estimate | None) -> str:
    """Whether a difference is one: "more", "less", or "not told apart" where its interval holds 0."""
    if estimate is None or estimate["low"] <= 0 <= estimate["high"]:
        return "not told apart"
    return "more" if estimate["value"] > 0 else "less"


def read_answers(folder: Path) -> pd.DataFrame:
    """The answers of a cell, by photo."""
    path = folder / "predictions.csv"
    try:
        numbers = {name: [""] for name in ("score", "mask_iou")}
        return pd.read_csv(path, keep_default_na=False, na_values=numbers).sort_values(
            "photo_id", ignore_index=True
        )
    except (OSError, ValueError) as error:
        raise CarsegError(
            f"{path} is not a readable table ({error}). Delete {folder} and run again."
        ) from error


def _points(
    plan: TransferPlan, answers: dict[Cell, pd.DataFrame]
) -> dict[tuple[int, str], list[pd.DataFrame]]:
    """The answers of each point of the curve, by photos and start, from its left."""
    points: dict[tuple[int, str], list[pd.DataFrame]] = {}
    last = list(plan.rendered)[-1]
    for cell, predictions in answers.items():
        is_start = cell.version == last and not plan.start
        if cell.question == "curve" or is_start:
            key = (0, "rendered") if is_start else (cell.photos, cell.start)
            points.setdefault(key, []).append(predictions)
    return points


def per_photo(tables: list[pd.DataFrame], measure: str) -> np.ndarray | None:
    """A measure of each photo, 0..1, its mean over some trainings; None without true masks."""
    if measure == "accuracy":
        return np.mean([table.predicted == table.body_type for table in tables], axis=0)
    values = np.array([table[measure].to_numpy(float) for table in tables])
    return None if np.isnan(values).any() else values.mean(axis=0)


def means(tables: list[pd.DataFrame], **settings: int) -> dict[str, Estimate | None]:
    """Accuracy and mask IoU over the photos, each photo's the mean over some trainings; None without true masks."""
    values = {measure: per_photo(tables, measure) for measure in MEASURES}
    return {name: None if v is None else mean_estimate(v, **settings) for name, v in values.items()}


def _differences(
    plan: TransferPlan,
    answers: dict[Cell, pd.DataFrame],
    points: dict[tuple[int, str], list[pd.DataFrame]],
    **settings: int,
) -> list[dict[str, Any]]:
    """Each version beside the one before, and at each point of the curve the rendered start beside the other."""
    pairs = []
    versions = [(cell, [table]) for cell, table in answers.items() if cell.question == "version"]
    for (cell, before), (other, after) in pairwise(versions):
        names = {"question": "version", "from": cell.version, "to": other.version, "photos": other.photos}
        pairs.append((names, before, after))
    for (photos, start), tables in points.items():
        rendered = points.get((photos, "rendered"), [])
        if start != "rendered" and len(rendered) == len(tables):  # paired, seed by seed
            pairs.append(
                ({"question": "curve", "from": start, "to": "rendered", "photos": photos}, tables, rendered)
            )
    rows = []
    for names, before, after in pairs:
        row: dict[str, Any] = dict(names)
        for measure in MEASURES:
            sides = per_photo(before, measure), per_photo(after, measure)
            row[measure] = None if any(side is None for side in sides) else difference(*sides, **settings)
        rows.append(row)
    return rows


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as columns: accuracy, accuracy_low, accuracy_high and so on; of a table by type, recall_suv and so on."""
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and "low" in value:
            columns |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        elif isinstance(value, dict):
            columns |= flat({f"{name}_{key}": part for key, part in value.items()})
        else:
            columns[name] = value
    return columns
