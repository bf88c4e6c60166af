"""The ablation: variants of a profile, trained alike and compared photo by photo.

Every variant sees the same training photos in as many steps, with the same seeds as the baseline, and is measured on
the same validation photos; the test photos are not used.
"""

from __future__ import annotations

import functools
from dataclasses import asdict
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.formatting import percent
from carseg_lib.experiments.ablation.config import BASELINE, NUMBERS, AblationPlan
from carseg_lib.experiments.results import write_results
from carseg_lib.experiments.subsets import eval_images, photo_count
from carseg_lib.experiments.trials import open_experiment, run_trials


def run_ablation(plan: AblationPlan) -> Path:
    """Make what is missing of a plan; results.md, returned, is written after each training, the figure at the end.

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
        variants = [asdict(variant) for variant in plan.variants]
        described = plan.described(*NUMBERS) | {"photos": photos, "variants": variants}
        pairs = [(BASELINE, variant.name) for variant in plan.variants[1:]]
        write = functools.partial(write_results, experiment, eval_dataset, pairs, described)
        run_trials(plan.trials(photos), experiment, eval_dataset, write, plan.jobs)
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
