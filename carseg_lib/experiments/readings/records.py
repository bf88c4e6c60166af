"""Records of finished trainings of readings, and those that come with carseg.

A training of a reading takes up to hours, and what is kept of it is small: its history. `reports/reference/readings/
<data>.json` holds the records that were made before, with their machines and days. A training that is
recorded there, with the same settings, photos and seed, is not made again unless that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import runs_root
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.trainer import unused_settings
from carseg_lib.experiments.trials import Experiment, Trial, read_trial

HISTORY = ("train_loss", "train_running_accuracy", "train_accuracy", "validation_loss", "validation_accuracy")
RECIPE = ("inputs", "model", "train", "seed")  # what a training's numbers follow from, but for the machine
NOT_OF_RECIPE = ("inputs.num_workers", "inputs.cache_gb")  # they change no number


def recipe_digest(trial: Trial, source: Catalogue) -> str:
    """A digest of a training's settings, photos and seed; not of the code and the machine."""
    config = trial.run.config
    left = {*NOT_OF_RECIPE, *unused_settings(config, source)}
    settings = {k: v for k, v in config.select(*RECIPE).items() if k not in left}
    return files.sha256_text(f"{sorted(settings.items())} {source.fingerprint} {trial.photos} {trial.watched}")[:16]


def record_of(trial: Trial, experiment: Experiment, source: Catalogue) -> dict[str, Any]:
    """What is kept of a finished training: reading, seed, digest of its recipe, machine, day and history."""
    folder = experiment.folder_of(trial)
    card, history = read_trial(folder), pd.read_csv(folder / "history.csv")
    return {
        "reading": trial.group,
        "seed": trial.seed,
        "recipe": recipe_digest(trial, source),
        "seconds": card["seconds"],
        "made": card["made"],
        "hardware": card["hardware"],
        "weights": card["weights"],
        "history": {name: [round(float(value), 6) for value in history[name]] for name in HISTORY},
    }


def records_path(data: str) -> Path:
    """The file of the records that come with carseg, for a data set of this name; it may be missing."""
    return runs_root() / "reference" / "readings" / f"{data}.json"


def known_records(trials: Sequence[Trial], source: Catalogue) -> dict[str, dict[str, Any]]:
    """The records that come with carseg of these trainings, by the trial's name.

    Raises:
        CarsegError: the file is no list of records.
    """
    path = records_path(source.name)
    if not path.is_file():
        return {}
    found = files.read_json(path)
    try:
        by_recipe = {record["recipe"]: record for record in found["records"]}
    except (KeyError, TypeError):
        raise CarsegError(f"{path}: not the records of readings; restore it from git") from None
    digests = {trial.name: recipe_digest(trial, source) for trial in trials}
    return {name: by_recipe[digest] for name, digest in digests.items() if digest in by_recipe}


def write_records(results: Mapping[str, Any]) -> Path:
    """Put the records of an experiment among those that come with carseg; an older one of the same recipe goes."""
    path = records_path(results["data"])
    before = files.read_json(path)["records"] if path.is_file() else []
    new = {record["recipe"] for record in results["records"]}
    kept = [record for record in before if record["recipe"] not in new]
    records = sorted([*kept, *results["records"]], key=lambda record: (record["seed"], record["reading"]))
    files.write_json(path, {"schema": 1, "data": results["data"], "records": records})
    return path
