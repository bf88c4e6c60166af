"""The folder of a finished run with random predictions, from which every number is computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.duplicates import near_duplicates
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import box_of_mask, decode_mask, encode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.evaluation.classification import classification_report, split_metrics
from carseg_lib.evaluation.slices import SliceReport, analyse_slices
from carseg_lib.paper.claims import TABLE_1, compare_with_paper
from carseg_lib.reporting.plots.data import box_statistics, brightness, mask_statistics, photo_sizes, split_counts
from carseg_lib.reporting.plots.evaluation import average_precision, confusion_matrix, pr_curves, table_dots
from carseg_lib.reporting.plots.metadata import metadata_figures
from carseg_lib.reporting.plots.photos import (
    augmentation_grid,
    duplicate_pairs,
    mask_comparison_grid,
    prediction_grid,
    sample_photos,
    transform_steps,
)
from carseg_lib.reporting.plots.slices import slice_figures
from carseg_lib.reporting.plots.style import save_figure
from carseg_lib.reporting.plots.training import accuracy_curves, loss_curves, loss_terms

TERMS = ("objectness", "rpn_box_reg", "classifier", "box_reg", "mask")


def make_history(epochs: int = 8, seed: int = 0, sample: int = 400, validation: int = 1138) -> pd.DataFrame:
    """A training that learns, a row an epoch."""
    rng = np.random.default_rng(seed)
    rows = []
    for epoch in range(1, epochs + 1):
        row: dict[str, float] = {
            "epoch": epoch,
            "lr": 0.0005 * (1 - epoch / (epochs + 1)),
            "seconds": 130 + rng.normal(),
        }
        row["photos_per_second"] = 1951 / row["seconds"]
        for split, floor in (("train", 0.04), ("validation", 0.07)):
            terms = {
                t: floor + 0.5 * (k + 1) / 5 * np.exp(-epoch / 3) * rng.uniform(0.95, 1.05) for k, t in enumerate(TERMS)
            }
            row |= {f"{split}_loss": sum(terms.values())} | {f"{split}_loss_{t}": v for t, v in terms.items()}
        row["train_accuracy"] = round(sample * (0.97 - 0.6 * np.exp(-epoch / 2.2))) / sample
        row["train_sample"] = sample
        row["validation_correct"] = round(validation * (0.90 - 0.5 * np.exp(-epoch / 2) - 0.004 * max(0, epoch - 6)))
        row |= {"validation_photos": validation, "validation_accuracy": row["validation_correct"] / validation}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(best=table.index == table["validation_accuracy"].idxmax())


def make_predictions(catalogue: Catalogue, accuracy: float = 0.85, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions on validation and test that are correct with probability `accuracy`, and their detections."""
    rng = np.random.default_rng(seed)
    largest = (
        catalogue.instances.assign(
            size=(catalogue.instances["x2"] - catalogue.instances["x1"])
            * (catalogue.instances["y2"] - catalogue.instances["y1"])
        )
        .sort_values("size")
        .groupby("photo_id")
        .last()
    )
    rows, detections = [], []
    for photo in catalogue.photos[catalogue.photos["split"] != "train"].itertuples():
        car = largest.loc[photo.photo_id]
        others = [t for t in catalogue.body_types if t != photo.body_type] + [""]
        predicted = (
            photo.body_type if rng.random() < accuracy else others[rng.choice(len(others), p=[0.3, 0.3, 0.25, 0.15])]
        )
        true = (car["x1"], car["y1"], car["x2"], car["y2"])
        row = {"photo_id": photo.photo_id, "split": photo.split, "body_type": photo.body_type, "predicted": predicted}
        row |= {"score": np.nan, "x1": np.nan, "y1": np.nan, "x2": np.nan, "y2": np.nan, "mask": ""}
        row |= dict(zip(("true_x1", "true_y1", "true_x2", "true_y2"), true, strict=True))
        row |= {
            "box_iou": 0.0,
            "mask_iou": 0.0 if car["mask"] else np.nan,
            "width": photo.width,
            "height": photo.height,
        }
        if predicted:
            score = float(np.clip(rng.normal(0.85 if predicted == photo.body_type else 0.6, 0.12), 0.06, 0.999))
            box, counts = true, ""
            if car["mask"]:
                mask = decode_mask(car["mask"], photo.height, photo.width)
                ours = np.roll(mask, rng.integers(-6, 7, 2), (0, 1))
                row["mask_iou"] = (mask & ours).sum() / (mask | ours).sum()
                box, counts = box_of_mask(ours), encode_mask(ours)
            row |= {"score": score, "mask": counts, "box_iou": row["mask_iou"] if counts else 1.0}
            row |= dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
            for body_type, s in ((predicted, score), (others[rng.integers(3)], score * rng.uniform(0.1, 0.6))):
                keys = {k: row[k] for k in ("photo_id", "split", "x1", "y1", "x2", "y2", "mask")}
                detections.append(keys | {"body_type": body_type, "score": s})
        rows.append(row)
    return pd.DataFrame(rows), pd.DataFrame(detections)


