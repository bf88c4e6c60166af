"""Evaluation of a run: predictions on its splits, and the metrics computed from them (paper §VI)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from carseg_lib.core import files
from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.config import InputConfig, ModelConfig, RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths, project_folder
from carseg_lib.core.run import Run
from carseg_lib.data.background import BackgroundDataset
from carseg_lib.data.boxes import Instance, box_iou, largest_instance
from carseg_lib.data.builtin_background import with_background
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loading import DistributedBatchSampler, make_loader
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.masks import mask_iou as iou_of_masks
from carseg_lib.engine import distributed
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.inference import Detection, as_columns, detect, load_trained
from carseg_lib.engine.shares import ALONE, Batch, Shares
from carseg_lib.evaluation.bootstrap import proportion_estimate
from carseg_lib.evaluation.classification import classification_report, headline_numbers, report_markdown, split_metrics
from carseg_lib.evaluation.presence_run import Looks, measure_presence, negatives_of, second_looks
from carseg_lib.evaluation.tables import DETECTIONS, probability_columns
from carseg_lib.models.mask_rcnn import MaskRCNN

MODULE = __spec__.name  # `__name__` is another where torchrun runs this module
_SHARES = "evaluation-"  # begin of the names of folders beside the run's model


@dataclass(frozen=True)
class Found:
    """What a run's model found in the run's photos.

    Attributes:
        card: of the model.
        parameters: of the model.
        photos: by split; of training a sample.
        detections: of each photo, highest score first, by split.
        looks: second looks, at photos without a car too.
    """

    card: dict[str, Any]
    parameters: int
    photos: dict[str, CarDataset]
    detections: dict[str, list[list[Detection]]]
    looks: Looks


def evaluate(config: RunConfig, paths: RunPaths) -> dict[str, Any]:
    """Every number of a run, from one pass over validation, test and a fixed sample of training.

    Writes predictions.csv, detections.csv, presence.csv, model/presence.json, metrics.json, classification_report.csv
    and .md into the run's folder. With `num_processes` the photos are shared by as many processes, and this one goes on
    with what they find, the same to the bit; likewise with what processes on other machines have left in the folder.

    Args:
        config: of the run. Several processes read it from the run's folder: it must be saved there.
        paths: of the run; its data set, trained model and history are read.

    Returns:
        The metrics, as in metrics.json.

    Raises:
        CarsegError: The run has no trained model, or the model is not the one that its card describes.
    """
    dataset = Catalogue.load(paths.dataset)
    shares = ALONE
    if config.num_processes > 1 or any(paths.checkpoints.glob(f"{_SHARES}*")):
        shares = shares_of(config, paths, dataset)
    if config.num_processes > 1:
        distributed.run_module(MODULE, config.name, config.num_processes)
    found = find_all(config, paths, dataset, shares)
    measured = dataset.measured()
    tables = [prediction_tables(found.photos[split], split, found.detections[split]) for split in SPLITS]
    predictions, detections = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    splits = {
        split: split_metrics(
            predictions[predictions.split == split],
            detections[detections.split == split],
            measured.instances,
            body_types=dataset.body_types,
            bootstrap_samples=config.eval.bootstrap_samples,
            seed=config.seed,
            has_masks=found.card["with_masks"],
            groups=dataset.photos.set_index("photo_id").get("group"),
        )
        for split in SPLITS
    }
    metrics = {
        "schema": 1,
        "run": _run_info(config, found.card, found.parameters),
        "data": _data_info(dataset, config.inputs, config.seed),
        "training": training_summary(pd.read_csv(paths.history)),
        "splits": {split: headline_numbers(scores) | scores for split, scores in splits.items()},
        "presence": measure_presence(config, paths, dataset, found.looks, model_sha256=found.card["sha256"]),
    }
    report = pd.concat({split: classification_report(splits[split]) for split in SPLITS}, names=["split"])
    files.write_csv(paths.predictions, predictions)
    files.write_csv(paths.detections, detections)
    files.write_csv(paths.folder / "classification_report.csv", report.reset_index(level="split"))
    title = f"Classification report of run {config.name} (profile {config.profile}, data {dataset.name})"
    files.write_text(paths.folder / "classification_report.md", _markdown(title, splits))
    files.write_json(paths.metrics, metrics)
    for folder in paths.checkpoints.glob(f"{_SHARES}*"):  # of earlier weights or code, too
        Shares(folder).remove()
    return metrics


def find_all(config: RunConfig, paths: RunPaths, dataset: Catalogue, shares: Shares) -> Found:
    """What a run's model finds in the photos of the run's data set; each of several processes works on its share."""
    model, card = load_trained(config, paths)
    measured = dataset.measured()
    photos = {split: CarDataset(measured, split, config.inputs, config.seed) for split in SPLITS}
    training = photos["train"]
    photos["train"] = training.sample(config.train.train_eval_size)
    reading = (config.model, config.train.batch_size, config.inputs.num_workers)

    def find(part: CarDataset | BackgroundDataset, name: str) -> Iterator[list[Detection]]:
        return find_cars(model, part, dataset.body_types, *reading, shares=shares, name=name)

    found = {split: list(find(photos[split], split)) for split in SPLITS}
    device = next(model.parameters()).device
    looks = second_looks(config, dataset, training, photos, found, find, device=device, shares=shares)
    return Found(card, sum(p.numel() for p in model.parameters()), photos, found, looks)


def shares_of(config: RunConfig, paths: RunPaths, dataset: Catalogue) -> Shares:
    """The shares of several processes that evaluate a run, in a folder named by all that they follow from.

    Raises:
        CarsegError: The run has no trained model, or photos without a car cannot be had.
    """
    if not paths.best_card.is_file():
        raise CarsegError(f"run {config.name!r} has no trained model yet; run make train RUN={config.name} first")
    lock = project_folder() / "requirements.lock"
    parts = ("seed", "inputs", "model", "train", "eval")
    recipe = [
        config.select(*parts),
        choose_device(config.device).type,
        files.read_json(paths.best_card)["sha256"],
        [part.fingerprint for part in (dataset, with_background(dataset), negatives_of(config)) if part],
        imported_files(project_folder(), ("carseg_lib",), f"import {MODULE}", "evaluation"),
        files.sha256(lock) if lock.is_file() else "",
        torch.__version__,
    ]
    return Shares(paths.checkpoints / f"{_SHARES}{files.sha256_text(json.dumps(recipe, sort_keys=True))[:16]}")


def find_cars(
    model: MaskRCNN,
    photos: CarDataset | BackgroundDataset,
    body_types: Sequence[str],
    config: ModelConfig,
    batch_size: int,
    num_workers: int,
    *,
    shares: Shares = ALONE,
    name: str = "",
) -> Iterator[list[Detection]]:
    """Each photo's detections, highest score first.

    As COCO's average precision requires, one car may have several, one per type with its score: suppression is within
    a type. The first is the same either way.

    Args:
        model: in evaluation mode.
        photos: without augmentation.
        body_types: names of classes 1, 2, ...
        config: thresholds.
        batch_size: photos in a batch; the predictions do not depend on it, on a GPU their last bits may.
        num_workers: processes that load photos ahead.
        shares: of this process.
        name: of the photos, if they are shared.
    """
    sizes = list(photos.photos[["width", "height"]].itertuples(index=False, name=None))

    def work(batches: Sequence[Batch]) -> Iterator[list[Detection]]:
        images = (images for images, _ in make_loader(photos, batches, num_workers))
        loaded = zip(images, ([sizes[i] for _, i in batch] for batch in batches), strict=True)
        return detect(model, loaded, body_types, config, class_agnostic_nms=False)

    batches = DistributedBatchSampler(photos.in_order(), batch_size).batches
    return shares.results(name, batches, work, list[Detection], "photos predicted")


def prediction_tables(
    photos: CarDataset, split: str, detections: Iterable[list[Detection]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of one split.

    Args:
        photos: of the split.
        split: its name.
        detections: of each photo, from `find_cars`.

    Returns:
        predictions: a row per photo, columns as `tables.PREDICTIONS`, and the probability of each type.
        detections: a row per detection, columns as `tables.DETECTIONS`.
    """
    predictions, found_rows = [], []
    body_types = list(photos.class_ids)
    for i, found in enumerate(detections):
        row = photos.photos.iloc[i]
        head = {"photo_id": row.photo_id, "split": split}
        best = found[0] if found else None
        types = {"body_type": row.body_type, "predicted": best.body_type if best else ""}
        truth = largest_instance(photos.instances[row.photo_id], row.body_type)
        box = (truth.x1, truth.y1, truth.x2, truth.y2)
        true_box = dict(zip(("true_x1", "true_y1", "true_x2", "true_y2"), box, strict=True))
        overlap = box_iou(best.box, box) if best else 0.0
        overlaps = {"box_iou": overlap, "mask_iou": mask_iou(best, truth, row.height, row.width)}
        size = {"width": row.width, "height": row.height}
        likely = _probabilities(best, body_types)
        predictions.append(head | types | as_columns(best) | true_box | overlaps | size | likely)
        found_rows += [head | {"body_type": one.body_type} | as_columns(one) for one in found]
    return pd.DataFrame(predictions), pd.DataFrame(found_rows, columns=list(DETECTIONS))


