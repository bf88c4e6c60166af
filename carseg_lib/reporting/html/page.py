"""Writes the page of a run: one HTML file that opens from disk with no network and asks for no other file.

Styles, script and figures stand in the file; its Content-Security-Policy names the hashes of the one style sheet
and the one script and allows nothing else. Every text from outside is escaped by Jinja2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.data import metadata
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.duplicates import exact_duplicates, near_duplicates
from carseg_lib.paper import audit as paper_audit
from carseg_lib.paper import claims, recipe
from carseg_lib.reporting.html import findings
from carseg_lib.reporting.html.render import FigureOnPage, figure_on_page, render

# Section of the page → figures it looks for in figures/, by name without .png, and their captions.
# {split} stands for the evaluated splits, {of} for "… photos of the split", {type} for the body types.
FIGURES: dict[str, dict[str, str]] = {
    "data": {
        "split_counts": "Photos in each split and of each type, beside the paper's split.",
        "photo_sizes": "Sizes and aspect ratios of the photos; the paper's 240 × 160 marked.",
        "brightness": "Mean brightness of the photos of each type.",
        "box_statistics": "Size, shape and place of the boxes.",
        "mask_statistics": "Mean silhouette of each type, and how much of its box a mask fills.",
        "samples_{type}": "Photos of the type {type}, drawn at random (the paper's Figures 1 to 4 show one of each).",
        "near_duplicates": "Pairs of photos that look the same.",
        "mask_qualities": "How sure the teacher is of the masks it drew, and what was left out.",
        "doubtful_photos": "Photos left out because the teacher's masks are doubtful.",
    },
    "known": {
        "known_gallery": "Pictures of each type, chosen to differ in what is known of them.",
        "known_strips": "What each parameter does: one car, one parameter varied.",
        "known_shape_strips": "What each measure of the body does.",
        "known_views": "Directions from which the cars of each type are seen.",
        "known_numbers": "Camera, size, occlusion and sun, type by type.",
        "known_kinds": "Views, lights and places, type by type.",
        "known_shapes": "Measures of the cars: how far the shapes of the types overlap.",
    },
    "preprocessing": {
        "transform_steps": "One photo through the preprocessing, step by step.",
        "augmentation": "Random versions of a photo, as training sees them.",
    },
    "training": {
        "loss_curves": "Loss per epoch, training and validation.",
        "loss_terms": "The five terms of the loss per epoch.",
        "accuracy_curves": "Accuracy per epoch with 95% intervals; the paper's averages dashed.",
    },
    "evaluation": {
        "table_bars_{split}": "Precision, recall, F1 and accuracy of each type beside the paper's Table 1, {of}.",
        "confusion_{split}": "Confusion matrix, {of}.",
        "pr_curves_{split}": "Precision against recall for each type, {of}.",
        "average_precision_{split}": "COCO average precision of boxes and masks, {of}.",
    },
    "hard": {
        "hard_factors": "Accuracy and mean mask IoU by view, size, occlusion, light and so on.",
        "hard_types_by_view": "Accuracy of each type from each side.",
        "hard_directions": "Accuracy by the direction from which the car is seen.",
        "hard_odds": "How each measure, the others being equal, changes the odds of a right answer.",
    },
    "pictures": {
        "answers_right_{split}": "Photos answered right, drawn at random from the {of}.",
        "answers_wrong_{split}": "Photos answered wrong, the surest first, of the {of}.",
        "masks_against_truth_{split}": "Predicted masks over the given ones, drawn at random from the {of}.",
    },
}
NOTEBOOKS = {
    "01_data_exploration": "Data exploration",
    "02_preprocessing": "Preprocessing",
    "03_training": "Training",
    "04_evaluation": "Evaluation",
}
ORDER = ["test", "validation", "train"]  # of the splits on the page
LISTED = 200  # rows of a long list that the page shows


def write_report(run_folder: Path) -> Path:
    """Write `index.html` of a run from the files in its folder.

    Only metrics.json must be there; of every other file the page says that it is missing.

    Args:
        run_folder: `reports/<run>`: metrics.json, config.json, provenance.json, history.csv, predictions.csv,
            classification_report.csv, slice_metrics.csv, error_odds.csv, dataset/ (a Catalogue), figures/*.png,
            notebooks/*.html.

    Returns:
        The path of the page, written whole or not at all.

    Raises:
        CarsegError: metrics.json is missing or broken, another file is broken, or the page cannot be written.
    """
    run_folder = Path(run_folder)
    if not (run_folder / "metrics.json").is_file():
        raise CarsegError(f"{run_folder / 'metrics.json'} is missing: make the run first, by make reproduce.")
    metrics = files.read_json(run_folder / "metrics.json")
    study, provenance = (_json(run_folder / name) for name in ("config.json", "provenance.json"))
    catalogue = Catalogue.load(run_folder / "dataset") if (run_folder / "dataset").is_dir() else None
    predictions = _table(run_folder / "predictions.csv")
    split = findings.main_split(metrics)
    body_types = list(metrics["splits"][split].get("per_type") or {}) if split else list(BODY_TYPES)
    duplicates = _duplicates(catalogue)
    differences = recipe.differences(study, metrics, None if catalogue is None else catalogue.photos)
    headline, averages, table1 = findings.comparison(metrics)
    order = sorted(metrics["splits"], key=ORDER.index)
    audit = paper_audit.audit()
    photos = {name: metrics["splits"][name]["accuracy"]["n"] for name in order}
    truth, hardness = (_table(run_folder / f"{name}.csv") for name in ("slice_metrics", "error_odds"))
    context = {
        "run": metrics["run"],
        "data": metrics["data"],
        "training": metrics.get("training"),
        "splits": metrics["splits"],
        "split": split,
        "order": order,
        "compared": [name for name in findings.COMPARED if name in metrics["splits"]],
        "body_types": body_types,
        "other_types": findings.other_types(metrics),
        "verdict": findings.verdict(metrics, differences),
        "cards": _cards(metrics, split),
        "headline": headline,
        "averages": averages,
        "table1": table1,
        "differences": differences,
        "audit": audit.to_dict("records"),
        "audit_counts": audit["verdict"].value_counts().to_dict(),
        "counts": metrics["data"].get("counts") or {},
        "excluded": [] if catalogue is None else catalogue.excluded.to_dict("records"),
        "duplicates": duplicates,
        "parts": _records(_table(run_folder / "model_summary.csv")),
        "history": _records(_table(run_folder / "history.csv")),
        "reports": _classification_reports(run_folder),
        "confusions": {
            name: findings.commonest_confusions(part["confusion"]) for name, part in metrics["splits"].items()
        },
        "wrong": _wrong(predictions, split),
        "limits": findings.limits(
            metrics, split, duplicates, catalogue is not None and len(catalogue.parameters) > 0
        ),
        "parameters": None if catalogue is None else metadata.describe_metadata(catalogue),
        "truth": None if truth is None else _truth(truth),
        "hard_levels": []
        if truth is None or hardness is None
        else findings.significant_slices(truth, hardness),
        "hardness": _records(hardness),
        "pictures": _figures(run_folder / "figures", body_types, photos),
        "notebooks": [
            (f"notebooks/{name}.html", title)
            for name, title in NOTEBOOKS.items()
            if (run_folder / "notebooks" / f"{name}.html").is_file()
        ],
        "provenance": provenance or {},
        "augmented": recipe.augmentation(study["inputs"])[0] if study else "",
        "study": _settings(study or {}),
        "listed": LISTED,
    }
    return files.write_text(run_folder / "index.html", render("page.html", context))


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting by its dotted name, but for where the photos lie: the page holds no path of a machine."""
    settings: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            settings |= {f"{name}.{setting}": part for setting, part in value.items()}
        else:
            settings[name] = value
    return {name: value for name, value in settings.items() if name not in ("data.source", "data.classes")}


def write_index(reports: Path) -> Path:
    """Write `reports/index.html`, the list of all runs that have metrics, newest first.

    Args:
        reports: the folder that holds the runs.

    Returns:
        The path of the list.
    """
    reports = Path(reports)
    runs = []
    for path in reports.glob("*/metrics.json"):
        metrics, provenance = files.read_json(path), _json(path.parent / "provenance.json")
        made = (provenance or {}).get("made") or ""
        if "splits" not in metrics or not (path.parent / "index.html").is_file():
            continue
        split = findings.main_split(metrics)
        part = metrics["splits"].get(split) or {}
        mask = (part.get("mask") or {}).get("AP")
        runs.append(
            {
                "folder": path.parent.name,
                "made": made,
                "metrics": metrics,
                "split": split,
                "order": sorted(metrics["splits"], key=ORDER.index),
                "part": part,
                "mask": mask,
            }
        )
    runs.sort(key=lambda run: (run["made"], run["folder"]), reverse=True)
    return files.write_text(reports / "index.html", render("runs.html", {"runs": runs}))


