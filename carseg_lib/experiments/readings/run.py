"""The readings experiment: every reading is trained alike, and measured on the same validation photos."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import check_run_name, runs_root
from carseg_lib.experiments.readings.config import ReadingsPlan
from carseg_lib.experiments.readings.records import known_records, records_path
from carseg_lib.experiments.readings.results import write_readings
from carseg_lib.experiments.subsets import eval_images, photo_count
from carseg_lib.experiments.trials import open_experiment, run_trials

logger = logging.getLogger(__name__)


def run_readings(plan: ReadingsPlan) -> Path:
    """Make what is missing of a plan; the results are written after each training. Returns their folder.

    Raises:
        CarsegError: too few photos, or another process makes this run.
    """
    with open_experiment(plan) as experiment:
        config = plan.run_of(plan.readings[0], 0).config
        source = experiment.catalogue(config)
        given = f"DATA={config.data_as_given}"
        for split, wanted, setting in (
            ("train", plan.photos, "photos"),
            ("validation", plan.validation_photos, "validation_photos"),
        ):
            photo_count(source, split, wanted, setting, given)
        eval_dataset = eval_images(source, plan.validation_photos, experiment.seed)
        if plan.left:
            logger.info("%d readings of the sample need a GPU and are left out here", len(plan.left))
        trials = plan.trials()
        known = known_records(trials, source) if plan.use_records else {}
        if known:
            logger.info(
                "%d of %d trainings are recorded in %s and not made again; SET=records=no makes them",
                len(known),
                len(trials),
                f"reports/reference/readings/{records_path(source.name).name}",
            )
        missing = [trial for trial in trials if trial.name not in known]
        write = functools.partial(write_readings, plan, experiment, source, eval_dataset, known)
        if known:
            write([])
        run_trials(missing, experiment, eval_dataset, write, plan.jobs, cluster=plan.cluster)
        return plan.folder


def open_results(run_name: str) -> tuple[Path, dict[str, Any]]:
    """The folder of a readings experiment, and its results.json.

    Raises:
        CarsegError: there is none of this name; the message names those that exist.
    """
    folder = runs_root() / check_run_name(run_name)
    path = folder / "results.json"
    results = files.read_json(path) if path.is_file() else {}
    if "readings" not in results:
        known = [found.parent.name for found in runs_root().glob("*/readings.csv")]
        there = f"; there are {', '.join(sorted(known))}" if known else ""
        raise CarsegError(f"There are no readings {run_name!r}: make readings trains them, for hours{there}.")
    return folder, results