def _probabilities(best: Detection | None, body_types: list[str]) -> dict[str, float]:
    """A photo's columns of probabilities: 0 where no car was found, NaN if the model gives none."""
    unknown = float("nan") if best else 0.0
    found = best.probabilities if best and best.probabilities else [unknown] * len(body_types)
    return dict(zip(probability_columns(body_types), found, strict=True))


def mask_iou(prediction: Detection | None, truth: Instance, height: int, width: int) -> float:
    """Intersection over union of the predicted mask and the labelled one, in pixels of the photo.

    Returns:
        0 when no car was found; NaN without a labelled mask.
    """
    if not truth.mask:
        return float("nan")
    if prediction is None or not prediction.mask:
        return 0.0
    ours, true = decode_mask(prediction.mask, height, width), decode_mask(truth.mask, height, width)
    return iou_of_masks(ours, true)


def training_summary(history: pd.DataFrame) -> dict[str, Any]:
    """The training in a few numbers, none of which depends on the speed of the machine.

    Args:
        history: history.csv, a row per epoch.
    """
    best = history[history.best].iloc[0]
    n = int(best.train_sample)
    return {
        "best_epoch": int(best.epoch),
        "epochs": len(history),
        "train_accuracy": proportion_estimate(round(best.train_accuracy * n), n),
        "mean_train_accuracy": float(history.train_accuracy.mean()),
        "mean_validation_accuracy": float(history.validation_accuracy.mean()),
        "final_train_loss": float(history.train_loss.iloc[-1]),
    }


