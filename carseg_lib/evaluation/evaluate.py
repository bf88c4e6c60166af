"""Evaluation of a run: the answers on validation and test, and the metrics computed from them (paper §VI)."""

from collections.abc import Iterator

import pandas as pd
from torch import Tensor
from torchvision.ops import box_iou as torchvision_box_iou

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import SPLITS, Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loading import DistributedBatchSampler, make_loader
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.masks import mask_iou as iou_of_masks
from carseg_lib.engine.inference import Detection, as_columns, detect, load_trained
from carseg_lib.evaluation.bootstrap import proportion_estimate
from carseg_lib.evaluation.classification import (
    classification_report,
    headline_numbers,
    report_markdown,
    split_metrics,
)
from carseg_lib.models.mask_rcnn import MaskRCNN


def evaluate(run: Run) -> dict:
    """Every number of the run, from one read of validation, test and a fixed sample of training.

    Leaves predictions.csv, detections.csv, metrics.json, classification_report.csv and .md in the run's folder.

    Returns:
        The metrics, as in metrics.json.
    """
    dataset = Catalogue.load(run.dataset)
    model, card = load_trained(run.config, run)
    photos = {split: CarDataset(dataset, split, run.config.inputs, run.config.seed) for split in SPLITS}
    photos["train"] = photos["train"].sample(run.config.train.train_eval_size)
    tables = [predict_split(model, photos[split], split, run.config) for split in SPLITS]
    predictions = pd.concat([table for table, _ in tables], ignore_index=True)
    detections = pd.concat([table for _, table in tables], ignore_index=True)
    splits = {
        split: split_metrics(
            predictions[predictions.split == split],
            detections[detections.split == split],
            dataset.instances,
            body_types=dataset.body_types,
            bootstrap_samples=run.config.eval.bootstrap_samples,
            seed=run.config.seed,
            has_masks=card["with_masks"],
        )
        for split in SPLITS
    }
    metrics = {
        "schema": 1,
        "run": _run_facts(run, card, sum(p.numel() for p in model.parameters())),
        "data": _data_facts(dataset, run),
        "training": training_facts(pd.read_csv(run.history), run),
        "splits": {split: headline_numbers(scores) | scores for split, scores in splits.items()},
    }
    report = pd.concat({split: classification_report(splits[split]) for split in SPLITS}, names=["split"])
    files.write_csv(run.predictions, predictions)
    files.write_csv(run.detections, detections)
    files.write_csv(run.folder / "classification_report.csv", report.reset_index(level="split"))
    files.write_text(run.folder / "classification_report.md", _markdown(splits, run, dataset))
    files.write_json(run.metrics, metrics)
    return metrics


