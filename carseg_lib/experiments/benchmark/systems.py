"""The measured systems, with one interface: carseg, carseg on ResNet-50, torchvision's, and a classifier."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.inference import detect
from carseg_lib.engine.optim import make_optimizer
from carseg_lib.experiments.baselines import TorchvisionMaskRCNN, calibrated_random_resnet50
from carseg_lib.models.mask_rcnn import build_model
from carseg_lib.models.networks import build_network
from carseg_lib.models.weights import load_weights

Batch = tuple[Tensor, list[dict[str, Tensor]]]


@dataclass(frozen=True)
class System:
    """A network with its initial weights on a device, and what is timed of it.

    Attributes:
        name: in tables.
        model: its network.
        optimizer: of its weights.
        step: one step of training on a batch, its weights changed.
        predict: a user's output for photos (B, 3, H, W); masks are as large as the photos.
    """

    name: str
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: Callable[[Batch], None]
    predict: Callable[[Tensor], object]


def carseg_system(config: RunConfig, body_types: tuple[str, ...], name: str) -> System:
    """The model of a configuration, trained as `carseg_lib.engine.trainer` does."""
    model = build_model(config.model, len(body_types) + 1, with_masks=True)
    # torchvision's own weights need a download
    if config.model.weights != "none" and config.model.backbone == "resnet50":
        model.backbone.body.load_state_dict(calibrated_random_resnet50())
    else:
        load_weights(model, config.model.backbone, config.model.weights)
    model = model.to(memory_format=torch.channels_last).to(choose_device(config.device))

    def predict(images: Tensor) -> object:
        height, width = images.shape[-2:]
        return list(detect(model, [(images, [(width, height)] * len(images))], body_types, config.model))

    loss = functools.partial(_loss, model, name)
    return _system(name, model, make_optimizer(model, config.train), loss, predict, config.train.max_grad_norm)


def torchvision_system(
    config: RunConfig, body_types: tuple[str, ...], weights: str = "shape", as_it_comes: bool = False
) -> System:
    """Torchvision's Mask R-CNN, ResNet-50, with its reference recipe in fp32.

    Args:
        config: image size, batch size and device.
        body_types: its classes.
        weights: see `TorchvisionMaskRCNN`.
        as_it_comes: photos are enlarged, as torchvision's default is; else they stay as they are.
    """
    size = None if as_it_comes else config.inputs.size
    model = TorchvisionMaskRCNN(len(body_types) + 1, size, weights).to(choose_device(config.device))
    optimizer = model.make_optimizer(config.train.batch_size)
    if weights == "shape":  # a network of random weights stays what it is
        for group in optimizer.param_groups:
            group["lr"] /= 1000  # the start of the warm-up of torchvision's reference

    def loss(images: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
        return _loss(model, "torchvision", images, on_device(targets, images.device))

    return _system("torchvision", model, optimizer, loss, model.predict)


def classifier_system(config: RunConfig, body_types: tuple[str, ...]) -> System:
    """A classifier on the configuration's backbone: no boxes, no masks."""
    config = as_classifier(config)
    model = build_network(config.model, len(body_types) + 1, with_masks=False)
    model = model.to(memory_format=torch.channels_last).to(choose_device(config.device))
    optimizer = make_optimizer(model, config.train)
    return _system("classifier", model, optimizer, functools.partial(_loss, model, "classifier"), model)


def as_classifier(config: RunConfig) -> RunConfig:
    """The same configuration with a classifier on its backbone, all of which is trained."""
    settings = {"architecture": "classifier", "frozen_stages": 0, "freeze_depthwise": False}
    return config.updated(model=settings)


def _loss(model: nn.Module, name: str, images: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
    return finite_sum(model(images, targets)[0], name)


def _system(
    name: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[..., Tensor],
    output: Callable[[Tensor], object],
    max_grad_norm: float = 0.0,
) -> System:
    """A system by its loss of a batch and its output for photos, both on the model's device."""
    device = next(model.parameters()).device

    def step(batch: Batch) -> None:
        model.train()
        images, targets = batch
        loss(images.to(device, non_blocking=True), targets).backward()
        if max_grad_norm:
            # refuses what is not finite, as Fabric does in training, and so waits for a GPU
            nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm, error_if_nonfinite=True)
        optimizer.step()
        optimizer.zero_grad()

    @torch.inference_mode()
    def predict(images: Tensor) -> object:
        model.eval()
        return output(images.to(device))

    return System(name, model, optimizer, step, predict)


class NonFiniteLossError(CarsegError):
    """A system's loss is not finite."""


def finite_sum(losses: dict[str, Tensor], name: str) -> Tensor:
    """The sum of a step's losses.

    Raises:
        NonFiniteLossError: it is not finite: such a network proposes nothing, and its speed means nothing.
    """
    total = functools.reduce(torch.add, losses.values())
    if not torch.isfinite(total):
        raise NonFiniteLossError(f"the loss of {name} is not finite: from here on it measures nothing")
    return total


def on_device(targets: list[dict[str, Tensor]], device: torch.device) -> list[dict[str, Tensor]]:
    """Targets where the model is: torchvision's takes no others."""
    return [
        {
            name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in target.items()
        }
        for target in targets
    ]
