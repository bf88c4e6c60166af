"""A timeline of some steps: the share of the time that the device works, its longest kernels, and its longest gaps."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from carseg_lib.experiments.benchmark.timing import wait_for_gpu

LONGEST = 10  # kernels, and gaps, of a table


@dataclass(frozen=True)
class Span:
    """A kernel at work.

    Attributes:
        name: its own.
        start: microseconds.
        end: microseconds.
    """

    name: str
    start: float
    end: float


def record(step: Callable[[], object], device: torch.device, steps: int, trace: Path | None) -> dict[str, Any]:
    """Profiles steps; on a CPU its operations take the place of kernels.

    Args:
        step: is called once before.
        device: of the work.
        steps: how many.
        trace: file of the timeline, which a browser shows (chrome://tracing, ui.perfetto.dev); None: none.

    Returns:
        What `summary` gives, and "seconds" of all steps.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_gpu else [])
    step()
    wait_for_gpu()
    with profile(activities=activities) as recorded:
        started = time.perf_counter()
        for _ in range(steps):
            step()
        wait_for_gpu()
        seconds = time.perf_counter() - started
    if trace is not None:
        trace.parent.mkdir(parents=True, exist_ok=True)
        recorded.export_chrome_trace(str(trace))
    kind = "CUDA" if on_gpu else "CPU"
    spans = [
        Span(event.name, event.time_range.start, event.time_range.end)
        for event in recorded.events() or ()
        if event.device_type.name == kind and (on_gpu or event.cpu_parent is None)
    ]
    return summary(spans, seconds) | {"seconds": seconds}


def summary(spans: Sequence[Span], seconds: float) -> dict[str, Any]:
    """What spans of work say.

    Args:
        spans: in any order; those of several streams may overlap.
        seconds: of all of it, by the clock.

    Returns:
        busy: the share of the time, 0..1, in which at least one kernel works; kernels: how many; longest_kernels:
        name, calls, milliseconds, share of all kernels' time; longest_gaps: milliseconds, and what came before and
        after.
    """
    spans = sorted(spans, key=lambda span: span.start)
    took: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    gaps, busy, last = [], 0.0, None
    for span in spans:
        took[span.name] += span.end - span.start
        calls[span.name] += 1
        if last is None or span.start > last.end:
            if last is not None:
                gaps.append({"milliseconds": (span.start - last.end) / 1e3, "after": last.name, "before": span.name})
            busy += span.end - span.start
            last = span
        elif span.end > last.end:
            busy += span.end - last.end
            last = span
    every = sum(took.values())
    kernels = [
        {"name": name, "calls": calls[name], "milliseconds": time_ / 1e3, "share": time_ / every}
        for name, time_ in sorted(took.items(), key=lambda item: -item[1])[:LONGEST]
    ]
    return {
        "busy": min(busy / 1e6 / seconds, 1.0),
        "kernels": len(spans),
        "longest_kernels": kernels,
        "longest_gaps": sorted(gaps, key=lambda gap: -gap["milliseconds"])[:LONGEST],
    }
