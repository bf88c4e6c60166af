"""Training a car segmenter, and measuring what it would draw for photos whose masks are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from carseg_lib import files
from carseg_lib.catalogue import Catalogue
from carseg_lib.errors import CarsegError
from carseg_lib.inference import choose_device
from carseg_lib.intervals import mean_estimate
from carseg_lib.masks import decode_mask, mask_iou
from carseg_lib.proposed_masks import ask_teacher, choose, read_seen
from carseg_lib.segmenter import CAR, write_segmenter
from carseg_lib.sources import load_catalogue
from carseg_lib.splits import assign_splits
from carseg_lib.study import Study
from carseg_lib.teacher import Teacher, load_teacher
from carseg_lib.training import train
from carseg_lib.type_names import ANY_CAR
from carseg_lib.weights import read_checkpoint

NAME = "car-segmenter.safetensors"


def make_segmenter(study: Study, real: Path | None, say: Callable[[str], None] = print) -> Path:
    """Trains the study's network on its photos with every type called "car", and measures it on validation photos.

    Args:
        study: data with masks, and the recipe.
        real: other photos with masks to measure on; None: the study's alone.
        say: is given each line for the terminal.

    Returns:
        The segmenter, in the run's folder, its sha256 beside it.

    Raises:
        CarsegError: photos without masks, or `real` cannot be read.
    """
    judged = [_with_masks(real)] if real else []
    dataset = _with_masks(study.locate_photos(), study.seed)
    study.save()
    dataset.save(study.dataset)
    train(study)
    card = files.read_json(study.best_card)
    teacher = load_teacher(str(study.best_weights), choose_device(study.device))
    card["metrics"] = {}
    for catalogue in (dataset, *judged):
        scores = measure(teacher, catalogue.split("validation"), study)
        card["metrics"][catalogue.name] = scores
        say(f"{catalogue.name}: {in_words(scores)}")
    path = write_segmenter(study.folder / NAME, read_checkpoint(study.best_weights), card)
    files.write_text(path.with_suffix(".md"), model_card(card, path))
    return path


def measure(teacher: Teacher, catalogue: Catalogue, study: Study) -> dict[str, Any]:
    """How well a teacher draws the masks of photos whose masks are known, if it is told their types alone.

    Args:
        teacher: asked.
        catalogue: photos with masks; of several cars in a photo, the largest is the one that is labelled.
        study: `least_mask_quality`, `batch_size`, `bootstrap_samples`, and where what is said is kept.

    Returns:
        photos, left_out (share of them: nothing seen, or doubtful), mask_iou (estimate over the others), and
        mask_iou_of_all (mean over all photos in which something is seen).
    """
    folder = study.caches / "teacher"
    ask_teacher(catalogue, teacher, folder, study.batch_size)
    cars = catalogue.instances.assign(
        area=lambda table: (table.x2 - table.x1) * (table.y2 - table.y1)
    ).sort_values("area", ascending=False, kind="stable")
    largest = cars.drop_duplicates("photo_id").set_index("photo_id")["mask"]
    overlaps, qualities = [], []
    for photo in catalogue.photos.itertuples():
        seen = read_seen(folder, teacher, photo.file_sha256, [])
        chosen = choose({"box_origin": "whole frame"}, seen, (photo.width, photo.height))
        if chosen:
            truth = decode_mask(largest[photo.photo_id], photo.height, photo.width)
            overlaps.append(mask_iou(decode_mask(chosen.mask, *truth.shape), truth))
            qualities.append(chosen.quality)
    overlap, sure = np.array(overlaps), np.array(qualities) >= study.least_mask_quality
    if not sure.any():
        raise CarsegError(
            f"{catalogue.name}: the segmenter is sure of no photo; train it longer, or lower least_mask_quality"
        )
    samples = {"bootstrap_samples": study.bootstrap_samples, "seed": study.seed}
    return {
        "photos": len(catalogue.photos),
        "left_out": 1 - int(sure.sum()) / len(catalogue.photos),
        "mask_iou": mean_estimate(overlap[sure], **samples),
        "mask_iou_of_all": float(overlap.mean()),
    }


def model_card(card: Mapping[str, Any], path: Path) -> str:
    """What a person should know of a segmenter before using it, as Markdown.

    Args:
        card: of the segmenter, with its metrics.
        path: its file, which is there.
    """
    settings = card["settings"]
    rows = [
        f"| {name} | {s['photos']:,} | {s['mask_iou']['value']:.3f} "
        f"({s['mask_iou']['low']:.3f}-{s['mask_iou']['high']:.3f}) | {s['left_out']:.1%} | {s['mask_iou_of_all']:.3f} |"
        for name, s in card["metrics"].items()
    ]
    return f"""# The car segmenter `{path.name}`

A Mask R-CNN ({settings["backbone"]}, pyramid of {settings["fpn_channels"]} channels, {settings["image_width"]} x \
{settings["image_height"]} pixels) with one class, car. It draws masks for photos that have none (`carseg_lib.teacher`).

- **Trained on** the training photos of "{card["data"]["name"]}" (fingerprint {card["data"]["fingerprint"][:16]}),
  from {card["weights"]["source"]} weights ({card["weights"]["origin"]}), epoch {card["epoch"]} of {card["epochs"]},
  seed {settings["seed"]}.
- **File**: {path.stat().st_size / 1e6:.1f} MB, safetensors, kernels at half precision, sha256
  `{files.sha256(path)}`.
- **Made by** `make segmenter`; settings and metrics are in the file's header too.

How well it draws validation photos whose masks are known, told nothing but that a photo shows a car; 95% intervals over
photos:

| photos of | validation photos | mean mask IoU | left out as doubtful | mean mask IoU with those |
|---|---|---|---|---|
{chr(10).join(rows)}

**What it is not.** It tells no types, and it was not taught to leave trucks, buses or motorcycles alone. It outlines
best what it was trained on: cars as a whole, from the outside. Look at the doubtful photos that a run shows, and at
some of the others.
"""


def in_words(scores: Mapping[str, Any]) -> str:
    """What `measure` gives, in a line."""
    iou = scores["mask_iou"]
    return (
        f"mean mask IoU {iou['value']:.3f} ({iou['low']:.3f}-{iou['high']:.3f}, n = {iou['n']:,}), "
        f"{scores['left_out']:.1%} of {scores['photos']:,} validation photos left out"
    )


def _with_masks(place: Path, seed: int = 0) -> Catalogue:
    catalogue = assign_splits(load_catalogue(place, ANY_CAR), seed)
    if not catalogue.has_masks:
        raise CarsegError(f"{place}: these photos have no masks to learn {CAR}s from, or to measure on")
    return catalogue
