"""Quality for time: accuracy and mask AP at equal epochs and in equal time, and the time to an accuracy."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import pandas as pd
import torch
from torch import nn

from carseg_lib.core.formatting import duration
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.engine.checkpoint import last_weights
from carseg_lib.engine.device import choose_device
from carseg_lib.evaluation.average_precision import coco_ap
from carseg_lib.experiments.baselines import epoch_batches, training_photos
from carseg_lib.experiments.benchmark.systems import NonFiniteLossError, System, as_classifier
from carseg_lib.experiments.benchmark.timing import wait_for_gpu
from carseg_lib.experiments.trial_network import predict_validation, train_run
from carseg_lib.models.classifier import ImageClassifier
from carseg_lib.models.networks import build_network

logger = logging.getLogger(__name__)

# torchvision's reference: a warm-up of 1,000 steps, and a tenth of the rate after 16 and after 22 of 26 epochs. A
# training of fewer steps warms up through all of them: from scratch, a sooner rise ended in losses that are not finite.
WARMUP_STEPS = 1000
DROPS = (16 / 26, 22 / 26)


@dataclass(frozen=True)
class Quality:
    """What a training gave on the validation photos.

    Attributes:
        epochs: passes over the training photos.
        seconds: of training alone.
        accuracy: share of photos predicted correctly.
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


def train_torchvision(run: Run, dataset: Catalogue, system: System, epochs: int) -> Quality:
    """Train torchvision's model by its reference recipe on a run's photos, and measure it.

    If its loss is not finite, its training ends there, and the network of the step before is measured: the note of
    what is returned says so.

    Args:
        run: its photos, image size and batches.
        dataset: with splits.
        system: torchvision's; its weights are changed.
        epochs: passes over the training photos.
    """
    config = run.config
    photos = training_photos(config, dataset, run.caches)
    steps = epochs * -(-len(photos) // config.train.batch_size)
    peak = system.optimizer.param_groups[0]["lr"]
    curve: list[tuple[float, float]] = []
    seconds, done, note = 0.0, 0, ""
    accuracy = mask_ap = 0.0
    warmup = min(WARMUP_STEPS, steps)
    for epoch in range(1, epochs + 1):
        batches = epoch_batches(photos, epoch, config, 0.0)
        drop = 0.1 ** sum((epoch - 1) / epochs >= share for share in DROPS)
        started = time.perf_counter()
        for batch in batches:
            for group in system.optimizer.param_groups:
                group["lr"] = peak * drop * min((done + 1) / warmup, 1.0)
            try:
                system.step(batch)
            except NonFiniteLossError as error:  # its weights are as they were
                note = f"torchvision ended after {done} of {steps} steps: {error}"
                logger.info(note)
                break
            done += 1
            if done in (1, 5) or done % 20 == 0:
                left = (seconds + time.perf_counter() - started) / done * (steps - done)
                logger.info("torchvision: step %d of %d, about %s left", done, steps, duration(left))
        wait_for_gpu()
        seconds += time.perf_counter() - started
        accuracy, mask_ap = score(system.model, run, dataset)
        curve.append((seconds, accuracy))
        logger.info(f"torchvision: epoch {epoch}/{epochs}, accuracy {accuracy:.1%}, mask AP {mask_ap:.1%}")
        if note:
            break
    return Quality(len(curve), seconds, accuracy, mask_ap, tuple(curve), note)


def train_carseg(run: Run, dataset: Catalogue) -> tuple[nn.Module, Quality]:
    """Train a run as `make train` does, and measure the last epoch's network: no epoch is chosen.

    It is no trial of the runner (`experiments.trials`): its time is measured, so that a finished training is of no
    use the next time, and its photos are those that torchvision's model gets. The mask AP of a classifier is 0.
    """
    config = run.config
    history = train_run(run, dataset)
    # an epoch's seconds hold its validation too; the rate is of training alone
    photos = len(CarDataset(dataset, "train", config.inputs, config.seed))
    seconds = (photos / history.photos_per_second).cumsum()
    checkpoints = max(run.checkpoints.glob("*/state.json"), key=lambda path: path.stat().st_mtime).parent
    model = build_network(config.model, len(dataset.body_types) + 1, dataset.has_masks)
    model.load_state_dict(last_weights(checkpoints))
    model.to(memory_format=torch.channels_last).to(choose_device(config.device))
    accuracy, mask_ap = score(model, run, dataset)
    curve = tuple(zip(seconds.tolist(), history.validation_accuracy.tolist(), strict=True))
    return model, Quality(len(history), float(seconds.iloc[-1]), accuracy, mask_ap, curve)


def train_classifier(run: Run, dataset: Catalogue, seconds: float, of_step: float) -> Quality:
    """Train an image classifier for as many whole epochs as fit into a time, at least one; its mask AP is 0.

    Args:
        run: its backbone, photos and recipe.
        dataset: with splits.
        seconds: of training.
        of_step: seconds that one of its steps takes.
    """
    config = as_classifier(run.config)
    steps = -(-len(CarDataset(dataset, "train", config.inputs, config.seed)) // config.train.batch_size)
    epochs = max(int(seconds / (steps * of_step)), 1)
    return train_carseg(Run(config.updated(name="classifier", train={"epochs": epochs})), dataset)[1]


def score(model: nn.Module, run: Run, dataset: Catalogue) -> tuple[float, float]:
    """Accuracy and mask AP on a run's validation photos."""
    predictions, detections = predict_validation(model.eval(), dataset, run.config)
    if isinstance(model, ImageClassifier):
        return float((predictions.predicted == predictions.body_type).mean()), 0.0
    return score_predictions(predictions, detections, dataset)


def score_predictions(predictions: pd.DataFrame, detections: pd.DataFrame, dataset: Catalogue) -> tuple[float, float]:
    """Accuracy and mask AP.

    Args:
        predictions: a row a photo: photo_id, body_type, predicted, width, height.
        detections: as `carseg_lib.evaluation.average_precision` has them.
        dataset: the truth.
    """
    accuracy = float((predictions.predicted == predictions.body_type).mean())
    truth = dataset.measured().instances
    truth = truth[truth.photo_id.isin(predictions.photo_id)]
    ap = coco_ap(truth, detections, predictions[["photo_id", "width", "height"]], "segm", dataset.body_types)
    return accuracy, float(ap["AP"] or 0.0)