def predict_split(
    model: MaskRCNN, photos: CarDataset, split: str, config: RunConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The model's answers and detections for one split.

    Returns:
        predictions: a row a photo: photo_id, split, body_type (truth), predicted ("" = no car found), score, x1..y2,
            mask (the answer's), true_x1..true_y2, box_iou, mask_iou (0 when no car was found; NaN without a true
            mask), width, height.
        detections: a row a detection: photo_id, split, body_type, score, x1..y2, mask. As COCO's average precision
            wants it, a car may stand here as several types, each with its score: suppression is within a type.
    """
    answers, found_rows = [], []
    body_types = list(photos.class_ids)
    # A detection's other classes are reported too; the first is the same either way.
    detections = detect(model, _batches(photos, config), body_types, config.model, class_agnostic_nms=False)
    for i, found in enumerate(detections):
        row = photos.photos.iloc[i]
        head = {"photo_id": row.photo_id, "split": split}
        answer = found[0] if found else None
        truth = largest_instance(photos.instances[row.photo_id], row.body_type)
        answers.append(
            head
            | {"body_type": row.body_type, "predicted": answer.body_type if answer else ""}
            | as_columns(answer)
            | {f"true_{c}": getattr(truth, c) for c in ("x1", "y1", "x2", "y2")}
            | {"box_iou": box_iou(answer, truth), "mask_iou": mask_iou(answer, truth, row.height, row.width)}
            | {"width": row.width, "height": row.height}
        )
        found_rows += [head | {"body_type": one.body_type} | as_columns(one) for one in found]
    columns = ["photo_id", "split", "body_type", "score", "x1", "y1", "x2", "y2", "mask"]
    return pd.DataFrame(answers), pd.DataFrame(found_rows, columns=columns)


def _batches(photos: CarDataset, config: RunConfig) -> Iterator[tuple[Tensor, list[tuple[int, int]]]]:
    sizes = photos.photos[["width", "height"]].itertuples(index=False, name=None)
    batches = DistributedBatchSampler(photos.in_order(), config.train.batch_size)
    for images, _ in make_loader(photos, batches, config.inputs.num_workers):
        yield images, [next(sizes) for _ in images]


def largest_instance(instances: pd.DataFrame, body_type: str) -> tuple:
    """The labelled car that a photo's body type is about: the largest box of that type."""
    of_type = instances[instances.body_type == body_type]
    areas = (of_type.x2 - of_type.x1) * (of_type.y2 - of_type.y1)
    return next(of_type.loc[[areas.idxmax()]].itertuples(index=False))


def box_iou(answer: Detection | None, truth: tuple) -> float:
    """Intersection over union of the answer's box and the true one; 0 when no car was found."""
    if answer is None:
        return 0.0
    boxes = Tensor([answer.box]), Tensor([[truth.x1, truth.y1, truth.x2, truth.y2]])
    return float(torchvision_box_iou(*boxes))


def mask_iou(answer: Detection | None, truth: tuple, height: int, width: int) -> float:
    """Intersection over union of the answer's mask and the true one; 0 when no car was found, NaN without a truth."""
    if not truth.mask:
        return float("nan")
    if answer is None or not answer.mask:
        return 0.0
    ours, true = decode_mask(answer.mask, height, width), decode_mask(truth.mask, height, width)
    return iou_of_masks(ours, true)


def _run_facts(run: Run, card: dict, parameters: int) -> dict:
    config = run.config
    facts = {
        "profile": config.profile,
        "seed": config.seed,
        "device": config.device,
        "weights": config.model.weights,
        "backbone": config.model.backbone,
        "epochs": config.train.epochs,
        "batch_size": config.train.batch_size,
        "image_height": config.inputs.height,
        "image_width": config.inputs.width,
        "augmentation": config.inputs.augmentation,
    }
    facts |= {"device": card["device"], "precision": card["precision"]}
    facts["weights"] = f"{card['weights']['source']}: {card['weights']['origin']}"
    return {"name": run.name} | facts | {"parameters": parameters}


def _data_facts(dataset: Catalogue, run: Run) -> dict:
    used = {
        split: CarDataset(dataset, split, run.config.inputs, run.config.seed).photos.body_type
        for split in SPLITS
    }
    cars = dataset.instances
    boxes = next((o for o in ("whole frame", "pseudo") if (cars.box_origin == o).any()), "given")
    masks = next((o for o in ("none", "pseudo") if (cars.mask_origin == o).any()), "given")
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "boxes": boxes,
        "masks": masks,
        "mask_quality": float(cars.mask_quality.median()) if masks == "pseudo" else None,
        "counts": {
            split: {t: int((types == t).sum()) for t in dataset.body_types} for split, types in used.items()
        },
        "excluded": dataset.excluded_counts(),
    }


def training_facts(history: pd.DataFrame, run: Run) -> dict:
    """What the report says of the training; nothing that depends on the machine's speed."""
    best = history[history.best].iloc[0]
    n = int(best.train_sample)
    return {
        "best_epoch": int(best.epoch),
        "epochs": len(history),
        "train_accuracy": proportion_estimate(
            round(best.train_accuracy * n),
            n,
            bootstrap_samples=run.config.eval.bootstrap_samples,
            seed=run.config.seed,
        ),
        "mean_train_accuracy": float(history.train_accuracy.mean()),
        "mean_validation_accuracy": float(history.validation_accuracy.mean()),
        "final_train_loss": float(history.train_loss.iloc[-1]),
    }


def _markdown(splits: dict, run: Run, dataset: Catalogue) -> str:
    parts = [
        f"# Classification report of run {run.name} (profile {run.config.profile}, data {dataset.name})\n"
    ]
    for split, scores in splits.items():
        parts.append(f"## {split.capitalize()}\n\n{report_markdown(classification_report(scores))}")
    return "\n".join(parts)