def make_metrics(
    catalogue: Catalogue, predictions: pd.DataFrame, detections: pd.DataFrame, history: pd.DataFrame
) -> dict:
    """metrics.json of these predictions."""
    best = history.loc[history["best"]].iloc[0]
    splits = {
        split: split_metrics(
            predictions[predictions["split"] == split],
            detections[detections["split"] == split],
            catalogue.instances,
            body_types=catalogue.body_types,
            bootstrap_samples=100,
            seed=0,
            has_masks=catalogue.has_masks,
        )
        for split in ("validation", "test")
    }
    whole = (catalogue.instances["box_origin"] == "whole frame").all()
    counts = catalogue.photos.groupby(["split", "body_type"]).size()
    return {
        "schema": 1,
        "run": {
            "name": "fake", "profile": "quick", "seed": 0, "device": "cpu", "precision": "32-true",
            "weights": "imagenet", "backbone": "efficientnet_lite0", "parameters": 5_123_456,
            "epochs": len(history), "batch_size": 8,
            "image_height": 224, "image_width": 224, "augmentation": "flip_only",
        },
        "data": {
            "name": catalogue.name,
            "fingerprint": catalogue.fingerprint,
            "boxes": "whole frame" if whole else "given",
            "masks": "given" if catalogue.has_masks else "none",
            "counts": {
                s: {t: int(counts.get((s, t), 0)) for t in catalogue.body_types}
                for s in ("train", "validation", "test")
            },
            "excluded": {k: int(v) for k, v in catalogue.excluded["reason"].value_counts().items()},
        },
        "training": {
            "best_epoch": int(best["epoch"]),
            "epochs": len(history),
            "train_accuracy": {"value": float(best["train_accuracy"]), "low": 0.9, "high": 0.98, "n": 400},
            "mean_train_accuracy": float(history["train_accuracy"].mean()),
            "mean_validation_accuracy": float(history["validation_accuracy"].mean()),
            "final_train_loss": float(history["train_loss"].iloc[-1]),
        },
        "splits": splits,
    }  # fmt: skip


CONFIG = {
    "name": "fake", "profile": "quick", "seed": 0, "device": "auto", "num_processes": 1, "data_as_given": "photos",
    "data": {"source": "/secret/place/photos", "classes": {}},
    "inputs": {
        "max_images_per_split": 0, "height": 224, "width": 224, "augmentation": "flip_only", "max_rotation": 0.0,
        "min_crop_scale": 0.6, "hflip_prob": 0.5,
    },
    "model": {"backbone": "efficientnet_lite0", "weights": "imagenet"},
    "train": {
        "epochs": 8, "batch_size": 8, "optimizer": "adamw", "lr": 0.0005, "weight_decay": 0.02,
        "lr_schedule": "cosine",
    },
}  # fmt: skip
PROVENANCE = {
    "schema": 1,
    "made": "2026-03-14T15:09:26Z",
    "command": "make reproduce DATA=photos RUN=fake",
    "carseg": {"version": "0.1.0", "commit": "0123456789abcdef0123456789abcdef01234567", "modified": True},
    "python": "CPython 3.11.9",
    "system": "Linux 6.1 x86_64",
    "packages": {"torch": "2.15.0", "numpy": "2.3.1"},
    "lock": "ab" * 32,
    "hardware": {"processor": "A plain processor", "cores": 2, "memory_gb": 8.2, "gpus": []},
    "data": {"name": "photos", "sha256": "cd" * 32},
    "weights": {"source": "imagenet", "origin": "a package 1.0.0", "sha256": "ef" * 32, "model_sha256": "12" * 32},
    "seed": 0,
    "device": "auto",
    "workers": 1,
    "steps": [
        {"name": "01_data_exploration", "seconds": 41.25, "peak_memory_mb": 712.0},
        {"name": "02_preprocessing", "seconds": 12.5, "peak_memory_mb": 934.0},
        {"name": "03_training", "seconds": 1101.75, "peak_memory_mb": 2345.0},
        {"name": "04_evaluation", "seconds": 96.5, "peak_memory_mb": None},
    ],
    "seconds": 1252.0,
}


