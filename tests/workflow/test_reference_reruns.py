"""A healthy rerun passes the check and a worse one does not: docs/results/simulate_reruns.py with small numbers."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest

from carseg_lib.core.paths import project_folder


def _load() -> ModuleType:
    path = project_folder() / "docs" / "results" / "simulate_reruns.py"
    spec = importlib.util.spec_from_file_location("docs_simulate_reruns", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for it
    spec.loader.exec_module(module)
    return module


simulation = _load()


def test_the_photos_have_the_stated_errors_and_disagreement():
    rng = np.random.default_rng(0)
    split = simulation.draw_split(40_000, simulation.Setting(errors=0.07, disagreement=0.08), rng)
    one, two = (simulation.draw_run(split, np.zeros(3), 0.0, rng)[0] != split.types for _ in range(2))
    assert one.mean() == pytest.approx(0.07, abs=0.005) and two.mean() == pytest.approx(0.07, abs=0.005)
    assert (one != two).mean() == pytest.approx(0.08, abs=0.006)
    worse = simulation.draw_run(split, np.zeros(3), 0.03, rng)[0] != split.types
    assert worse.mean() == pytest.approx(0.10, abs=0.006)
    with pytest.raises(ValueError, match=r"disagreement must be between 0 and 0\.130"):
        simulation.draw_split(10, simulation.Setting(errors=0.07, disagreement=0.2), rng)


def test_the_four_numbers_of_a_run():
    types = np.array([0, 0, 1, 1])
    split = simulation.Split(types, np.array([1, 1, 0, 0]), np.zeros(4), np.ones((4, 2)))
    overlap = np.array([[1.0, 0.8], [0.94, 0.8], [1.0, 0.6], [1.0, 0.6]])
    right = simulation.numbers(split, (types, np.ones(4), overlap))
    # 0.94 reaches nine of the ten thresholds: at 0.95 one of two cars of type 0 is found, AP 51/101
    assert right == pytest.approx({"accuracy": 1, "macro_f1": 1, "box_ap": 1 - (1 - 51 / 101) / 20, "mask_iou": 0.7})
    wrong = simulation.numbers(split, (np.array([0, 1, 1, 1]), np.ones(4), np.ones((4, 2))))
    assert wrong["accuracy"] == 0.75
    assert wrong["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)


@pytest.mark.slow
def test_healthy_reruns_pass_and_a_drop_of_three_points_is_caught():
    setting = simulation.Setting()
    studies, drops = 60, (0.0, 0.03, 0.05)
    failed = simulation.failing(setting, drops, studies, seed=1)
    assert failed.shape == (studies, len(drops), simulation.RERUNS)
    healthy, three, five = failed.mean(axis=(0, 2))
    error = failed[:, 0].mean(axis=1).std(ddof=1) / np.sqrt(studies)  # reruns of one reference are not independent
    assert healthy <= 0.05 + 2 * error
    assert three >= 0.6  # 75% of 1,600
    assert five >= 0.95  # 98% of 1,600; 240 reruns here
