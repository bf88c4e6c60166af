"""What is measured: ours, the same with torchvision's backbone, torchvision's own, and a classifier; one interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.engine.inference import choose_device, photo_detections
from carseg_lib.engine.optim import make_optimizer
from carseg_lib.experiments.baselines import Classifier, TorchvisionMaskRCNN, calibrated_random_resnet50
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.weights import load_weights

FIRST_RATE = 1 / 1000  # of the full rate: the start of the warm-up of torchvision's reference

Batch = tuple[Tensor, list[dict[str, Tensor]]]


@dataclass(frozen=True)
class System:
    """One of them, with its first weights, on the study's device.

    Attributes:
        name: in tables.
        model: its network.
        optimizer: of its weights.
        step: one step of training on a batch, its weights changed.
        answer: what a user gets for photos (B, 3, H, W); masks are as large as the photos.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Callable[[Batch], None]
    answer: Callable[[Tensor], object]


def our_system(run: Run, body_types: tuple[str, ...], name: str) -> System:
    """The model of a study, trained as `carseg_lib.engine.trainer` does."""
    device = choose_device(run.config.device)
    model = build_model(run.config.model, len(body_types) + 1, with_masks=True)
    if (
        run.config.model.weights != "none" and run.config.model.backbone == "resnet50"
    ):  # torchvision's weights need a download
        model.backbone.body.load_state_dict(calibrated_random_resnet50())
    else:
        load_weights(model, run.config.model.backbone, run.config.model.weights)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = make_optimizer(model, run.config.train)

    def step(batch: Batch) -> None:
        model.train()
        losses, _ = model(*on_device(batch, device))
        finite_sum(losses, name).backward()
        if run.config.train.max_grad_norm:
            nn.utils.clip_grad_norm_(model.parameters(), run.config.train.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    @torch.inference_mode()
    def answer(images: Tensor) -> object:
        model.eval()
        _, found = model(images.to(device))
        height, width = images.shape[-2:]
        return [photo_detections(one, (width, height), (height, width), body_types, run) for one in found]

    return System(name, model, optimizer, step, answer)


def stock_system(
    run: Run, body_types: tuple[str, ...], weights: str = "shape", as_it_comes: bool = False
) -> System:
    """Torchvision's Mask R-CNN, ResNet-50, with its reference recipe in fp32.

    Args:
        study: whose photos it is given.
        body_types: what it tells apart.
        weights: see `TorchvisionMaskRCNN`.
        as_it_comes: it enlarges photos as torchvision has it; else it is told to take them as they are.
    """
    device = choose_device(run.config.device)
    size = None if as_it_comes else run.config.inputs.size
    model = TorchvisionMaskRCNN(len(body_types) + 1, size, weights).to(device)
    optimizer = model.make_optimizer(run.config.train.batch_size)
    if weights == "shape":  # a network of random weights stays what it is
        for group in optimizer.param_groups:
            group["lr"] *= FIRST_RATE

    def step(batch: Batch) -> None:
        model.train()
        losses, _ = model(*on_device(batch, device))
        finite_sum(losses, "stock").backward()
        optimizer.step()
        optimizer.zero_grad()

    @torch.inference_mode()
    def answer(images: Tensor) -> object:
        model.eval()
        return model.predict(images.to(device))

    return System("stock", model, optimizer, step, answer)


def classifier_system(run: Run, body_types: tuple[str, ...]) -> System:
    """A classifier on the study's backbone: no boxes, no masks."""
    device = choose_device(run.config.device)
    model = Classifier(run.config.model.backbone, len(body_types), "none", run.config.model.precision)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=run.config.train.lr, fused=True)

    def step(batch: Batch) -> None:
        model.train()
        images, targets = on_device(batch, device)
        model(images, torch.stack([target["labels"][0] for target in targets]) - 1).backward()
        optimizer.step()
        optimizer.zero_grad()

    @torch.inference_mode()
    def answer(images: Tensor) -> object:
        model.eval()
        return model(images.to(device)).argmax(1).tolist()

    return System("classifier", model, optimizer, step, answer)


class NonFiniteLossError(CarsegError):
    """A system's loss became no number."""


def finite_sum(losses: dict[str, Tensor], name: str) -> Tensor:
    """The sum of a step's losses.

    Raises:
        NonFiniteLossError: it is not finite: a network of no numbers proposes nothing, and its speed says nothing.
    """
    total = sum(losses.values())
    if not torch.isfinite(total):
        raise NonFiniteLossError(f"the loss of {name} is not finite: from here on it measures nothing")
    return total


def on_device(batch: Batch, device: torch.device) -> Batch:
    """A batch where the model is."""
    images, targets = batch
    moved = [
        {name: value.to(device) if isinstance(value, Tensor) else value for name, value in target.items()}
        for target in targets
    ]
    return images.to(device), moved
