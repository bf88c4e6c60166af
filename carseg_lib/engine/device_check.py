"""Whether a device computes what the CPU does: the losses and gradients of one batch, compared.

MPS has returned wrong numbers without a word (of indexing, of sums over strided tensors), and each version of it
others: it is used where it is asked for by name and has passed this.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.device import to_device

PHOTOS = 2
# Relative to the largest number of the same tensor. Other rounding alone, of float64, moves either by up to 4e-6 (the
# network of profile smoke); a wrong kernel moves them by as much as they are.
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-3, 2e-2
Batch = tuple[Tensor, list[dict]]
Step = Callable[[nn.Module, Batch, torch.device], dict[str, Tensor]]


@dataclass(frozen=True)
class Difference:
    """A tensor of a training step that differs by more than rounding.

    Attributes:
        name: of the loss or of the parameter whose gradient it is.
        relative: the largest difference, relative to the largest number of the CPU's.
        tolerance: the largest that rounding explains.
    """

    name: str
    relative: float
    tolerance: float


def require_agreement(model: nn.Module, size: tuple[int, int], device: torch.device) -> None:
    """Refuses a device whose losses or gradients of one batch are not the CPU's.

    Args:
        model: on the CPU; it stays as it is.
        size: height and width of its input, pixels.
        device: to be compared.

    Raises:
        CarsegError: they differ; the message gives the largest differences.
    """
    if found := disagreement(model, made_batch(size), device):
        worst = "; ".join(f"{d.name} by {d.relative:.1%} (up to {d.tolerance:.1%} is rounding)" for d in found[:3])
        raise CarsegError(
            f"DEVICE={device.type}: {len(found)} losses or gradients of one batch differ from the CPU's: {worst}; "
            "take DEVICE=cpu"
        )


def disagreement(model: nn.Module, batch: Batch, device: torch.device, step: Step | None = None) -> list[Difference]:
    """What of one batch's losses and gradients differs between the CPU and a device by more than rounding, worst first.

    Args:
        model: on the CPU; it stays as it is.
        batch: images (B, 3, H, W) and targets, on the CPU.
        device: to be compared.
        step: what computes on the device; by default what computes on the CPU.
    """
    expected = losses_and_gradients(copy.deepcopy(model), batch, torch.device("cpu"))
    computed = (step or losses_and_gradients)(copy.deepcopy(model), batch, device)
    found = []
    for name, tensor in expected.items():
        tolerance = LOSS_TOLERANCE if name.startswith("loss_") else GRADIENT_TOLERANCE
        off = (computed[name].double() - tensor.double()).abs().max() / tensor.double().abs().max().clamp(min=1e-6)
        if not float(off) <= tolerance:  # a number that is none differs too
            found.append(Difference(name, float(off), tolerance))
    return sorted(found, key=lambda d: -d.relative)


def losses_and_gradients(model: nn.Module, batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """The losses and, by parameter, the gradients of one batch, on the CPU, float32."""
    model = to_device(model, device).train()
    images, targets = batch
    losses, _ = model(images.to(device), targets)
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: tensor.detach().float().cpu() for name, tensor in (losses | gradients).items()}


def made_batch(size: tuple[int, int], photos: int = PHOTOS, seed: int = 0) -> Batch:
    """Photos of noise (photos, 3, H, W), channels last, with one or two cars each, whose masks are their boxes.

    A target has what `carseg_lib.data.dataset` gives: boxes (N, 4) float32 pixels, labels (N,), masks (N, H, W) uint8,
    seed, index and class_id.
    """
    height, width = size
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(photos, height, width, 3, generator=generator).permute(0, 3, 1, 2)
    targets = []
    for i in range(photos):
        cars = 1 + i % 2
        corners = torch.rand(cars, 2, generator=generator) * 0.4
        sides = torch.rand(cars, 2, generator=generator) * 0.4 + 0.15
        boxes = torch.cat([corners, corners + sides], 1) * torch.tensor([width, height] * 2)
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        x1, y1, x2, y2 = (side[:, None, None] for side in boxes.unbind(1))
        masks = (rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2)
        labels = torch.randint(1, 5, (cars,), generator=generator)
        numbers = {"seed": 1000 * seed + i, "index": i, "class_id": int(labels[0])}
        targets.append({"boxes": boxes, "labels": labels, "masks": masks.to(torch.uint8)} | numbers)
    return images, targets
