"""What the machine can do at most, how much of it a step uses, and where a step's time goes."""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from carseg_lib.experiments.benchmark.timing import interleaved, wait_for_gpu

MATRIX, MATRIX_OF_GPU = 2048, 8192  # rows and columns: a GPU needs larger ones to be busy
CONVOLUTION = (8, 128, 56, 56)  # a batch of maps, 128 channels to 128, kernels of 3 x 3
# Kinds of work by what the names of the operations begin with; the first that fits.
KINDS = {
    "convolutions, backward": ("aten::convolution_backward",),
    "convolutions, forward": (
        "aten::mkldnn_convolution",
        "aten::_convolution",
        "aten::cudnn_convolution",
        "aten::convolution",
        "aten::conv",
        "aten::_slow_conv",
        "aten::thnn_conv",
        "aten::_conv_depthwise",
    ),
    "matrix products": ("aten::mm", "aten::bmm", "aten::addmm", "aten::linear", "aten::matmul", "aten::baddbmm"),
    "optimiser and clipping": ("aten::_fused_adam", "aten::_fused_sgd", "aten::linalg_vector_norm", "aten::_foreach"),
    "activations": ("aten::hardtanh", "aten::threshold", "aten::relu", "aten::clamp"),
    "regions and suppression": ("torchvision::",),
    "copies": ("aten::copy_", "aten::cat", "aten::fill_", "aten::zero_", "aten::clone", "aten::stack"),
}


def peak_gflops(device: torch.device, dtype: torch.dtype, repeats: int = 5) -> dict[str, float]:
    """The best that large products reach: {"matrix", "convolution"} in 10^9 floating-point operations a second."""
    side = MATRIX_OF_GPU if device.type == "cuda" else MATRIX
    a = torch.randn(side, side, device=device, dtype=dtype)
    photos = CONVOLUTION[0] * (side // MATRIX)
    maps = torch.randn(photos, *CONVOLUTION[1:], device=device, dtype=dtype).to(memory_format=torch.channels_last)
    channels = CONVOLUTION[1]
    kernels = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    work = {
        "matrix": (lambda: a @ a, 2 * side**3),
        "convolution": (lambda: F.conv2d(maps, kernels, padding=1), 2 * 9 * channels * maps.numel()),
    }
    with torch.inference_mode():
        seconds = interleaved({name: action for name, (action, _) in work.items()}, repeats, warmups=2)
    return {name: flops / min(seconds[name]) / 1e9 for name, (_, flops) in work.items()}


def count_flops(action: Callable[[], object]) -> dict[str, float]:
    """Floating-point operations of one call: {"all", "convolution"}; a multiply-add counts as two."""
    backward = {torch.ops.aten.convolution_backward: _backward_flops}
    with FlopCounterMode(display=False, custom_mapping=backward) as counter:
        action()
    by_operation = {str(op): float(n) for op, n in counter.get_flop_counts()["Global"].items()}
    return {"all": sum(by_operation.values()), "convolution": sum(n for op, n in by_operation.items() if "conv" in op)}


def _backward_flops(
    grad: torch.Size, x: torch.Size, weight: torch.Size, *arguments: Any, out_shape: Any = None, **_: Any
) -> int:
    """As many as forward for each gradient that is asked for; torch's own count takes no notice of groups."""
    transposed, asked = arguments[4], arguments[7]
    forward = 2 * math.prod(x if transposed else grad) * math.prod(weight[1:])
    return forward * sum(asked[:2])


def where_time_goes(action: Callable[[], object], repeats: int = 3) -> dict[str, float]:
    """Seconds of one call by kind of work (see `KINDS`), on the CPU, or on the GPU where there is one.

    "not in an operation" is the rest of the wall time: Python, and the CPU's waiting for nothing. Each is the median of
    the calls: one that the machine was busy with something else in does not count.
    """
    action()
    calls = [_where_one_goes(action) for _ in range(repeats)]
    kinds = {kind: statistics.median(call.get(kind, 0.0) for call in calls) for kind in set().union(*calls)}
    return dict(sorted(kinds.items(), key=lambda item: -item[1]))


def _where_one_goes(action: Callable[[], object]) -> dict[str, float]:
    on_gpu = torch.cuda.is_available()
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    with profile(activities=activities) as recorded:
        started = time.perf_counter()
        action()
        wait_for_gpu()
        wall = time.perf_counter() - started
    kinds: dict[str, float] = defaultdict(float)
    for event in recorded.key_averages():
        microseconds = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        kinds[kind_of(event.key)] += microseconds / 1e6
    kinds["not in an operation"] = max(wall - sum(kinds.values()), 0.0)
    return kinds


def kind_of(operation: str) -> str:
    """The kind of work an operation is."""
    return next((kind for kind, starts in KINDS.items() if operation.startswith(starts)), "all else")
