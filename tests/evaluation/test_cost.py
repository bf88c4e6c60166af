import json

import pandas as pd
import pytest

from carseg_lib.evaluation.cost import run_cost

HISTORY = pd.DataFrame({"seconds": [100.0, 50.0], "photos_per_second": [2.0, 4.0]})
STEPS = [
    {"name": "03_training", "seconds": 1800.0, "peak_memory_mb": 2000.0},
    {"name": "04_evaluation", "seconds": 1800.0, "peak_memory_mb": None},
]


def test_cost_by_hand():
    cost = run_cost({"steps": STEPS, "hardware": {"cores": 2, "gpus": []}}, HISTORY)
    assert cost["seconds"] == 3600 and cost["training_seconds"] == 150 and cost["photos_trained"] == 400
    assert cost["peak_memory_mb"] == 2000 and cost["steps"]["04_evaluation"] == 1800
    # 2 cores of 10 W for an hour
    assert cost["energy"] == pytest.approx({"kwh": 0.02, "low": 0.01, "high": 0.04, "watts": 20.0})
    assert json.dumps(cost)


def test_a_gpu_is_counted_and_memory_may_be_unknown():
    steps = [step | {"peak_memory_mb": None} for step in STEPS]
    cost = run_cost({"steps": steps, "hardware": {"cores": 2, "gpus": ["a card"]}}, HISTORY)
    assert cost["energy"]["kwh"] == pytest.approx(0.32) and cost["peak_memory_mb"] is None
