"""The training loop: one epoch of training, one pass of validation, and the sums that their means follow from.

Every loss is a mean over the whole batch, whichever process has its photos: several processes learn what one would.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from carseg_lib.core.config import TrainConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loading import DistributedBatchSampler, make_loader
from carseg_lib.data.training_photos import TrainingPhotos
from carseg_lib.engine.ema import ModelEMA
from carseg_lib.engine.optim import learning_rate
from carseg_lib.engine.postprocess import on_cpu, predict_class
from carseg_lib.models.mask_rcnn import LOSS_TERMS


@dataclass
class LossMeter:
    """Sums over photos, from which an epoch's means follow; sums of batches and of processes add up.

    Attributes:
        losses: of each term of the loss, the sum of batch means times what they are means over.
        counts: anchors, regions and positive regions that the losses are means over.
        correct: photos whose class is predicted correctly; in training, what `classified` counts.
        photos: photos seen.
        classified: in training, the photos of a classifier or Mask R-CNN's regions with a car.
    """

    losses: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LOSS_TERMS, 0.0))
    counts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("anchors", "regions", "positives"), 0.0))
    correct: float = 0.0
    photos: float = 0.0
    classified: float = 0.0

    def add(self, batch: "BatchNumbers") -> None:
        """Adds a batch: its mean losses, each times what it is a mean over."""
        for name, loss in batch.losses.items():
            self.losses[name] += loss * batch.counts[LOSS_TERMS[name]]
        for name, count in batch.counts.items():
            self.counts[name] += count
        self.correct += batch.correct
        self.classified += batch.classified

    def over_processes(self, fabric: Fabric) -> "LossMeter":
        """The same sums over all processes."""
        values = [*self.losses.values(), *self.counts.values(), self.correct, self.photos, self.classified]
        if fabric.world_size > 1:
            total = fabric.all_reduce(torch.tensor(values, dtype=torch.float64), reduce_op="sum")
            values = torch.as_tensor(total).tolist()
        n = len(self.losses)
        return LossMeter(
            dict(zip(self.losses, values[:n], strict=True)),
            dict(zip(self.counts, values[n : n + 3], strict=True)),
            *values[n + 3 :],
        )

    def means(self, prefix: str) -> dict[str, float]:
        """The five terms and their sum, as columns of the history."""
        terms = {name: self.losses[name] / max(self.counts[LOSS_TERMS[name]], 1) for name in LOSS_TERMS}
        return {f"{prefix}_loss": sum(terms.values())} | {f"{prefix}_{name}": value for name, value in terms.items()}


@dataclass(frozen=True)
class BatchNumbers:
    """What a batch's losses are, as numbers of Python.

    Attributes:
        losses: by term.
        counts: by what the terms are means over.
        correct: in training, photos (or regions) that are classified correctly.
        classified: all of those.
    """

    losses: dict[str, float]
    counts: dict[str, int]
    correct: float = 0.0
    classified: float = 0.0

    @classmethod
    def read(
        cls, losses: dict[str, Tensor], counts: Mapping[str, Tensor | int], classes: Sequence[Tensor] = ()
    ) -> "BatchNumbers":
        """Reads them from the device, waiting for it once; `classes`: those classified correctly, and all."""
        device = next(iter(losses.values())).device
        numbers = [torch.as_tensor(x).detach().float() for x in (*losses.values(), *counts.values(), *classes)]
        # a count is there already where the network keeps it as a number
        values = torch.stack([number.to(device, non_blocking=True) for number in numbers]).tolist()
        n, m = len(losses), len(losses) + len(counts)
        return cls(
            dict(zip(losses, values[:n], strict=True)),
            dict(zip(counts, map(int, values[n:m]), strict=True)),
            *values[m:],
        )


def rescale_losses(fabric: Fabric, losses: dict[str, Tensor], counts: dict[str, int]) -> dict[str, Tensor]:
    """Scales this process's mean losses so that their mean over processes is the mean over the whole batch.

    Processes sample different numbers of anchors and regions: a plain mean of means would depend on which process has
    which photo.
    """
    if fabric.world_size == 1:
        return losses
    local = torch.tensor(list(counts.values()), dtype=torch.float64)
    total = torch.as_tensor(fabric.all_reduce(local.clone(), reduce_op="sum")).cpu().clamp(min=1)
    scale = dict(zip(counts, (local * fabric.world_size / total).tolist(), strict=True))
    return {name: loss * scale[LOSS_TERMS[name]] for name, loss in losses.items()}


def train_one_epoch(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    photos: TrainingPhotos,
    batches: DistributedBatchSampler,
    config: TrainConfig,
    *,
    num_workers: int,
    first_step: int,
    steps: int,
    average: ModelEMA,
    progress: Callable[[int, int], None],
) -> LossMeter:
    """One pass over the training photos: losses, gradients and a step for each batch.

    Args:
        fabric: launched.
        model: a `MaskRCNN` as `fabric.setup` returns it.
        optimizer: as `fabric.setup` returns it.
        photos: the training photos, augmented, with and without cars.
        batches: this process's batches of the epoch.
        config: learning rate and gradient clipping.
        num_workers: processes that load photos ahead.
        first_step: steps of all epochs before this one.
        steps: steps of all epochs.
        average: moved after each step.
        progress: called after each batch with (batches done, batches of the epoch).

    Raises:
        CarsegError: a loss is not finite. The message names the photos of the batch; no weight was changed by it.
    """
    network: Any = model.module
    model.train()
    sums = LossMeter()
    for i, (images, targets) in enumerate(make_loader(photos, batches, num_workers, pin=fabric.device.type == "cuda")):
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(config, first_step + i, steps)
        images = fabric.to_device(images)
        losses, _ = model(images, targets)
        # before the backward pass, which a GPU then does without being waited for
        numbers = BatchNumbers.read(losses, network.loss_counts(), network.class_counts())
        if not math.isfinite(sum(numbers.losses.values())):
            ids = [photos.name(int(t["index"])) for t in targets]
            terms = ", ".join(f"{name[5:]} {loss:g}" for name, loss in numbers.losses.items())
            raise CarsegError(
                f"the loss is not finite ({terms}) in the batch of {', '.join(ids)}; lower lr, or look at these photos"
            )
        fabric.backward(torch.as_tensor(sum(rescale_losses(fabric, losses, numbers.counts).values())))
        if config.max_grad_norm:
            fabric.clip_gradients(model, optimizer, max_norm=config.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()
        average.update()
        sums.add(numbers)
        sums.photos += len(images)
        progress(i + 1, len(batches))
    return sums.over_processes(fabric)


@torch.no_grad()
def validate(
    fabric: Fabric, model: nn.Module, photos: CarDataset, *, batch_size: int, num_workers: int, with_losses: bool = True
) -> LossMeter:
    """Losses, and the number of photos whose predicted class is correct (§V), in evaluation mode without gradients.

    Args:
        fabric: launched.
        model: a `MaskRCNN` as `fabric.setup` returns it.
        photos: without augmentation.
        batch_size: photos a batch, over all processes.
        num_workers: processes that load photos ahead.
        with_losses: whether losses are computed too.
    """
    network: Any = model.module
    rule = {"score_threshold": network.config.score_threshold, "nms_iou": network.config.class_agnostic_nms_iou}
    model.eval()
    sums = LossMeter()
    batches = DistributedBatchSampler(photos.in_order(), batch_size, fabric.global_rank, fabric.world_size)
    for images, targets in make_loader(photos, batches, num_workers, pin=fabric.device.type == "cuda"):
        if not targets:
            continue
        images = fabric.to_device(images)
        losses, detections = network(images, targets if with_losses else None, with_masks=False)
        if with_losses:
            sums.add(BatchNumbers.read(losses, network.loss_counts()))
        for target, found in zip(targets, on_cpu(detections), strict=True):
            predicted = predict_class(found["boxes"], found["scores"], found["labels"], **rule)
            truth = photos.truth(int(target["index"]))
            sums.correct += predicted is not None and int(found["labels"][predicted]) == truth
            sums.photos += 1
    return sums.over_processes(fabric)
