"""The device that torch computes on, and its random numbers."""

from typing import TypeVar

import torch
from torch import nn

from carseg_lib.core.errors import CarsegError

Model = TypeVar("Model", bound=nn.Module)


def choose_device(device: str) -> torch.device:
    """The torch device of the setting `device` ("auto", "cpu", "cuda" or "mps"); "auto" takes a GPU where there is one.

    Raises:
        CarsegError: torch cannot use such a device on this machine.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, usable in available.items() if usable)
    if not available[device]:
        raise CarsegError(f"DEVICE={device}: this machine has none that torch can use; take DEVICE=auto or cpu")
    return torch.device(device)


def seed_everything(seed: int, device: torch.device) -> None:
    """Seeds torch (initial heads) and asks for deterministic kernels where all have one: on the CPU."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(device.type == "cpu")
    # Deterministic mode fills every new tensor with NaN, in case a kernel reads what it has not written: a tenth to a
    # quarter of a step here, and the numbers are the same without.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # is set by a property


def to_device(model: Model, device: torch.device) -> Model:
    """The model on a device, with kernels in the memory format that convolutions are fastest in."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stub
