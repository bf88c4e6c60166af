"""The section "Predictions": confusion matrices, and every evaluated photo with what was labelled and predicted.

The photos' facts are a table by columns in JSON, which the page's script reads: a row less, a kilobyte less per photo.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.metadata import SHAPE, attribute_description
from carseg_lib.evaluation.tables import DETECTIONS
from carseg_lib.reporting.html import findings
from carseg_lib.reporting.html.pictures import FOLDER, Pictures
from carseg_lib.reporting.html.run_files import RunFiles
from carseg_lib.reporting.outlines import drawing_size, mask_outline

WRONG_BOX = 0.5  # box IoU below which the prediction is of another car, or of a wrong part of the photo
_LONGEST = 320  # units of the drawing over a photo, along its longer side
_BOX = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True)
class Gallery:
    """The evaluated photos of a run."""

    data: dict[str, Any]  # for the script of the page; see `gallery`
    photos: list[Path]  # their files, in the order of `data`


def section(run: RunFiles) -> dict[str, Any]:
    """The content of the section: a confusion matrix per split, and what keeps the photos from being shown."""
    missing = "predictions.csv" if run.predictions is None else "dataset/" if run.catalogue is None else ""
    splits = run.metrics["splits"]
    counts = {split: _counts(run.predictions, split) for split in run.splits}
    return {
        "matrices": {split: _matrix(splits[split]) for split in run.splits},
        "missing": missing,
        "counts": counts,
        "confusions": {split: findings.most_frequent_confusions(splits[split]["confusion"]) for split in run.splits},
        "elsewhere": ", ".join(f"{n['elsewhere']:,} {split}" for split, n in counts.items() if n.get("elsewhere")),
        "wrong_box": WRONG_BOX,
        "shape_parameters": 0 if run.catalogue is None else _shape_parameters(run.catalogue),
    }


def _counts(predictions: pd.DataFrame | None, split: str) -> dict[str, int]:
    """Photos of a split, and how many are misclassified or have their box elsewhere."""
    if predictions is None:
        return {}
    rows = predictions[predictions["split"] == split]
    found = rows["predicted"] != ""
    return {
        "photos": len(rows),
        "wrong": int((rows["predicted"] != rows["body_type"]).sum()),
        "elsewhere": int((found & (rows["box_iou"] < WRONG_BOX)).sum()),
    }


def _matrix(part: Mapping[str, Any]) -> dict[str, Any]:
    """A confusion matrix with the recall of each row and the precision of each column."""
    labels, matrix = part["confusion"]["labels"], part["confusion"]["matrix"]
    rows = [
        {
            "truth": truth,
            "cells": [
                {"predicted": label, "n": n, "share": n / (sum(row) or 1)} for label, n in zip(labels, row, strict=True)
            ],
            "n": sum(row),
            "recall": part["per_type"].get(truth, {}).get("recall"),
        }
        for truth, row in zip(labels, matrix, strict=False)
        if truth in part["per_type"]
    ]
    return {
        "labels": labels,
        "rows": rows,
        "n": part["accuracy"]["n"],
        "precision": [part["per_type"].get(label, {}).get("precision") for label in labels],
    }


def gallery(run: RunFiles) -> Gallery | None:
    """The evaluated photos for the script of the page; None where predictions.csv or the catalogue is missing.

    Mistakes come first, then the splits in the order of the page: of more photos than fit, these are inside it.
    The columns of the table: id, split, truth, predicted (-1: no car found), score, box_iou, mask_iou, size (of the
    photo), drawing (its width and height), labelled, others (outlines or boxes of the labelled car and of further
    ones), predicted_mask, boxes (of the detections: type, score, x1, y1, x2, y2). Types and splits are positions in
    lists. Outlines and boxes are in units of the drawing.
    """
    if run.predictions is None or run.catalogue is None:
        return None
    order = {split: k for k, split in enumerate(run.splits)}
    rows = run.predictions[run.predictions["split"].isin(order)]
    rows = rows.assign(_right=rows["predicted"] == rows["body_type"], _split=rows["split"].map(order))
    rows = rows.sort_values(["_right", "_split", "photo_id"], kind="stable")
    types = [name for name in dict.fromkeys([*run.body_types, *rows["body_type"], *rows["predicted"]]) if name]
    place = {name: k for k, name in enumerate(types)} | {"": -1}
    cars = dict(list(run.catalogue.instances.groupby("photo_id")))
    detections = run.table("detections.csv", DETECTIONS)
    found = {} if detections is None else dict(list(detections.groupby("photo_id")))
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for row in rows.to_dict("records"):
        size = drawing_size(row["width"], row["height"], _LONGEST)
        scale = size[0] / row["width"]
        main, others = _labelled(row, cars.get(row["photo_id"]), size)
        values = (
            row["photo_id"],
            order[row["split"]],
            place[row["body_type"]],
            place[row["predicted"]],
            _number(row["score"]),
            _number(row["box_iou"]),
            _number(row["mask_iou"]),
            [row["width"], row["height"]],
            list(size),
            main,
            others,
            mask_outline(row["mask"], row["width"], row["height"], size),
            _boxes(row, found.get(row["photo_id"]), place, scale),
        )
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
    data = {
        "splits": run.splits,
        "types": types,
        "main": run.split,
        "wrong_box": WRONG_BOX,
        "photos": columns,
        "facts": _facts(run.catalogue, columns["id"]),
    }
    return Gallery(data, [run.catalogue.root / name for name in columns["id"]])


_COLUMNS = (
    *("id", "split", "truth", "predicted", "score", "box_iou", "mask_iou", "size", "drawing", "labelled", "others"),
    *("predicted_mask", "boxes"),
)


def _labelled(row: Mapping[str, Any], cars: pd.DataFrame | None, size: tuple[int, int]) -> tuple[str, str]:
    """The outline of the labelled car, and those of further labelled cars in one path; the boxes without masks."""
    true = [row[f"true_{name}"] for name in _BOX]
    main, others = "", ""
    for car in [] if cars is None else cars.to_dict("records"):
        box = [car[name] for name in _BOX]
        line = mask_outline(car["mask"], row["width"], row["height"], size)
        if not line and car["box_origin"] != "whole frame":
            line = _rectangle(box, size[0] / row["width"])
        if not main and all(math.isclose(a, b, abs_tol=0.01) for a, b in zip(box, true, strict=True)):
            main = line
        else:
            others += line
    return main, others


def _rectangle(box: list[float], scale: float) -> str:
    x1, y1, x2, y2 = (round(scale * value) for value in box)
    return f"M{x1} {y1}H{x2}V{y2}H{x1}z"


def _boxes(
    row: Mapping[str, Any], detections: pd.DataFrame | None, place: Mapping[str, int], scale: float
) -> list[list[float]]:
    """The detections of a photo, the surest first; of a run without detections.csv the predicted one."""
    found = [{**row, "body_type": row["predicted"]}] if row["predicted"] else []
    if detections is not None:
        found = detections.sort_values("score", ascending=False, kind="stable").to_dict("records")
    return [
        [place.get(one["body_type"], -1), round(one["score"], 3), *(round(scale * one[name]) for name in _BOX)]
        for one in found
    ]


def _facts(catalogue: Catalogue, photos: list[str]) -> list[dict[str, Any]]:
    """What is known of the photos, a column each; the parameters of the car's shape are left out, as they are many.

    Texts are positions in the list `levels`, -1 where nothing is known.
    """
    known = catalogue.photos.set_index("photo_id")[["group", "brightness"]]
    titles = {"group": "photos of the same group are not independent", "brightness": "mean brightness, 0 to 1"}
    if len(catalogue.parameters):
        more = catalogue.parameters.set_index("photo_id").drop(columns=known.columns, errors="ignore")
        known = known.join(more[[name for name in more if not name.startswith(SHAPE)]])
    known = known.reindex(photos)
    facts = []
    for name, values in known.items():
        fact: dict[str, Any] = {"name": name, "meaning": titles.get(str(name)) or attribute_description(str(name))}
        if values.dtype == "float64":
            fact["values"] = [_number(value) for value in values]
        else:
            texts = values.fillna("").astype("str")
            fact["levels"] = sorted({*texts} - {""})
            positions = {level: k for k, level in enumerate(fact["levels"])}
            fact["values"] = [positions.get(text, -1) for text in texts]
        if any(value not in (None, -1) for value in fact["values"]):
            facts.append(fact)
    return facts


def _shape_parameters(catalogue: Catalogue) -> int:
    return sum(name.startswith(SHAPE) for name in catalogue.parameters.columns)


def _number(value: float) -> float | None:
    """Three figures of a number, as many as a reader needs; None where there is none."""
    return None if math.isnan(value) else float(f"{value:.3g}")


def line_of_pictures(pictures: Pictures) -> str:
    """How many photos are shown, at which size, and where those lie that are not inside the page."""
    total = len(pictures.sources)
    inside = total - pictures.beside - pictures.unreadable
    texts = [f"Of {total:,} photos, {inside:,} are inside this page, {pictures.side} pixels at most"]
    if pictures.beside:
        texts.append(f"{pictures.beside:,} are files in the folder {FOLDER}/ beside it")
    if pictures.unreadable:
        texts.append(f"{pictures.unreadable:,} cannot be read and have no picture")
    return "; ".join(texts) + "."
