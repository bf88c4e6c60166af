"""The device that torch computes on, and its random numbers."""

import os
from typing import TypeVar

import torch
from torch import nn

from carseg_lib.core.errors import CarsegError
from carseg_lib.engine import distributed

Model = TypeVar("Model", bound=nn.Module)
DETERMINISTIC = ("cpu", "cuda")  # kinds of device on which every operation that is used here has such a kernel
# The memory of cuBLAS: with a fixed amount its sums have one order (its manual, "Results reproducibility").
CUBLAS_WORKSPACE = ":4096:8"


def choose_device(device: str) -> torch.device:
    """The torch device of the setting `device` ("auto", "cpu", "cuda" or "mps"); "auto" is cuda where there is one.

    It never is mps: what that computes has to be compared first (`carseg_lib.engine.device_check`). Processes on one
    machine, under torchrun, take its GPUs in turn.

    Raises:
        CarsegError: torch cannot use such a device on this machine.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = "cuda" if available["cuda"] else "cpu"
    if not available[device]:
        raise CarsegError(f"DEVICE={device}: this machine has none that torch can use; take DEVICE=auto or cpu")
    if device == "cuda" and distributed.inside():
        return torch.device(device, distributed.local_rank() % torch.cuda.device_count())
    return torch.device(device)


def seed_everything(seed: int, device: torch.device) -> None:
    """Seeds torch (initial heads) and asks for deterministic kernels, where all that is used here have one."""
    torch.manual_seed(seed)
    set_deterministic(device.type in DETERMINISTIC)


def set_deterministic(wanted: bool) -> None:
    """Whether torch computes the same bits again; on a GPU before its first product, whose library reads it once."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
    torch.use_deterministic_algorithms(wanted)
    # Deterministic mode fills every new tensor with NaN, in case a kernel reads what it has not written: a tenth to a
    # quarter of a step here, and the numbers are the same without.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # is set by a property


def to_device(model: Model, device: torch.device) -> Model:
    """The model on a device, with kernels in the memory format that convolutions are fastest in."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in the stub