def make_figures(
    folder: Path,
    catalogue: Catalogue,
    predictions: pd.DataFrame,
    detections: pd.DataFrame,
    metrics: dict,
    history: pd.DataFrame,
    dpi: int,
) -> None:
    """Every figure that the page knows, except those of the attributes."""
    photos = {"split_counts": split_counts, "photo_sizes": photo_sizes, "brightness": brightness}
    photos |= {"box_statistics": box_statistics, "mask_statistics": mask_statistics}
    made = {name: draw(catalogue) for name, draw in photos.items()}
    made |= {f"samples_{t}": sample_photos(catalogue, t) for t in catalogue.body_types}
    made["near_duplicates"] = duplicate_pairs(catalogue, near_duplicates(catalogue.photos, 12))
    car = catalogue.instances.iloc[0]
    photo = read_photo(catalogue.root / car["photo_id"])
    mask = decode_mask(car["mask"], photo.height, photo.width) if car["mask"] else None
    box = (car["x1"], car["y1"], car["x2"], car["y2"])
    small = np.asarray(photo.resize((224, 224)))
    steps = [("photo", photo, box, mask), ("resize", small, None, None), ("flip", small[:, ::-1], None, None)]
    made["transform_steps"] = transform_steps([*steps, ("rotate", np.rot90(small), None, None)])
    made["augmentation"] = augmentation_grid((photo, box, mask), [(small[:, ::-1], None, None)] * 9)
    made |= {"loss_curves": loss_curves(history), "loss_terms": loss_terms(history)}
    made["accuracy_curves"] = accuracy_curves(history)
    for split in ("test", "validation"):
        part = metrics["splits"][split]
        rows, found = (t[t["split"] == split] for t in (predictions, detections))
        comparison = compare_with_paper(metrics, split)
        made[f"table_bars_{split}"] = table_dots(comparison, catalogue.body_types, split)
        made[f"confusion_{split}"] = confusion_matrix(part["confusion"], split)
        table1 = TABLE_1.to_dict("index")
        made[f"pr_curves_{split}"] = pr_curves(rows, found, catalogue.body_types, table1, split)
        made[f"average_precision_{split}"] = average_precision(part, split)
        wrong = rows[rows["predicted"] != rows["body_type"]]
        made[f"misclassified_{split}"] = prediction_grid(wrong, catalogue.root, title=f"Misclassified photos ({split})")
    test = predictions[predictions["split"] == "test"]
    correct = test[test["predicted"] == test["body_type"]]
    made["correct_test"] = prediction_grid(correct, catalogue.root, title="Correct predictions (test)")
    made["mask_comparison_test"] = mask_comparison_grid(
        test, catalogue.root, catalogue.instances, title="Predicted and labelled masks (test)"
    )
    for name, figure in made.items():
        save_figure(figure, folder / f"{name}.png", dpi=dpi)


def make_attribute_figures(folder: Path, catalogue: Catalogue, slices: SliceReport, dpi: int) -> None:
    """The figures of the metadata and of the error analysis."""
    made = {f"metadata_{name}": figure for name, figure in metadata_figures(catalogue).items()}
    made |= {f"slices_{name}": figure for name, figure in slice_figures(slices).items()}
    for name, figure in made.items():
        save_figure(figure, folder / f"{name}.png", dpi=dpi)


def make_run(
    folder: Path,
    data: Path,
    *,
    name: str | None = None,
    figures: Literal["all", "attributes", "none"] = "all",
    dpi: int = 70,
) -> Path:
    """Fill a run's folder.

    Args:
        folder: `reports/<run>`.
        data: a data set with splits.
        name: of the data set, in place of its folder's.
        figures: which are drawn (seconds): all, those of the attributes, or none.
        dpi: of the figures, pixels per inch.
    """
    catalogue = load_catalogue(data)
    catalogue = replace(catalogue, name=name or catalogue.name)
    history = make_history()
    predictions, detections = make_predictions(catalogue)
    metrics = make_metrics(catalogue, predictions, detections, history)
    catalogue.save(folder / "dataset")
    files.write_csv(folder / "history.csv", history)
    files.write_csv(folder / "predictions.csv", predictions)
    files.write_csv(folder / "detections.csv", detections)
    slices = analyse_slices(catalogue, predictions, bootstrap_samples=100, seed=0)
    slices.save(folder)
    report = pd.concat({s: classification_report(part) for s, part in metrics["splits"].items()}, names=["split"])
    files.write_csv(folder / "classification_report.csv", report.reset_index(level="split"))
    for name_, value in (("metrics", metrics), ("config", CONFIG), ("provenance", PROVENANCE)):
        files.write_json(folder / f"{name_}.json", json.loads(json.dumps(value)))
    files.write_text(folder / "notebooks" / "01_data_exploration.html", "<!DOCTYPE html><title>01</title>")
    if figures == "all":
        make_figures(folder / "figures", catalogue, predictions, detections, metrics, history, dpi)
    if figures != "none":
        make_attribute_figures(folder / "figures", catalogue, slices, dpi)
    return folder
