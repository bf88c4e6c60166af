"""Generalisation: how accuracy grows with the training photos, and what it is on groups that were never seen.

All trials are measured on the same validation photos; the test photos are not used.

- Groups: the groups (car models, scenes) are divided into parts. A training for each part leaves its photos out. Each
  validation photo is then predicted by a network that has not seen its group, and by networks that have; all are
  trained on equally many photos. Beside them stands a training on as many photos of all groups: the usual split.
- Curve: trainings on 1/8, 1/4, 1/2 and all of the training photos, each part of the next, for the recipe's epochs.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.experiments.generalisation.config import GeneralisationPlan, planned_trials
from carseg_lib.experiments.generalisation.results import write_generalisation_results
from carseg_lib.experiments.subsets import eval_images, group_folds, photo_count, trial_dataset
from carseg_lib.experiments.trials import Experiment, Trial, open_experiment, run_trials

logger = logging.getLogger(__name__)

HELD_OUT = "group held out"


@dataclass(frozen=True)
class GroupExperiment(Experiment):
    """An experiment some of whose trials leave the photos of some groups out of training.

    Attributes:
        fold_of: the part (from 0) of each photo's group, by photo_id.
    """

    fold_of: pd.Series = field(default_factory=lambda: pd.Series(dtype="int64"))

    def training_set(self, trial: Trial) -> Catalogue | None:
        """What a trial is trained on; without the groups of the part that it leaves out."""
        fold = trial.metadata["without_fold"]
        if fold is None:
            return super().training_set(trial)
        source = self.catalogue(trial.run.config)
        return trial_dataset(without_fold(source, self.fold_of, fold), trial.photos, trial.seed, trial.watched)


def without_fold(source: Catalogue, fold_of: pd.Series, fold: int) -> Catalogue:
    """The same catalogue without the training photos, of cars or without, of one part of the groups.

    Args:
        source: with splits.
        fold_of: the part of each photo's group, by photo_id.
        fold: the part to leave out.
    """
    photos, background = source.photos, source.background
    cars = photos[(photos.split == "train") & (photos.photo_id.map(fold_of) == fold)]
    held = set(cars.group) - {""}
    carless = background[(background.split == "train") & background.group.isin(held)]
    out = pd.concat([cars[["photo_id", "group"]], carless[["photo_id", "group"]]], ignore_index=True)
    return source.without(out.photo_id, HELD_OUT, "part " + str(fold + 1) + ": " + out.group)


def run_generalisation(plan: GeneralisationPlan) -> Path:
    """Make what is missing of a plan; results.md, returned, is written after each training, the figures at the end.

    Raises:
        CarsegError: too few photos or groups, no groups and no shares, or another process makes this run.
    """
    from carseg_lib.experiments.generalisation.plots import curve_figure, groups_figure  # imports matplotlib
    from carseg_lib.reporting.plots.style import save_figure

    with open_experiment(plan) as opened:
        config = plan.run_of("data").config
        source = opened.catalogue(config)
        given = f"DATA={config.data_as_given}"
        photo_count(source, "validation", plan.validation_photos, "validation_photos", given)
        fold_of, left = pd.Series(dtype="int64"), []
        if plan.folds and source.has_groups:
            fold_of = group_folds(source, plan.folds, opened.seed)
            kept = (without_fold(source, fold_of, fold) for fold in range(plan.folds))
            left = [len(catalogue.split("train").photos) for catalogue in kept]
        elif plan.folds:
            if not plan.shares:
                raise CarsegError(f"{given} knows no groups, so that none can be left out; see docs/your-data.md.")
            logger.info("%s knows no groups: only the learning curve is made", given)
        experiment = GroupExperiment(opened.folder, opened.seed, fold_of=fold_of)
        eval_dataset = eval_images(source, plan.validation_photos, experiment.seed)
        trials = planned_trials(plan, len(source.split("train").photos), left)
        write = functools.partial(write_generalisation_results, plan, experiment, eval_dataset, fold_of)
        run_trials(trials, experiment, eval_dataset, write, plan.jobs, cluster=plan.cluster)
        results = files.read_json(plan.folder / "results.json")
        for name, draw in (("curve", curve_figure), ("unseen", groups_figure)):
            if results[name]:
                save_figure(draw(results), plan.folder / f"{name}.png")
        return plan.folder / "results.md"
