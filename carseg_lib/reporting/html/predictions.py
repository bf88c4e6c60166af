"""The section "Predictions": confusion matrices, and every evaluated photo with what was labelled and predicted.

The photos' facts are a table by columns in JSON, which the page's script reads: a row less, a kilobyte less per photo.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core.parallel import in_threads
from carseg_lib.core.progress import counted
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.metadata import SHAPE, attribute_description
from carseg_lib.evaluation.presence import NO_CAR
from carseg_lib.evaluation.tables import DETECTIONS
from carseg_lib.reporting.html import findings
from carseg_lib.reporting.html.carless import CarlessPhoto
from carseg_lib.reporting.html.pictures import FOLDER, Pictures
from carseg_lib.reporting.html.run_files import RunFiles
from carseg_lib.reporting.outlines import drawing_size, mask_outline

WRONG_BOX = 0.5  # box IoU below which the prediction is of another car, or of a wrong part of the photo
_LONGEST = 320  # units of the drawing over a photo, along its longer side
# Of so many photos the outlines alone would weigh more than a page may: those of correct predictions are then drawn in
# fewer units, and their detections of hardly any score and the numbers that are known of them left out.
MANY, _FEWER, _LEAST_SCORE = 4_000, 96, 0.2
_BOX = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True)
class Gallery:
    """The evaluated photos of a run."""

    data: dict[str, Any]  # for the script of the page; see `gallery`
    photos: list[Path]  # their files, in the order of `data`
    wrong: int  # mistakes, which come first


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
        "without_car": _counts_without_car(run),
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


def _counts_without_car(run: RunFiles) -> dict[str, dict[str, int]]:
    """Photos of each set of photos without a car, and how many are called one."""
    counts: dict[str, dict[str, int]] = {}
    for photo in run.carless:
        of = counts.setdefault(photo.of, {"photos": 0, "wrong": 0})
        of["photos"] += 1
        of["wrong"] += photo.answer != NO_CAR
    return counts


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
    The columns of the table: id, split, truth (-1: no car), predicted (-1: no car found), score, box_iou, mask_iou,
    size (of the photo), drawing (its width and height), labelled, others (outlines or boxes of the labelled car and of
    further ones), predicted_mask, boxes (of the detections: type, score, x1, y1, x2, y2). Types and splits are
    positions in lists; after the splits come the sets of photos without a car. Outlines and boxes are in units of the
    drawing.
    """
    if run.predictions is None or run.catalogue is None:
        return None
    carless = run.carless
    sets = list(dict.fromkeys(photo.of for photo in carless))
    order = {split: k for k, split in enumerate(run.splits)}
    rows = run.predictions[run.predictions["split"].isin(order)]
    answers = [*run.body_types, *rows["body_type"], *rows["predicted"], *(photo.answer for photo in carless)]
    answers += [kind for photo in carless for kind, _, _ in photo.regions]
    types = [name for name in dict.fromkeys(answers) if name and name != NO_CAR]
    place = {name: k for k, name in enumerate(types)} | {"": -1, NO_CAR: -1}
    found = list(_cars(run, run.catalogue, rows, order, place))
    found += [_carless(photo, len(order) + sets.index(photo.of), place) for photo in carless]
    found.sort(key=lambda one: (one["truth"] == one["predicted"], one["split"], one["id"]))
    columns: dict[str, list[Any]] = {name: [one[name] for one in found] for name in _COLUMNS}
    wrong = sum(one["truth"] != one["predicted"] for one in found)
    files = {photo.photo_id: photo.path for photo in carless}
    data = {
        "splits": [*run.splits, *sets],
        "types": types,
        "main": run.split,
        "with_car": len(order),  # the splits; the sets after them are of photos without a car
        "wrong_box": WRONG_BOX,
        "photos": columns,
        "facts": _facts(run.catalogue, columns["id"], wrong if len(found) > MANY else len(found)),
    }
    return Gallery(data, [files.get(name) or run.catalogue.root / name for name in columns["id"]], wrong)


