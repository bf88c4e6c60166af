"""The time and the machine that a result was made at and on, and the variables of its process."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

SPIN_COUNT = "GOMP_SPINCOUNT"  # how often a thread of GNU's OpenMP, which torch links on Linux, looks before it sleeps
_ALONE, _BESIDE_OTHERS = 300_000, 1_000  # its default, and what it takes where it has more threads than cores
_LOOK = 0.2  # seconds


def now() -> str:
    """The present time, UTC, to the second: "2024-05-01T12:00:00Z"."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def environment_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables within the block, for this process and its children."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def threads(cores: int) -> int:
    """Threads that torch may take for one operation; where cores are hyper-threads it may take fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # a list is of nested levels
    return int(asked) if asked.isdecimal() and int(asked) else cores


@functools.cache
def thread_waiting() -> dict[str, str]:
    """The variable that says how torch's threads wait for each other, for processes that load torch.

    A thread that waits looks again and again before it sleeps, for some milliseconds. Where other programs work, it
    takes from the thread that it waits for: then it sleeps soon. It is looked once, which takes a moment; the numbers
    are the same bits either way.

    Returns:
        `SPIN_COUNT`, or nothing where the user has set it or OMP_WAIT_POLICY.
    """
    if SPIN_COUNT in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return {}
    cores = psutil.cpu_count() or 1
    busy = cores * psutil.cpu_percent(interval=_LOOK) / 100
    return {SPIN_COUNT: str(_BESIDE_OTHERS if threads(cores) + busy > cores + 0.5 else _ALONE)}


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware() -> dict[str, Any]:
    """Processor, number of cores this process may use, memory in GB (1e9 bytes) and names of the GPUs."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": (command_output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]) or "").splitlines(),
    }


def command_output(command: Sequence[str]) -> str | None:
    """What a program prints; None if it is not there, fails, or takes longer than 10 s."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        brand = command_output(["sysctl", "-n", "machdep.cpu.brand_string"])
        return brand or platform.processor() or platform.machine()
