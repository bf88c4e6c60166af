"""What the claims of the paper are judged on: a run, finished runs on other photos, and readings of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.evaluation.claim_table.comparison import mean_over_epochs
from carseg_lib.evaluation.tables import read_table
from carseg_lib.paper import claims

UNTRAINED = "smoke"  # the profile that tests the pipeline: its model is hardly trained
PAPER_PROFILE = "paper"  # the profile with the paper's recipe


@dataclass(frozen=True)
class Evidence:
    """What is known when the claims are judged; only the metrics of the run must be there."""

    metrics: Mapping[str, Any]  # metrics.json of the run
    history: pd.DataFrame | None = None  # history.csv of the run, a row per epoch
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # runs on other data: metrics.json by name
    readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # results.json of readings, by folder
    repeated: tuple[str, ...] = ()  # other runs with the paper's recipe


def main_split(metrics: Mapping[str, Any]) -> str:
    """The split that a run is judged on: test if it was evaluated, else the first one; "" if there is none."""
    splits = list(metrics.get("splits") or {})
    return "test" if "test" in splits else (splits[0] if splits else "")


def other_types(metrics: Mapping[str, Any]) -> list[str]:
    """The body types of a run if they are not the paper's four, else none."""
    split = main_split(metrics)
    types = list(metrics["splits"][split].get("per_type") or {}) if split else []
    return types if types and set(types) != set(claims.TABLE_1.index) else []


def run_on_data(run: str, metrics: Mapping[str, Any]) -> str:
    """A run beside this one, as a reader is told."""
    return f"run {run} on {metrics['data']['name']}"


def epoch_average(name: str, evidence: Evidence) -> tuple[str, dict[str, float | int]] | None:
    """What was measured for one of the paper's two averages over epochs, in words, and the average.

    Training accuracy is that over the augmented batches while the model learns, if history.csv has it, as the paper
    may have counted it; else that of a fixed sample of training photos without augmentation.
    """
    history = evidence.history
    if history is None or history.empty:
        return None
    if name == "average validation accuracy":
        return "mean over epochs, validation", mean_over_epochs(
            history["validation_accuracy"].tolist(), int(history["validation_photos"].iloc[0])
        )
    if "train_running_accuracy" in history:
        photos = sum(((evidence.metrics["data"].get("counts") or {}).get("train") or {}).values())
        running = history["train_running_accuracy"].tolist()
        return (
            (
                "mean over epochs, augmented training batches (of Mask R-CNN: regions with a car)",
                mean_over_epochs(running, photos),
            )
            if photos
            else None
        )
    sample = int(history["train_sample"].iloc[0])
    return (
        "mean over epochs, fixed sample of training photos without augmentation",
        mean_over_epochs(history["train_accuracy"].tolist(), sample),
    )


def load_evidence(run_folder: Path, metrics: Mapping[str, Any]) -> Evidence:
    """What a run's folder and the folders beside it hold on the claims.

    Args:
        run_folder: `reports/<run>`; history.csv may be missing.
        metrics: metrics.json of the run.

    Returns:
        Of the runs beside it one for each other data set: of the same profile and seed, where there is one. Runs of
        the profile smoke and of other types than the paper's four are no evidence.

    Raises:
        CarsegError: A file is broken.
    """
    folder = Path(run_folder)
    history = folder / "history.csv"
    runs = {path.parent: files.read_json(path) for path in sorted(folder.parent.glob("*/metrics.json"))}
    others = {path.name: other for path, other in runs.items() if path != folder and _is_evidence(other)}
    return Evidence(
        metrics,
        read_table(history) if history.is_file() else None,
        _on_other_data(others, metrics),
        _readings(folder.parent),
        tuple(name for name, other in others.items() if other["run"]["profile"] == PAPER_PROFILE),
    )


def _is_evidence(metrics: Mapping[str, Any]) -> bool:
    return bool(main_split(metrics)) and not other_types(metrics) and metrics["run"]["profile"] != UNTRAINED


def _on_other_data(others: Mapping[str, dict[str, Any]], metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """One run for each other data set, the first that is most like this one."""

    def unlike(name: str) -> int:
        return sum(others[name]["run"].get(key) != metrics["run"].get(key) for key in ("profile", "seed"))

    chosen: dict[str, str] = {}  # by data set
    for name in sorted(others, key=unlike):
        chosen.setdefault(others[name]["data"]["name"], name)
    chosen.pop(metrics["data"]["name"], None)
    return {name: others[name] for name in sorted(chosen.values())}


def _readings(reports: Path) -> dict[str, dict[str, Any]]:
    results = {path.parent.name: files.read_json(path) for path in sorted(reports.glob("*/results.json"))}
    return {name: found for name, found in results.items() if isinstance(found, dict) and found.get("readings")}
