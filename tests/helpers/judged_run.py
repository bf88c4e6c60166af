"""Numbers of a run on which claims can be judged by hand, an invented audit, and invented readings of the paper."""

from __future__ import annotations

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from carseg_lib.paper import claims

TYPES = ("suv", "sedan", "convertible", "minivan")


def share(correct: int, n: int) -> dict:
    low, high = proportion_confint(correct, n, method="wilson")
    return {"value": correct / n, "low": float(low), "high": float(high), "n": n}


def score(value: float, half: float, n: int = 400) -> dict:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def make_split(correct: int, n: int) -> dict:
    row = {"precision": share(90, 100), "recall": share(90, 100), "f1": score(0.9, 0.06), "support": n // 4}
    return {
        "accuracy": share(correct, n),
        "macro": {name: score(0.9, 0.02) for name in ("precision", "recall", "f1", "accuracy")},
        "per_type": {name: row | {"accuracy": share(round(0.95 * n), n)} for name in TYPES},
        "mask_iou": score(0.88, 0.02),
    }


def make_metrics() -> dict:
    """Of a run that answers 1,824 of 2,000 validation photos correctly (91.2%) and 140 of 148 test photos (94.6%)."""
    return {
        "run": {
            "name": "quick", "profile": "quick", "seed": 0, "backbone": "efficientnet_lite0", "weights": "imagenet",
            "parameters": 5_137_417, "epochs": 2, "batch_size": 8, "precision": "32-true",
        },
        "data": {
            "name": "rendered", "masks": "given", "boxes": "given",
            "counts": {"train": {"suv": 1000, "sedan": 239}, "validation": {"suv": 2000}, "test": {"suv": 148}},
        },
        "splits": {"validation": make_split(1824, 2000), "test": make_split(140, 148)},
    }  # fmt: skip


def make_history() -> pd.DataFrame:
    """Of two epochs, the second the best."""
    rows = {"epoch": [1, 2], "train_accuracy": [0.80, 1.00], "validation_accuracy": [0.90, 0.94], "best": [False, True]}
    return pd.DataFrame(rows).assign(train_sample=200, validation_photos=722)


def audit(**verdicts: str) -> pd.DataFrame:
    """An audit that finds every figure consistent, except those named ("suv_f1")."""
    rows = [(name, verdicts.get(name.replace(" ", "_"), "consistent"), f"because of {name}") for name in claims.FIGURES]
    return pd.DataFrame(rows, columns=["claim", "verdict", "why"]).assign(scope="one evaluation")


def reading(name: str, last: float, half: float = 0.02, running: float = 0.7, **choices: str) -> dict:
    numbers = {key: score(last, half) for key in ("last", "best", "mean")}
    return {"name": name, "choices": choices, "n": 400, "seeds": 2, "training_running": running} | numbers
