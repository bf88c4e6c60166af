"""What the time buys: accuracy and mask AP at equal epochs and in equal time, and the time to stock's accuracy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.engine.checkpoint import last_weights
from carseg_lib.engine.inference import choose_device
from carseg_lib.engine.progress import duration
from carseg_lib.engine.trainer import train
from carseg_lib.evaluation.average_precision import coco_ap
from carseg_lib.evaluation.evaluate import predict_split
from carseg_lib.experiments.baselines import predict_classes, train_baseline_classifier
from carseg_lib.experiments.benchmark.systems import NonFiniteLossError, System
from carseg_lib.experiments.benchmark.timing import wait_for_gpu
from carseg_lib.models.mask_rcnn import build_model

# torchvision's reference: a warm-up of 1,000 steps, and a tenth of the rate after 16 and after 22 of 26 epochs. A
# training of fewer steps warms up through all of them: from scratch, a sooner rise ended in losses that are no numbers.
WARMUP_STEPS = 1000
DROPS = (16 / 26, 22 / 26)


@dataclass(frozen=True)
class Quality:
    """What a training gave on the validation photos.

    Attributes:
        epochs: passes over the training photos.
        seconds: of training alone.
        accuracy: share of photos answered right.
        mask_ap: COCO's, over IoU 0.5 to 0.95.
        curve: (training seconds, accuracy) after each epoch.
        note: what a reader must know of it.
    """

    epochs: int
    seconds: float
    accuracy: float
    mask_ap: float
    curve: tuple[tuple[float, float], ...]
    note: str = ""

    def seconds_to(self, accuracy: float) -> float | None:
        """Training time after which that accuracy was reached first; None if never."""
        return next((seconds for seconds, reached in self.curve if reached >= accuracy), None)


def train_stock(
    run: Run, dataset: Catalogue, system: System, epochs: int, say: Callable[[str], None]
) -> Quality:
    """Trains torchvision's model by its reference recipe on the study's photos, and measures it.

    If its loss becomes no number, its training ends there, and the network of the step before is measured: the note of
    what is returned says so.
    """
    photos = CarDataset(
        dataset,
        "train",
        run.config.inputs,
        run.config.seed,
        augment=True,
        cache=cache_of(dataset, run.config.inputs, run.caches, say),
    )
    steps = epochs * -(-len(photos) // run.config.train.batch_size)
    optimizer = system.optimizer
    peak = optimizer.param_groups[0]["lr"]
    curve, seconds, done, note = [], 0.0, 0, ""
    warmup = min(WARMUP_STEPS, steps)
    for epoch in range(1, epochs + 1):
        order = balanced_epoch_order(photos.photos.body_type, epoch, run.config.seed, 0.0)
        drop = 0.1 ** sum((epoch - 1) / epochs >= share for share in DROPS)
        started = time.perf_counter()
        for batch in make_loader(
            photos, DistributedBatchSampler(order, run.config.train.batch_size), run.config.inputs.num_workers
        ):
            for group in optimizer.param_groups:
                group["lr"] = peak * drop * min((done + 1) / warmup, 1.0)
            try:
                system.step(batch)
            except NonFiniteLossError as error:  # its weights are as they were
                note = f"stock ended after {done} of {steps} steps: {error}"
                say(note)
                break
            done += 1
            if done in (1, 5) or done % 20 == 0:
                spent = seconds + time.perf_counter() - started
                say(f"stock: step {done} of {steps}, about {duration(spent / done * (steps - done))} left")
        wait_for_gpu()
        seconds += time.perf_counter() - started
        accuracy, mask_ap = score(system.model, run, dataset)
        curve.append((seconds, accuracy))
        say(f"stock: epoch {epoch}/{epochs}, accuracy {accuracy:.1%}, mask AP {mask_ap:.1%}")
        if note:
            break
    return Quality(len(curve), seconds, accuracy, mask_ap, tuple(curve), note)


def train_ours(run: Run, dataset: Catalogue) -> tuple[nn.Module, Quality]:
    """Trains the study's model as `make train` does, and measures the last epoch's network: no epoch is chosen."""
    run.save()
    dataset.save(run.dataset)
    history = train(run)
    # an epoch's seconds hold its validation too; the rate is of training alone
    photos = len(CarDataset(dataset, "train", run.config.inputs, run.config.seed))
    seconds = (photos / history.photos_per_second).cumsum()
    checkpoints = max(run.checkpoints.glob("*/state.json"), key=lambda path: path.stat().st_mtime).parent
    model = build_model(run.config.model, len(dataset.body_types) + 1, dataset.has_masks)
    model.load_state_dict(last_weights(checkpoints))
    model = model.to(choose_device(run.config.device), memory_format=torch.channels_last)
    accuracy, mask_ap = score(model, run, dataset)
    curve = tuple(zip(seconds.tolist(), history.validation_accuracy.tolist(), strict=True))
    return model, Quality(len(history), float(seconds.iloc[-1]), accuracy, mask_ap, curve)


def train_baseline(run: Run, dataset: Catalogue, seconds: float, of_step: float) -> Quality:
    """Trains an image classifier on the study's backbone for as many whole epochs as fit into a time, at least one.

    Args:
        study: its photos and recipe.
        dataset: with splits.
        seconds: of training.
        of_step: seconds that one of its steps takes.

    Returns:
        What came of it. It has no masks: its mask AP is 0.
    """
    steps = -(
        -len(CarDataset(dataset, "train", run.config.inputs, run.config.seed)) // run.config.train.batch_size
    )
    epochs = max(int(seconds / (steps * of_step)), 1)
    started = time.perf_counter()
    model = train_baseline_classifier(run.updated(train={"epochs": epochs}), dataset)
    taken = time.perf_counter() - started
    answers = predict_classes(model, dataset, run)
    accuracy = float((answers.predicted == answers.body_type).mean())
    return Quality(epochs, taken, accuracy, 0.0, ((taken, accuracy),))


def score(model: nn.Module, run: Run, dataset: Catalogue) -> tuple[float, float]:
    """Accuracy and mask AP on the study's validation photos."""
    photos = CarDataset(dataset, "validation", run.config.inputs, run.config.seed)
    model.eval()
    return score_predictions(*predict_split(model, photos, "validation", run.config), dataset)


def score_predictions(
    predictions: pd.DataFrame, detections: pd.DataFrame, dataset: Catalogue
) -> tuple[float, float]:
    """Accuracy and mask AP of answers.

    Args:
        predictions: a row a photo: photo_id, body_type, predicted, width, height.
        detections: as `carseg_lib.evaluation.average_precision` has them.
        dataset: the truth.
    """
    accuracy = float((predictions.predicted == predictions.body_type).mean())
    truth = dataset.instances[dataset.instances.photo_id.isin(predictions.photo_id)]
    ap = coco_ap(truth, detections, predictions[["photo_id", "width", "height"]], "segm", dataset.body_types)
    return accuracy, float(ap["AP"] or 0.0)