def _cars(
    run: RunFiles, catalogue: Catalogue, rows: pd.DataFrame, order: Mapping[str, int], place: Mapping[str, int]
) -> Iterator[dict[str, Any]]:
    """The photos of cars, each with the columns of the table."""
    cars = _by_photo(catalogue.instances[catalogue.instances["photo_id"].isin(rows["photo_id"])])
    detections = run.table("detections.csv", DETECTIONS)
    if detections is None:  # of a run without it, the predicted ones
        detections = rows[rows["predicted"] != ""].assign(body_type=rows["predicted"])
    found = _by_photo(detections.drop(columns="mask").sort_values("score", ascending=False, kind="stable"))
    many = len(rows) + len(run.carless) > MANY

    def photo(row: dict[str, Any]) -> dict[str, Any]:
        brief = many and row["predicted"] == row["body_type"]
        size = drawing_size(row["width"], row["height"], _FEWER if brief else _LONGEST)
        main, others = _labelled(row, cars.get(row["photo_id"], []), size)
        boxes = _boxes(found.get(row["photo_id"], []), place, size[0] / row["width"])
        return {
            "id": row["photo_id"],
            "split": order[row["split"]],
            "truth": place[row["body_type"]],
            "predicted": place[row["predicted"]],
            "score": _number(row["score"]),
            "box_iou": _number(row["box_iou"]),
            "mask_iou": _number(row["mask_iou"]),
            "size": [row["width"], row["height"]],
            "drawing": list(size),
            "labelled": main,
            "others": others,
            "predicted_mask": mask_outline(row["mask"], row["width"], row["height"], size),
            "boxes": [box for box in boxes if not brief or box[1] >= _LEAST_SCORE],
        }

    with in_threads(photo, rows.to_dict("records")) as found_photos:
        yield from counted(found_photos, "predictions outlined", len(rows))


def _carless(photo: CarlessPhoto, split: int, place: Mapping[str, int]) -> dict[str, Any]:
    """A photo without a car, with the columns of the table."""
    size = drawing_size(*photo.size, _LONGEST)
    scale = size[0] / photo.size[0]
    boxes = [[place[kind], round(score, 3), *(round(scale * x) for x in box)] for kind, score, box in photo.regions]
    given = {"id": photo.photo_id, "split": split, "truth": -1, "predicted": place[photo.answer]}
    shown = {"score": _number(photo.score), "size": list(photo.size), "drawing": list(size), "boxes": boxes}
    nothing = {"box_iou": None, "mask_iou": None, "labelled": "", "others": "", "predicted_mask": ""}
    return given | shown | nothing


_COLUMNS = (
    *("id", "split", "truth", "predicted", "score", "box_iou", "mask_iou", "size", "drawing", "labelled", "others"),
    *("predicted_mask", "boxes"),
)


def _by_photo(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The rows of each photo, in order."""
    photos: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        photos.setdefault(row["photo_id"], []).append(row)
    return photos


def _labelled(row: Mapping[str, Any], cars: list[dict[str, Any]], size: tuple[int, int]) -> tuple[str, str]:
    """The outline of the labelled car, and those of further labelled cars in one path; the boxes without masks."""
    true = [row[f"true_{name}"] for name in _BOX]
    main, others = "", ""
    for car in cars:
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


def _boxes(detections: list[dict[str, Any]], place: Mapping[str, int], scale: float) -> list[list[float]]:
    """The detections of a photo, the most confident first: type, score, box in units of the drawing."""
    return [
        [place.get(one["body_type"], -1), round(one["score"], 3), *(round(scale * one[name]) for name in _BOX)]
        for one in detections
    ]


def _facts(catalogue: Catalogue, photos: list[str], measured: int) -> list[dict[str, Any]]:
    """What is known of the photos, a column each; the parameters of the car's shape are left out, as they are many.

    Texts are positions in the list `levels`, -1 where nothing is known. Numbers are those of the first `measured`
    photos.
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
            fact["values"] = [_number(value) for value in values[:measured]]
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
    larger = f", mistakes {pictures.larger}" if pictures.larger else ""
    texts = [f"Of {total:,} photos, {inside:,} are inside this page, {pictures.side} pixels at most{larger}"]
    if pictures.beside:
        texts.append(f"{pictures.beside:,} are files in the folder {FOLDER}/ beside it")
    if pictures.unreadable:
        texts.append(f"{pictures.unreadable:,} cannot be read and have no picture")
    if total > MANY:
        least = f"detections of them with a score below {_LEAST_SCORE}, and numbers that are known of them"
        texts.append(
            f"of so many photos, outlines of correct predictions are coarser; {least}, are in the tables alone"
        )
    return "; ".join(texts) + "."