def _run_info(config: RunConfig, card: dict[str, Any], parameters: int) -> dict[str, Any]:
    return {
        "name": config.name,
        "profile": config.profile,
        "seed": config.seed,
        "device": card["device"],
        "weights": f"{card['weights']['source']}: {card['weights']['origin']}",
        "backbone": config.model.backbone,
        "epochs": config.train.epochs,
        "batch_size": config.train.batch_size,
        "image_height": config.inputs.height,
        "image_width": config.inputs.width,
        "augmentation": config.inputs.augmentation,
        "precision": card["precision"],
        "parameters": parameters,
    }


def _data_info(dataset: Catalogue, inputs: InputConfig, seed: int) -> dict[str, Any]:
    used = {split: CarDataset(dataset, split, inputs, seed).photos.body_type for split in SPLITS}
    cars = dataset.instances
    boxes = next((o for o in ("whole frame", "pseudo") if (cars.box_origin == o).any()), "given")
    masks = _masks(cars.mask_origin)
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "boxes": boxes,
        "masks": masks,
        "mask_quality": float(cars.mask_quality.median()) if (cars.mask_origin == "pseudo").any() else None,
        "counts": {split: {t: int((types == t).sum()) for t in dataset.body_types} for split, types in used.items()},
        "excluded": dataset.excluded_counts(),
    }


def _masks(origins: pd.Series) -> str:
    """Where the masks are from, in a word; where given and drawn ones are mixed, how many are which."""
    if set(origins) == {"given", "pseudo"}:
        numbers = origins.value_counts()
        return f"given for {numbers['given']:,} cars, pseudo for {numbers['pseudo']:,}, which are not measured"
    return next((o for o in ("none", "pseudo") if (origins == o).any()), "given")


def _markdown(title: str, splits: dict[str, Any]) -> str:
    reports = {split: report_markdown(classification_report(scores)) for split, scores in splits.items()}
    return "\n".join([f"# {title}\n", *(f"## {split.capitalize()}\n\n{text}" for split, text in reports.items())])


def _main(name: str) -> None:
    run = Run.open(name)
    dataset = Catalogue.load(run.dataset)
    find_all(run.config, run, dataset, shares_of(run.config, run, dataset))


if __name__ == "__main__":
    sys.exit(distributed.run_main(_main))
