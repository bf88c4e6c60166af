"""The lines that training logs: what it starts, an epoch, time left."""

import logging
import time
from collections.abc import Callable
from typing import Any

from carseg_lib.core.config import RunConfig
from carseg_lib.core.formatting import duration
from carseg_lib.engine.device import choose_device
from carseg_lib.models.mask_rcnn import LOSS_TERMS
from carseg_lib.models.precision import resolve_precision
from carseg_lib.models.weights import PretrainedInfo

logger = logging.getLogger(__name__)


def describe_run(
    config: RunConfig, pretrained: PretrainedInfo, n_train: int, n_validation: int, with_masks: bool, done: int
) -> str:
    """A line: what is trained, from which weights, on how many photos, in which number format.

    Args:
        config: of the run.
        pretrained: the initial weights.
        n_train: training photos.
        n_validation: validation photos.
        with_masks: whether the mask loss is on.
        done: epochs of a former session.
    """
    resumed = f", going on after epoch {done}" if done else ""
    numbers = resolve_precision(config.model.precision, choose_device(config.device))
    mask_loss = "" if with_masks else "; no masks in this data set: the mask loss is off"
    return (
        f"training {config.model.backbone} from {pretrained.source} weights ({pretrained.origin}) "
        f"on {n_train:,} photos, validating on {n_validation:,}, {config.train.epochs} epochs in "
        f"{numbers}{resumed}{mask_loss}"
    )


class ProgressTimer:
    """The time that training of a number of epochs, `done` of them in a former session, has left."""

    def __init__(self, epochs: int, done: int):
        self.epochs, self.first = epochs, done
        self.started = time.monotonic()

    def within(self, epoch: int, started: float) -> Callable[[int, int], None]:
        """A callback for batches; it logs an estimate after the first tenth of a session's first epoch."""

        def progress(batch: int, batches: int) -> None:
            if epoch == self.first + 1 and batch == max(batches // 10, 1):
                left = (time.monotonic() - started) / batch * batches * (self.epochs - self.first)
                logger.info(
                    f"first {batch} of {batches} batches: about {duration(left)} of training ahead, and validation"
                )

        return progress

    def line(self, row: dict[str, Any]) -> str:
        """The line of an epoch, from its row of the history: losses, accuracies, speed, time left."""
        done = row["epoch"] - self.first
        left = (time.monotonic() - self.started) / done * (self.epochs - row["epoch"])
        terms = " ".join(f"{name[5:]} {row[f'train_{name}']:.3f}" for name in LOSS_TERMS)
        right = f"{row['validation_correct']}/{row['validation_photos']}"
        return (
            f"epoch {row['epoch']}/{self.epochs}: train loss {row['train_loss']:.3f} ({terms}), "
            f"validation loss {row['validation_loss']:.3f}, "
            f"validation accuracy {row['validation_accuracy']:.1%} ({right}), "
            f"training accuracy {row['train_accuracy']:.1%}, {row['photos_per_second']:.1f} photos/s, "
            f"{duration(left)} left"
        )
