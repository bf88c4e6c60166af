"""Fixtures that several test modules share, and how a run of the tests is made: processes, examples, time limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# One thread a process, in the tests and in the processes that they start: the workers share the cores already. It must
# be said before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

import psutil
import pytest
from hypothesis import settings

from tests.helpers import time_limit
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.smoke_run import SmokeRun, shared_smoke_run

settings.register_profile("fast", max_examples=25, derandomize=True, deadline=None)
settings.register_profile("slow", max_examples=200, deadline=None)
MEMORY_OF_A_WORKER = 2e9  # bytes: torch, a small model, the processes that a test starts
GROUPS = {  # the costly fixtures that tests share; those of one group go to one worker
    "smoke_run": "study",
    "browser": "report",
    "finished_run": "report",
    "trained_folder": "training",
    "made": "experiments",
    "rendered": "rendering",
}


def pytest_configure(config: pytest.Config) -> None:
    """Chooses the number of generated examples: CARSEG_HYPOTHESIS, or what the marks asked for say."""
    asked = os.environ.get("CARSEG_HYPOTHESIS") or ("slow" if config.option.markexpr == "slow" else "fast")
    settings.load_profile(asked)
    config.pluginmanager.register(time_limit.TimeLimit(), "carseg-time-limit")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: a worker a core as far as memory goes; none for one file or test, where their start costs more."""
    named = config.args
    if len(named) == 1 and ("::" in named[0] or Path(named[0]).is_file()):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(psutil.virtual_memory().total // MEMORY_OF_A_WORKER)))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that share a costly fixture go to one worker; `-m slow` repeats the generated tests with more examples."""
    more_examples = config.option.markexpr == "slow"
    for item in items:
        group = next((group for name, group in GROUPS.items() if name in item.fixturenames), None)
        if group and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))
        mark = item.get_closest_marker("xdist_group")
        # The scheduler reads the group from the node's id: xdist 3.8 writes it where pytest 9.2 no longer looks.
        if mark and "PYTEST_XDIST_WORKER" in os.environ and hasattr(item, "_id"):
            item._id = type(item._id).parse(f"{item.nodeid}@{mark.args[0]}")
        if more_examples and getattr(item.obj, "is_hypothesis_test", False):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def synthetic_cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small COCO data set of drawn cars (24 photos, all three splits); read it, never write into it."""
    return make_car_photos(tmp_path_factory.mktemp("cars") / "drawn-cars", per_type=6)


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> SmokeRun:
    """The whole study by the command that make calls, once for all workers; read it, never write into it."""
    return shared_smoke_run(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Headless Chromium."""
    from tests.helpers.browser import chromium  # a machine that only computes has no browser

    with chromium() as opened:
        yield opened
