"""The last lines of a run: what it found."""

from __future__ import annotations

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.workflow.outcome import outcome


def share(value: float, n: int) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.05, "n": n}


def test_a_run_ends_with_its_numbers_beside_the_papers(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    run = Run.create("quick", data="rendered")
    suv = {"precision": share(0.9, 40), "recall": share(0.875, 40), "f1": share(0.887, 40), "support": 44}
    none = {"precision": None, "recall": None, "f1": None, "support": 0}
    test = {"per_type": {"suv": suv, "convertible": none}, "accuracy": share(0.8, 148)}
    test |= {"box_ap": share(0.6, 148), "mask_ap": None}
    files.write_json(run.metrics, {"splits": {"validation": {"accuracy": share(0.85, 722)}, "test": test}})
    assert outcome(run).splitlines() == [
        "body type    test photos  precision  recall      F1",
        "suv                   44      90.0%   87.5%   88.7%",
        "convertible            0          –       –       –",
        "validation accuracy: 85.0% (75.0–90.0%) of 722 photos; the paper: 91.2%",
        "test accuracy: 80.0% (70.0–85.0%) of 148 photos",
        "test box AP 60.0% (50.0–65.0%) of 148 photos",
        f"open: {(tmp_path / 'quick' / 'index.html').resolve().as_uri()}",
    ]
