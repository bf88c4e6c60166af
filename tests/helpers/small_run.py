"""A small study for tests: settings that make every module run in a second, and a data set of drawn cars."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.second_opinion import SecondOpinion

SETTINGS = {
    "height": "96",
    "width": "96",
    "fpn_out_channels": "16",
    "box_head_dim": "16",
    "mask_head_channels": "8",
    "rpn_post_nms_top_n": "16",
    "box_batch_size_per_image": "8",
    "rpn_batch_size_per_image": "32",
    "max_images_per_split": "8",
    "train_eval_size": "4",
    "epochs": "2",
    "batch_size": "4",
    "bootstrap_samples": "100",
}


def small_run(monkeypatch, folder: Path, photos: Path, **overrides: object) -> Run:
    """A saved study of profile smoke, made smaller, in a reports folder of its own."""
    monkeypatch.setenv("CARSEG_REPORTS", str(folder))
    settings = SETTINGS | {name: str(value) for name, value in overrides.items()}
    known = {name: settings.pop(name) for name in ("num_processes", "seed", "name", "weights") if name in settings}
    run = Run.create(profile="smoke", data=photos, overrides=settings, device="cpu", **known)
    run.save()
    return run


def with_dataset(run: Run) -> Catalogue:
    """Fills the run's dataset folder as notebooks 01 and 02 do."""
    catalogue = load_catalogue(Path(run.config.data.source), unlabelled=run.config.data.unlabelled)
    dataset = assign_splits(catalogue, run.config.seed)
    dataset.save(run.dataset)
    return Catalogue.load(run.dataset)


def with_threshold(
    run: Run, threshold: float, classes: Mapping[int, str] | None = None, opinion: SecondOpinion | None = None
) -> None:
    """A threshold that evaluation would have chosen; without ImageNet classes (number → name) the detector decides."""
    sha256, classes = files.read_json(run.best_card)["sha256"], classes or {}
    weights = ImageNetClassifier(torch.device("cpu")).sha256
    Presence(tuple(classes), tuple(classes.values()), np.array([threshold]), 1, 0.99, weights, sha256, opinion).save(
        run.presence
    )
