"""Times of several things side by side: machines are shared, and a minute's noise must meet all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def interleaved(actions: Mapping[str, Callable[[], object]], repeats: int, warmups: int = 1) -> dict[str, list[float]]:
    """Seconds of each action, measured `repeats` times, one of each in turn, after `warmups` calls of each."""
    for _ in range(warmups):
        for action in actions.values():
            action()
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            wait_for_gpu()
            started = time.perf_counter()
            action()
            wait_for_gpu()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def wait_for_gpu() -> None:
    """Kernels that were started are done when this returns."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
