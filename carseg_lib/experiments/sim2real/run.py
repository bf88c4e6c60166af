"""Sim-to-real transfer: what is learned from rendered cars, measured on photos of real ones.

Two questions, both measured on the validation photos of a real data set; its test photos are not used.

- Versions: trained on rendered photos alone, how many real photos are predicted correctly? One training for each
  version of the renderer, each on the same number of photos.
- Curve: from the same n real photos, in the same number of steps, what is learned with the rendered network as the
  initial weights, and what with the profile's weights?
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.experiments.sim2real.config import Sim2RealPlan, planned_trials
from carseg_lib.experiments.sim2real.missing import write_missing
from carseg_lib.experiments.sim2real.results import write_sim2real_results
from carseg_lib.experiments.subsets import eval_images, photo_count
from carseg_lib.experiments.trial_network import initial_model
from carseg_lib.experiments.trials import open_experiment, run_trials


def run_sim2real(plan: Sim2RealPlan) -> Path:
    """Make what is missing of a plan; the tables of results are written after each trial, at the end the page returned.

    Raises:
        CarsegError: too few photos, a real validation photo among the rendered ones, initial weights that do not fit,
            or another process makes this run.
    """
    from carseg_lib.experiments.sim2real.report import write_sim2real_report  # imports matplotlib

    with open_experiment(plan) as experiment:
        catalogues = {version: experiment.catalogue(plan.run_on(version).config) for version in ("", *plan.rendered)}
        trials = planned_trials(plan, catalogues)
        _check_data(plan, catalogues)
        real = catalogues[""]
        if plan.start:
            initial_model(trials[-1].run.config, real.body_types, real.has_masks, full_start=True)
        eval_dataset = eval_images(real, plan.validation_photos, experiment.seed)
        write = functools.partial(write_sim2real_results, plan, experiment, real, eval_dataset)
        run_trials(trials, experiment, eval_dataset, write, plan.jobs, cluster=plan.cluster)
        last = [trial for trial in trials if trial.metadata["question"] == "version"][-1]
        write_missing(experiment, last, real, catalogues[plan.versions[-1]])
        return write_sim2real_report(plan.folder)


def _check_data(plan: Sim2RealPlan, catalogues: Mapping[str, Catalogue]) -> None:
    """Refuse data that would fail, or flatter, before anything is trained."""
    real = catalogues[""]
    given = f"REAL={plan.real}"
    photo_count(real, "validation", plan.validation_photos, "validation_photos", given)
    validation = set(real.split("validation").photos.pixel_sha256)
    for version, data in plan.rendered.items():
        rendered = catalogues[version]
        if both := set(rendered.photos.pixel_sha256) & validation:
            raise CarsegError(f"SYNTHETIC={data}: {len(both)} of its photos are validation photos of {given}.")
        if real.has_masks and not rendered.has_masks:
            raise CarsegError(f"SYNTHETIC={data} has no masks, and {given} has: masks are compared too.")
