"""The Python API of carseg; `carseg_lib` hands out these functions by name.

import carseg_lib

run = carseg_lib.train("first", profile="smoke")
metrics = carseg_lib.evaluate(run)
detections = carseg_lib.predict(run, "car.jpg")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import DataFormat, ModelConfig, Unlabelled
from carseg_lib.core.data_spec import resolve_source
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.photos import ImageError
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine import trainer
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.predictor import Predictor
from carseg_lib.engine.pseudo_labels.run import pseudo_label
from carseg_lib.evaluation import evaluate as evaluation
from carseg_lib.models import mask_rcnn
from carseg_lib.models.mask_rcnn import MaskRCNN
from carseg_lib.workflow.opening import open_run as open_run
from carseg_lib.workflow.pipeline import run_lock


def load_dataset(
    source: str | Path = "rendered",
    *,
    classes: str = "",
    seed: int = 0,
    unlabelled: Unlabelled = "exclude",
    data_format: DataFormat = "auto",
) -> Catalogue:
    """Read a data set: open every photo once, and give each a split.

    Args:
        source: `rendered` for the built-in data set, `kaggle:<owner>/<slug>@<version>`, a folder of photos, or an
            annotation file.
        classes: The body types, as the variable CLASSES takes them; empty for the paper's four.
        seed: Of the splits that the data lack.
        unlabelled: What photos without any annotation are: "exclude", left out, or "background", photos without a car.
        data_format: Of the data, as the variable FORMAT takes it; "auto" to find it by the files.

    Returns:
        The photos, the labelled cars and what was left out, as tables.

    Raises:
        CarsegError: No such data, or data that no study can be made of.
    """
    photos = locate_photos(resolve_source(str(source)))
    types = ClassMap.parse(classes)
    return assign_splits(load_catalogue(photos, types, unlabelled=unlabelled, data_format=data_format), seed)


def build_model(config: ModelConfig | None = None, num_classes: int = 5, with_masks: bool = True) -> MaskRCNN:
    """Build a Mask R-CNN with random weights; `carseg_lib.models.weights.load_weights` loads others.

    Args:
        config: The network; the defaults of `ModelConfig` if not given.
        num_classes: Classes, the background counted.
        with_masks: Whether it has a mask branch.
    """
    return mask_rcnn.build_model(config or ModelConfig(), num_classes, with_masks)


def train(
    run_name: str = "",
    *,
    data: str | Path = "rendered",
    profile: str = "quick",
    overrides: Mapping[str, Any] | None = None,
    classes: str = "",
    seed: int = 0,
    device: str = "auto",
    weights: str = "",
    num_processes: int = 1,
) -> Run:
    """Prepare a data set and train on it, in this process: what notebooks 01 to 03 do, without their figures.

    A training that was interrupted resumes after its last epoch; one that is finished is not repeated.

    Args:
        run_name: Of the run and of its folder under reports/; empty takes the profile's name, or one with the data's
            name in it if that run holds the results of other data.
        data: As `source` of `load_dataset`.
        profile: Set of settings: smoke, quick, best or paper.
        overrides: Settings that differ from the profile's, by dotted name or by a short name that is unique.
        classes: The body types, as the variable CLASSES takes them; empty for the paper's four.
        seed: Of every random choice.
        device: auto, cpu, cuda or mps.
        weights: Initial weights: coco, imagenet, segmenter, none, or a checkpoint's path; empty keeps the profile's.
        num_processes: Training processes.

    Returns:
        The run, whose folder holds the data set, the history and the trained model.

    Raises:
        CarsegError: An unknown name, a value out of range, data or weights that cannot be had, a run that holds a model
            of other data, or a run that another process makes.
    """
    run = Run.create(
        name=run_name,
        profile=profile,
        data=data,
        overrides=overrides,
        seed=seed,
        device=device,
        num_processes=num_processes,
        weights=weights,
        classes=classes,
    )
    with run_lock(run):
        # A run without a model may be begun again.
        if run.best_card.is_file() and (source := Run.open(run.name).config.data.source) != run.config.data.source:
            raise CarsegError(f"run {run.name!r} holds a model of {source}: choose another name for the run")
        run.save()
        config = run.config
        photos = locate_photos(config.data.source)
        of = config.data
        catalogue = load_catalogue(photos, of.classes, unlabelled=of.unlabelled, data_format=of.format)
        catalogue.save(run.catalogue)
        assign_splits(catalogue, config.seed, config.data.split_by).save(run.dataset)
        pseudo_label(config, run)
        trainer.train(config, run)
    return run


def evaluate(run: Run) -> dict[str, Any]:
    """Measure a trained run on its validation and test photos and on a sample of its training photos.

    Returns:
        The content of metrics.json; predictions, detections and reports are written into the run's folder too.

    Raises:
        CarsegError: The run has no trained model, or another process makes it.
    """
    with run_lock(run):
        return evaluation.evaluate(run.config, run)


def predict(run: Run, photo: str | Path) -> list[Detection]:
    """Predict one photo. For many photos, `carseg_lib.engine.predictor.Predictor` loads the model once.

    Returns:
        The detections, highest score first; boxes (x1, y1, x2, y2) in pixels of the photo. Those whose `car_score` is
        below the threshold of `model/presence.json` are no cars.

    Raises:
        CarsegError: The run has no trained model or was not evaluated, or the photo cannot be read.
    """
    try:
        return list(Predictor(run)(Path(photo)).detections)
    except ImageError as error:
        raise CarsegError(f"{photo}: {error}") from error
