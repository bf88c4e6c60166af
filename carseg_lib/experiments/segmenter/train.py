"""Training a car segmenter, and its card: what a person should know of it before using it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.engine.inference import choose_device
from carseg_lib.engine.pseudo_labels.annotators import load_annotator
from carseg_lib.engine.trainer import train
from carseg_lib.experiments.segmenter.evaluate import cars_with_masks, format_scores, measure
from carseg_lib.models.pretrained import write_segmenter
from carseg_lib.models.weights import read_checkpoint

NAME = "car-segmenter.safetensors"


def make_segmenter(run: Run, real: Path | None, say: Callable[[str], None] = print) -> Path:
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
    judged = [cars_with_masks(real)] if real else []
    dataset = cars_with_masks(locate_photos(run.config.data.source), run.config.seed)
    run.save()
    dataset.save(run.dataset)
    train(run)
    card = files.read_json(run.best_card)
    teacher = load_annotator(str(run.best_weights), choose_device(run.config.device))
    card["metrics"] = {}
    for catalogue in (dataset, *judged):
        scores = measure(teacher, catalogue.split("validation"), run)
        card["metrics"][catalogue.name] = scores
        say(f"{catalogue.name}: {format_scores(scores)}")
    path = write_segmenter(run.folder / NAME, read_checkpoint(run.best_weights), card)
    files.write_text(path.with_suffix(".md"), model_card(card, path))
    return path


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

A Mask R-CNN ({settings["backbone"]}, pyramid of {settings["fpn_out_channels"]} channels, {settings["width"]} x \
{settings["height"]} pixels) with one class, car. It draws masks for photos that have none.

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
