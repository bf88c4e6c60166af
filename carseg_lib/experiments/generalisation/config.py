"""What the experiment on generalisation trains: the plan, checked, and the list of its trials."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.experiments.plan import Plan, experiment_folder, read_settings, whole_number
from carseg_lib.experiments.trials import Trial

# Settings of the configuration that the plan decides, and the setting here that says how.
DECIDED = {
    "train.train_eval_size": "none, it is fixed",
    "inputs.max_images_per_split": "shares and validation_photos",
    "data.split_by": "folds, which keep a group together",
}
USUAL = "usual"  # the group of trials on photos of all groups, as many as a training without a fold has


def _shares(name: str, text: str) -> tuple[Fraction, ...]:
    if text == "none":
        return ()
    found = tuple(Fraction(part) for part in text.split() if re.fullmatch(r"1|1/[1-9]\d{0,2}", part))
    if len(found) != len(text.split()) or sorted(set(found)) != list(found):
        raise CarsegError(f"SET: {name} = {text!r}: write rising shares, as in shares='1/8 1/4 1/2 1', or none.")
    return found


READERS = {"shares": _shares, "folds": whole_number(0), "seeds": whole_number(1), "validation_photos": whole_number(0)}


@dataclass(frozen=True, kw_only=True)
class GeneralisationPlan(Plan):
    """What is trained and measured. SET gives those of `READERS` by name, beside settings of the configuration.

    Attributes:
        data: the photos, as DATA is given.
        shares: of the training photos, one training each; none for no learning curve.
        folds: parts of the groups, each left out of one training; 0 for no such trainings.
        seeds: trainings of each point and fold, each with a subset of its own.
        validation_photos: that every trial is measured on; 0 = all.
    """

    data: str
    shares: tuple[Fraction, ...] = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1))
    folds: int = 2
    seeds: int = 1
    validation_photos: int = 0

    def run_of(self, name: str, seed: int | None = None) -> Run:
        """The run of one training."""
        return self.run(name, self.data, seed=seed)


def create_plan(
    data: str = "", run: str = "", profile: str = "quick", settings: Mapping[str, str] | None = None, **common: Any
) -> GeneralisationPlan:
    """Check everything a user asked for, as far as it can be without opening a photo.

    Args:
        data: photos, as for `Run.create`.
        run: name of the folder under reports/; empty takes "generalisation".
        profile: set of settings.
        settings: those of the plan, by name, and settings of the configuration, as text.
        **common: seed, device, num_processes and classes, as in `Plan`.

    Raises:
        CarsegError: an unknown name, a value out of range, nothing to train, no such data or profile.
    """
    own, overrides = read_settings(settings or {}, READERS, DECIDED)
    if own.get("folds") == 1:
        raise CarsegError("SET: folds = 1 would leave out all groups: 2 or more, or 0 for none.")
    folder = experiment_folder(run, "generalisation")
    plan = GeneralisationPlan(folder=folder, profile=profile, overrides=overrides, data=data, **own, **common)
    if not plan.shares and not plan.folds:
        raise CarsegError("SET: without shares and folds there is nothing to train.")
    plan.run_of("data")
    return plan


def planned_trials(plan: GeneralisationPlan, training_photos: int, left_by_fold: Sequence[int]) -> list[Trial]:
    """The trials in the order in which they are made: by seed, the folds of groups, then the curve from its left.

    Each has the metadata question ("groups" or "curve"), without_fold (of the groups, from 0; None: all groups) and
    share (of the training photos; None: as many as the smallest training without a fold has).

    Args:
        plan: from `create_plan`.
        training_photos: of the data.
        left_by_fold: training photos of the other groups, by fold; none if the data have no groups.
    """
    first = plan.run_of("data").config.seed
    trials: list[Trial] = []

    def add(group: str, seed: int, photos: int, title: str, fold: int | None, share: float | None) -> None:
        question = "groups" if share is None else "curve"
        metadata = {"question": question, "without_fold": fold, "share": share}
        run = plan.run_of(f"{group}-seed{seed}", seed)
        trials.append(Trial(run.name, group, run, photos, title=title, metadata=metadata))

    for seed in range(first, first + plan.seeds):
        if left_by_fold:
            photos = min(left_by_fold)
            for fold in range(len(left_by_fold)):
                title = f"{photos:,} training photos, none of the groups of part {fold + 1} of {len(left_by_fold)}"
                add(f"without_part_{fold + 1}", seed, photos, title, fold, None)
            add(USUAL, seed, photos, f"{photos:,} training photos of all groups", None, None)
        for share in plan.shares:
            photos = round(share * training_photos)
            add(f"share_1_of_{share.denominator}", seed, photos, f"{photos:,} training photos", None, float(share))
    return trials
