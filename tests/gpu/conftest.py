"""Two devices to compare: the CPU in float32, and a second one: a GPU, or, dry, the CPU in float64.

`make test-gpu DEVICE=cuda` asks for the GPU alone, DEVICE=cpu for the dry run alone. The dry run is not trivial:
float64 takes other kernels and rounds elsewhere, so that the tolerances hold for a reason; it does not show that a
GPU's kernels are right.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from carseg_lib.core.run import Run
from carseg_lib.engine.device import seed_everything
from carseg_lib.models.mask_rcnn import MaskRCNN, build_model
from tests.helpers.small_run import small_run

TOLERANCE = 2e-4  # of the largest number of the same tensor; TF32, which would need 1e-2, is off


@dataclass(frozen=True)
class Second:
    """The second device, and the number format there."""

    device: torch.device
    dtype: torch.dtype

    def put(self, value: Any) -> Any:
        """A module's copy, or numbers of a tensor, dict, list or tuple, there; whole numbers keep their format."""
        if isinstance(value, Tensor):
            return value.detach().to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        if isinstance(value, torch.nn.Module):
            return copy.deepcopy(value).to(self.device, self.dtype)
        if isinstance(value, dict):
            return type(value)((name, self.put(item)) for name, item in value.items())
        return [self.put(item) for item in value]

    def moved(self, value: Any) -> Any:
        """A tensor there, or a data class with tensors, in the format that it has: float32, as after the heads."""
        if isinstance(value, Tensor):
            return value.detach().to(self.device)
        return type(value)(**{n: self.moved(x) if isinstance(x, Tensor) else x for n, x in vars(value).items()})


@pytest.fixture(params=["cpu", "cuda"])
def second(request: pytest.FixtureRequest) -> Iterator[Second]:
    """The second device; without TF32, deterministic, of seed 0."""
    asked = os.environ.get("CARSEG_DEVICE") or "auto"
    if asked not in ("auto", request.param):
        pytest.skip(f"DEVICE={asked} was asked for")
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU that torch can use on this machine")
    device = torch.device(request.param)
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    seed_everything(0, device)
    yield Second(device, torch.float64 if request.param == "cpu" else torch.float32)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, synthetic_cars: Any) -> Run:
    """A saved run of the small configuration."""
    return small_run(monkeypatch, tmp_path, synthetic_cars)


@pytest.fixture
def model(run: Run) -> MaskRCNN:
    """The small network with masks and four types, of seed 0, on the CPU."""
    torch.manual_seed(0)
    return build_model(run.config.model, 5, with_masks=True)


def agrees(found: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Whether two tensors are equal but for rounding."""
    found, expected = found.detach().cpu().double(), expected.detach().double()
    if found.shape != expected.shape:
        return False
    return expected.numel() == 0 or bool(
        (found - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1e-6)
    )
