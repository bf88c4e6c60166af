"""The results of the experiment on generalisation: those of its trials, the curve, and groups seen and not seen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.formatting import DASH, markdown_table, points
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.splits import linked_groups
from carseg_lib.evaluation.bootstrap import Estimate, mean_estimate
from carseg_lib.evaluation.clusters import share_estimate
from carseg_lib.evaluation.paired import per_photo, photo_difference
from carseg_lib.evaluation.tables import read_predictions
from carseg_lib.experiments.generalisation.config import READERS, USUAL, GeneralisationPlan
from carseg_lib.experiments.results import share_text, write_results
from carseg_lib.experiments.trials import Experiment, Trial

ALL = "all"  # the row of all body types


def grouped_share(values: np.ndarray, groups: Sequence[str], *, bootstrap_samples: int, seed: int) -> Estimate:
    """A share of photos that are right; photos of one group are not counted as independent.

    Args:
        values: float array (n,): 0 or 1 of one training, the mean of several.
        groups: of the photos, see `evaluation.bootstrap.group_numbers`.
        bootstrap_samples: draws, where a value is neither 0 nor 1.
        seed: the same seed gives the same interval.
    """
    if np.isin(values, (0, 1)).all():
        return share_estimate(values == 1, groups)
    return mean_estimate(values, bootstrap_samples=bootstrap_samples, seed=seed, groups=groups)


def write_generalisation_results(
    plan: GeneralisationPlan,
    experiment: Experiment,
    eval_dataset: Catalogue,
    fold_of: pd.Series,
    trials: Sequence[Trial],
) -> dict[str, Any]:
    """Write the files of `experiments.results.write_results`, with the curve and the groups in results.json.

    Args:
        plan: of the experiment.
        experiment: its folder.
        eval_dataset: the photos that every trial was measured on.
        fold_of: the part of each photo's group, by photo_id.
        trials: those that are measured so far.

    Returns:
        What results.json holds, also:
        curve: photos (of training), share, trainings, accuracy (an estimate), gain (estimate of the difference to the
            point before; None at the first);
        groups_known: groups of the photos that measured, and photos without any;
        unseen: body_type ("all" first), photos, groups (numbers); estimates: unseen, seen, usual, unseen_less_seen,
            unseen_less_usual, the last three None until they are measured. Empty until every part was left out once.
        Their intervals are over groups, not over trainings; photos of no known group count as a group each.
    """
    described = plan.described(*READERS) | {"shares": [str(share) for share in plan.shares], "data": eval_dataset.name}
    curve_groups = list(dict.fromkeys(trial.group for trial in trials if trial.metadata["question"] == "curve"))
    results = write_results(experiment, eval_dataset, pairwise(curve_groups), described, trials)
    sampling = {"bootstrap_samples": trials[0].run.config.eval.bootstrap_samples, "seed": experiment.seed}
    units = linked_groups(eval_dataset.photos).to_numpy().astype(str)
    known = (eval_dataset.photos.group != "").to_numpy()
    correct: dict[str, np.ndarray] = {}
    for group in dict.fromkeys(trial.group for trial in trials):
        of_group = [trial for trial in trials if trial.group == group]
        tables = [read_predictions(experiment.folder_of(trial) / "predictions.csv") for trial in of_group]
        found = per_photo(tables, "accuracy")
        assert found is not None, "every photo is right or wrong"
        correct[group] = found.mean(axis=0)
    first = {trial.group: trial for trial in reversed(trials)}
    rows = {row["group"]: row for row in results["groups"]}
    curve = []
    for before, group in zip([None, *curve_groups], curve_groups, strict=False):
        curve.append(
            {
                "photos": first[group].photos,
                "share": first[group].metadata["share"],
                "trainings": rows[group]["trainings"],
                "accuracy": grouped_share(correct[group], units, **sampling),
                "gain": before and photo_difference(correct[before], correct[group], groups=units, **sampling),
            }
        )
    folds = {group: trial.metadata["without_fold"] for group, trial in first.items()}
    by_fold = {fold: correct[group] for group, fold in folds.items() if fold is not None}
    results |= {
        "curve": curve,
        "groups_known": {
            "groups": int(eval_dataset.photos.group[known].nunique()),
            "photos_without": int((~known).sum()),
        },
        "unseen": [],
    }
    if by_fold and len(by_fold) == plan.folds:
        fold = eval_dataset.photos.photo_id.map(fold_of).to_numpy()
        results["unseen"] = [
            _unseen_row(body_type, chosen & known, units, fold, by_fold, correct.get(USUAL), sampling)
            for body_type, chosen in _rows_of_types(eval_dataset)
            if (chosen & known).any()
        ]
    files.write_json(experiment.folder / "results.json", results)
    text = (experiment.folder / "results.md").read_text(encoding="utf-8")
    files.write_text(experiment.folder / "results.md", "\n\n".join([*_texts(results), text]))
    return results


def _rows_of_types(eval_dataset: Catalogue) -> list[tuple[str, np.ndarray]]:
    types = eval_dataset.photos.body_type
    every = np.ones(len(types), dtype=bool)
    return [(ALL, every), *((body_type, (types == body_type).to_numpy()) for body_type in eval_dataset.body_types)]


def _unseen_row(
    body_type: str,
    chosen: np.ndarray,
    units: np.ndarray,
    fold: np.ndarray,
    by_fold: dict[int, np.ndarray],
    usual: np.ndarray | None,
    sampling: dict[str, int],
) -> dict[str, Any]:
    """Photos of a body type, predicted by networks that have not seen their groups, and by those that have."""
    correct = np.stack([by_fold[number] for number in sorted(by_fold)])  # (folds, photos)
    own = fold == np.arange(len(correct))[:, None]
    unseen = np.where(own, correct, 0).sum(axis=0)[chosen]
    seen = (np.where(own, 0, correct).sum(axis=0) / (len(correct) - 1))[chosen]
    groups = units[chosen]

    def share(values: np.ndarray) -> Estimate:
        return grouped_share(values, groups, **sampling)

    def less(other: np.ndarray) -> Estimate:
        return photo_difference(other, unseen, groups=groups, **sampling)

    return {
        "body_type": body_type,
        "photos": int(chosen.sum()),
        "groups": len(np.unique(groups)),
        "unseen": share(unseen),
        "seen": share(seen),
        "usual": None if usual is None else share(usual[chosen]),
        "unseen_less_seen": less(seen),
        "unseen_less_usual": None if usual is None else less(usual[chosen]),
    }


def _texts(results: dict[str, Any]) -> list[str]:
    """The two tables to read, and what they show."""
    texts = []
    if rows := results["unseen"]:
        header = ("Cars", "Photos", "Groups", "Never seen", "Seen", "Usual split", "Never seen less seen")
        cells = [
            [
                row["body_type"],
                f"{row['photos']:,}",
                f"{row['groups']:,}",
                *(share_text(row[name]) for name in ("unseen", "seen", "usual")),
                points(row["unseen_less_seen"]),
            ]
            for row in rows
        ]
        texts += [
            "## Groups never seen\n\nAccuracy on validation photos whose group (car model, scene) no training photo "
            "shows, beside networks that were trained on as many photos and have seen it, and beside one that was "
            "trained on as many photos of all groups. Intervals: 95%, over whole groups, not over trainings.",
            markdown_table(header, cells),
        ]
    if rows := results["curve"]:
        columns = ("Training photos", "Accuracy", "Gain, points")
        cells = [
            [f"{row['photos']:,}", share_text(row["accuracy"]), points(row["gain"]) if row["gain"] else DASH]
            for row in rows
        ]
        known = results["groups_known"]["groups"]
        over = "over whole groups" if known else "over photos; no groups are known"
        texts.append(f"## Learning curve\n\nThe recipe's epochs at each point. Intervals: 95%, {over}.")
        texts.append(markdown_table(columns, cells))
    return [*texts, "## All trainings"]
