"""The lines that training logs: what it starts, an epoch, time left."""

import logging
import time
from collections.abc import Callable
from typing import Any

from carseg_lib.core.config import RunConfig
from carseg_lib.core.formatting import duration
from carseg_lib.core.progress import tell
from carseg_lib.engine.device import choose_device
from carseg_lib.models.precision import resolve_precision
from carseg_lib.models.weights import PretrainedInfo

logger = logging.getLogger(__name__)

HEADER = "  epoch    loss val. loss        val. accuracy train accuracy photos/s  left"  # of the lines of epochs


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
        """A callback for batches, which tells how far the epoch is.

        It logs an estimate after the first tenth of a session's first epoch, and the header of the lines of epochs.
        """

        def progress(batch: int, batches: int) -> None:
            of_epoch = (time.monotonic() - started) / batch * batches  # without validation, in the first epoch
            before = epoch - self.first - 1  # epochs of this session that are over
            of_one = (started - self.started) / before if before else of_epoch
            left = of_one * (self.epochs - epoch) + of_epoch * (1 - batch / batches)
            tell(f"epoch {epoch} of {self.epochs}", batch, batches, left)
            if not before and batch == max(batches // 10, 1):
                logger.info(f"about {duration(of_epoch * (self.epochs - self.first))} of training, and validation")
                logger.info(HEADER)

        return progress

    def line(self, row: dict[str, Any]) -> str:
        """The line of an epoch under `HEADER`, from its row of the history: losses, accuracies, speed, time left."""
        done = row["epoch"] - self.first
        left = (time.monotonic() - self.started) / done * (self.epochs - row["epoch"])
        right = f"({row['validation_correct']:,}/{row['validation_photos']:,})"
        epoch = f"{row['epoch']}/{self.epochs}"
        return (
            f"{epoch:>7} {row['train_loss']:>7.3f} {row['validation_loss']:>9.3f} "
            f"{row['validation_accuracy']:>6.1%} {right:>13} {row['train_accuracy']:>14.1%} "
            f"{row['photos_per_second']:>8.1f}  {duration(left)}"
        )
