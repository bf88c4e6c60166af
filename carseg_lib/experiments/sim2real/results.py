"""The results of the sim-to-real experiment: those of its trials, its comparisons, and the points of its curve."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.evaluation.paired import MEASURES
from carseg_lib.experiments.results import write_results
from carseg_lib.experiments.sim2real.config import READERS, Sim2RealPlan
from carseg_lib.experiments.trials import Experiment, Trial


def write_sim2real_results(
    plan: Sim2RealPlan, experiment: Experiment, real: Catalogue, eval_dataset: Catalogue, trials: Sequence[Trial]
) -> dict[str, Any]:
    """Write the files of `experiments.results.write_results`, with the curve in results.json.

    Args:
        plan: of the experiment.
        experiment: its folder.
        real: the real photos, with splits.
        eval_dataset: the photos that every trial was measured on.
        trials: those that are measured so far.

    Returns:
        What results.json holds, also:
        curve: start, photos, trainings, accuracy, mask_iou of each point; photos = 0 is the rendered start itself;
        differences: question, from, to, photos beside the estimates.
    """
    described = plan.described("seed", "versions", *READERS) | {
        "seed": experiment.seed,
        "start": Path(plan.start).name,
        "training_photos": len(real.split("train").photos),
    }
    by_group = {trial.group: trial for trial in trials}
    results = write_results(experiment, eval_dataset, _pairs(by_group), described, trials)
    rows = {row["group"]: row for row in results["groups"]}
    results["curve"] = [
        {"start": start, "photos": photos} | {name: rows[group][name] for name in ("trainings", *MEASURES)}
        for group, start, photos in _points(plan, by_group)
    ]
    for pair in results["differences"]:
        before, after = by_group[pair["baseline"]].metadata, by_group[pair["group"]].metadata
        name = "version" if after["question"] == "version" else "start"
        pair |= {"question": after["question"], "from": before[name], "to": after[name]}
        pair["photos"] = by_group[pair["group"]].photos
    files.write_json(experiment.folder / "results.json", results)
    return results


def _pairs(by_group: dict[str, Trial]) -> list[tuple[str, str]]:
    """Each version with the one before, and at each point of the curve the rendered start with the other one."""
    versions = [name for name, trial in by_group.items() if trial.metadata["question"] == "version"]
    starts = [
        (name, f"curve-{trial.photos}-rendered")
        for name, trial in by_group.items()
        if trial.metadata["question"] == "curve" and trial.metadata["start"] != "rendered"
    ]
    return [*pairwise(versions), *starts]


def _points(plan: Sim2RealPlan, by_group: dict[str, Trial]) -> list[tuple[str, str, int]]:
    """The groups of the curve from its left, each with its start and its number of photos."""
    points = []
    for group, trial in by_group.items():
        if trial.metadata["version"] == plan.versions[-1] and not plan.start:
            points.append((group, "rendered", 0))
        elif trial.metadata["question"] == "curve":
            photos = 0 if trial.kind == "evaluate_only" else trial.photos
            points.append((group, trial.metadata["start"], photos))
    return points
