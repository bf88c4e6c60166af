"""Training a car segmenter, and its model card."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.data.locate import locate_photos
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.pseudo_labels.annotators import load_annotator
from carseg_lib.experiments.segmenter.evaluate import cars_with_masks, format_scores, measure
from carseg_lib.experiments.segmenter.shared import annotate_together
from carseg_lib.experiments.trial_network import train_run
from carseg_lib.models.pretrained import write_packed
from carseg_lib.models.weights import read_checkpoint

logger = logging.getLogger(__name__)

NAME = "car-segmenter.safetensors"


def train_segmenter(run: Run, real: Path | None) -> Path:
    """Train a run's network on its photos with one class, car, and measure it on validation photos.

    Args:
        run: data with masks, and the recipe.
        real: other photos with masks to measure on too; None: the run's alone.

    Returns:
        The segmenter, in the run's folder, its sha256 beside it.

    Raises:
        CarsegError: photos without masks, or `real` cannot be read.
    """
    others = [cars_with_masks(real)] if real else []
    data = run.config.data
    dataset = cars_with_masks(locate_photos(data.source), run.config.seed, data.unlabelled, data.format)
    train_run(run, dataset)
    card = files.read_json(run.best_card)
    annotator = load_annotator(str(run.best_weights), choose_device(run.config.device))
    card["metrics"] = {}
    for catalogue in (dataset, *others):
        validation = catalogue.split("validation")
        annotate_together(validation, str(run.best_weights), run)
        scores = measure(annotator, validation, run)
        card["metrics"][catalogue.name] = scores
        logger.info("%s: %s", catalogue.name, format_scores(scores))
    path = write_packed(run.folder / NAME, read_checkpoint(run.best_weights), card)
    files.write_text(path.with_suffix(".md"), model_card(card, path))
    return path


def model_card(card: Mapping[str, Any], path: Path) -> str:
    """The model card of a segmenter as Markdown, from its card with metrics and its file."""
    config = card["config"]
    model, inputs = config["model"], config["inputs"]
    rows = [
        f"| {name} | {s['photos']:,} | {s['mask_iou']['value']:.3f} "
        f"({s['mask_iou']['low']:.3f}-{s['mask_iou']['high']:.3f}) | {s['left_out']:.1%} | {s['mask_iou_of_all']:.3f} |"
        for name, s in card["metrics"].items()
    ]
    return f"""# The car segmenter `{path.name}`

A Mask R-CNN ({model["backbone"]}, pyramid of {model["fpn_out_channels"]} channels, {inputs["width"]} x \
{inputs["height"]} pixels) with one class, car. It draws masks for photos that have none.

- **Trained on** the training photos of "{card["data"]["name"]}" (fingerprint {card["data"]["fingerprint"][:16]}),
  from {card["weights"]["source"]} weights ({card["weights"]["origin"]}), epoch {card["epoch"]} of {card["epochs"]},
  seed {config["seed"]}.
- **File**: {path.stat().st_size / 1e6:.1f} MB, safetensors, kernels at half precision, sha256
  `{files.sha256(path)}`.
- **Made by** `make train-segmenter`; settings and metrics are in the file's header too.

Its masks on validation photos with labelled masks, given nothing but that a photo shows a car; 95% intervals over
photos:

| photos of | validation photos | mean mask IoU | left out (low quality) | mean mask IoU with those |
|---|---|---|---|---|
{chr(10).join(rows)}

**Limits.** It has one class, and was not trained to ignore trucks, buses or motorcycles. It is best on what it was
trained on: whole cars, from the outside. Look at the masks of low quality that a run shows, and at some of the others.
"""
