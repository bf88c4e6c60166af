"""The ablation: variants of a profile, trained alike and compared photo by photo.

Every variant sees the same training photos in as many epochs, with the same seeds as the baseline, and is measured on
the same validation photos; the test photos are not used. Where the plan names them, each is also measured on cars of
another source and on photos without a car (`experiments.elsewhere`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent
from carseg_lib.data.background import read_background_folder
from carseg_lib.experiments.ablation.config import BASELINE, NUMBERS, AblationPlan
from carseg_lib.experiments.elsewhere import Elsewhere
from carseg_lib.experiments.elsewhere_results import write_elsewhere
from carseg_lib.experiments.results import write_results
from carseg_lib.experiments.subsets import eval_images, photo_count
from carseg_lib.experiments.trials import Experiment, Trial, open_experiment, run_trials

logger = logging.getLogger(__name__)


def run_ablation(plan: AblationPlan) -> Path:
    """Make what is missing of a plan; results.md, returned, is written after each training, the figure at the end.

    So are elsewhere.md and elsewhere.csv, where the plan names other photos.

    Raises:
        CarsegError: too few photos, or another process makes this run.
    """
    from carseg_lib.experiments.plots import effects_figure  # imports matplotlib
    from carseg_lib.reporting.plots.style import save_figure

    with open_experiment(plan) as experiment:
        base = plan.run_of(plan.variants[0], 0).config
        source = experiment.catalogue(base)
        given = f"DATA={base.data_as_given}"
        photos = photo_count(source, "train", plan.photos, "photos", given)
        photo_count(source, "validation", plan.validation_photos, "validation_photos", given)
        eval_dataset = eval_images(source, plan.validation_photos, experiment.seed)
        elsewhere = _elsewhere(plan, experiment, source.body_types)
        variants = [asdict(variant) for variant in plan.variants]
        described = plan.described(*NUMBERS) | {"photos": photos, "variants": variants}
        pairs = [(BASELINE, variant.name) for variant in plan.variants[1:]]

        def write(trials: Sequence[Trial]) -> None:
            write_results(experiment, eval_dataset, pairs, described, trials)
            if elsewhere is not None:
                write_elsewhere(experiment, elsewhere, pairs, trials)

        run_trials(plan.trials(photos), experiment, eval_dataset, write, plan.jobs, elsewhere, cluster=plan.cluster)
        results = files.read_json(plan.folder / "results.json")
        correct = percent(results["groups"][0]["accuracy"]["value"])
        seeds = f"{plan.seeds} {'seed' if plan.seeds == 1 else 'seeds'}"
        note = (
            f"Baseline: {correct} of n = {len(eval_dataset.photos):,} validation photos correct. "
            f"{photos:,} training photos × {plan.epochs} epochs, {seeds}."
        )
        figure = effects_figure(results, "What each change does, beside the baseline", note)
        save_figure(figure, plan.folder / "effects.png")
        return plan.folder / "results.md"


def _elsewhere(plan: AblationPlan, experiment: Experiment, body_types: tuple[str, ...]) -> Elsewhere | None:
    """The other photos that a plan names; None if it names none."""
    if not plan.real and not plan.negatives:
        return None
    other = without_car = None
    if plan.real:
        other = experiment.catalogue(plan.run_elsewhere().config)
        if other.body_types != body_types:
            found = f"{', '.join(other.body_types)}, and DATA {', '.join(body_types)}"
            raise CarsegError(f"REAL={plan.real} has the body types {found}: name the same by CLASSES.")
        if other.split("validation").photos.empty:
            raise CarsegError(f"REAL={plan.real} has no validation photos.")
    if plan.negatives:
        folder = Path(plan.negatives).expanduser().resolve()
        without_car = read_background_folder(folder)
        for reason, n in without_car.excluded_counts().items():
            logger.warning("NEGATIVES=%s: %d left out (%s)", plan.negatives, n, reason)
    return Elsewhere(other, without_car)