def _json(path: Path) -> dict[str, Any] | None:
    return files.read_json(path) if path.is_file() else None


def _table(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise CarsegError(f"{path} is not a readable table ({error}). Delete it and run again.") from error


def _records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    return [] if table is None else json.loads(table.to_json(orient="records"))


def _cards(metrics: Mapping[str, Any], split: str) -> list[dict[str, Any]]:
    """The headline numbers: a title, the estimate, the paper's figure where it has one."""
    if not split:
        return []
    part, other = (
        metrics["splits"][split],
        metrics["splits"].get("validation") if split != "validation" else None,
    )
    ap = {kind: (part.get(kind) or {}).get("AP") for kind in ("box", "mask")}
    training = (metrics.get("training") or {}).get("train_accuracy")
    headline = claims.HEADLINE
    cards = [
        (f"Accuracy, {split}", part["accuracy"], headline["accuracy"]),
        (
            "Accuracy, validation",
            other and other["accuracy"],
            claims.claim("average validation accuracy").value,
        ),
        ("Accuracy, training sample", training, claims.claim("average training accuracy").value),
        (f"F1, macro, {split}", part["macro"]["f1"], headline["f1"]),
        (f"Precision, macro, {split}", part["macro"]["precision"], headline["precision"]),
        (f"Recall, macro, {split}", part["macro"]["recall"], headline["recall"]),
        (f"Box AP, {split}", ap["box"], None),
        (f"Mask AP, {split}", ap["mask"], None),
        (f"Box IoU, {split}", part.get("box_iou"), None),
        (f"Mask IoU, {split}", part.get("mask_iou"), None),
    ]
    comparable = not findings.other_types(metrics)
    return [
        {"title": title, "estimate": e, "paper": claimed if comparable else None}
        for title, e, claimed in cards
        if e
    ]


def _duplicates(catalogue: Catalogue | None) -> dict[str, int] | None:
    """Sets of equal photos and pairs of nearly equal ones, within a split and across splits."""
    if catalogue is None:
        return None
    sets = exact_duplicates(catalogue.photos).groupby("pixel_sha256")["split"].nunique()
    pairs = near_duplicates(catalogue.photos)
    across = pairs["split_a"] != pairs["split_b"]
    return {
        "exact_within": int((sets == 1).sum()),
        "exact_across": int((sets > 1).sum()),
        "near_within": int((~across).sum()),
        "near_across": int(across.sum()),
    }


def _classification_reports(run_folder: Path) -> list[dict[str, Any]]:
    """classification_report.csv by split; `x_low` and `x_high` become the interval of `x`."""
    table = _table(run_folder / "classification_report.csv")
    if table is None:
        return []
    reports = []
    for name, part in table.groupby("split", sort=False):
        columns = [c for c in ("body_type", "precision", "recall", "f1", "accuracy", "support") if c in part]
        rows = [{c: _cell(row, c) for c in columns} for row in _records(part)]
        reports.append({"split": name, "columns": columns, "rows": rows})
    return sorted(reports, key=lambda report: ORDER.index(report["split"]))


def _cell(row: Mapping[str, Any], column: str) -> Any:
    """A value of a classification report, with its interval if it has one."""
    if f"{column}_low" not in row:
        return row[column]
    return {"value": row[column], "low": row[f"{column}_low"], "high": row[f"{column}_high"]}


def _truth(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """slice_metrics.csv by split, each number with its interval."""
    splits: dict[str, list[dict[str, Any]]] = {}
    for row in _records(table):
        numbers = {
            "accuracy": {"value": row["accuracy"], "low": row["low"], "high": row["high"]},
            "mask_iou": _cell(row, "mask_iou"),
        }
        splits.setdefault(row["split"], []).append(row | numbers)
    return splits


def _wrong(predictions: pd.DataFrame | None, split: str) -> list[dict[str, Any]]:
    """The wrong answers of the split, the surest first."""
    if predictions is None:
        return []
    answers = predictions.assign(predicted=predictions["predicted"].fillna(""))
    wrong = answers[(answers["split"] == split) & (answers["predicted"] != answers["body_type"])]
    wrong = wrong.sort_values(["score", "photo_id"], ascending=[False, True])
    return _records(wrong[["photo_id", "body_type", "predicted", "score", "box_iou"]])


def _figures(
    folder: Path, body_types: Sequence[str], photos: Mapping[str, int]
) -> dict[str, list[FigureOnPage]]:
    """The pictures of each section in the order of FIGURES; those that it does not know go under "more".

    Args:
        folder: of the PNG files; hidden ones, left by a writing that was killed, are passed over.
        body_types: in order.
        photos: number of photos of each evaluated split, in the order of the page.
    """
    found = {path.stem: path for path in sorted(folder.glob("*.png")) if not path.name.startswith(".")}
    sections: dict[str, list[FigureOnPage]] = {}
    for section, figures in FIGURES.items():
        sections[section] = []
        for pattern, caption in figures.items():
            of_split = "{split}" in pattern
            for part in body_types if "{type}" in pattern else (photos if of_split else [""]):
                if path := found.pop(pattern.format(type=part, split=part), None):
                    of = f"{photos[part]:,} {part} photos" if of_split else ""
                    text = caption.format(type=part, of=of)
                    sections[section].append(figure_on_page(path, text, part if of_split else ""))
    sections["more"] = [
        figure_on_page(path, path.stem.replace("_", " ").capitalize() + ".") for path in found.values()
    ]
    return sections
