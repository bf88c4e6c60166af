"""How often finished runs find a car in photos that show none: the mean over runs of several seeds.

    .venv/bin/python docs/results/false_alarms.py "quick quick-1 quick-2" ~/other-things ~/more-things

Each folder's photos are looked at by each run's model, as `make evaluate NEGATIVES=folder` does, but nothing is
written into the run. A photo is called a car at the score that keeps 99% of the run's validation cars. Prints a table,
a row a folder, by the detector alone and with the second look; then the share of test cars that the threshold keeps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core.formatting import markdown_table
from carseg_lib.core.run import Run
from carseg_lib.data.background import read_background_folder
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import BackgroundDataset
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.inference import load_trained
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.presence import Presence, threshold_of
from carseg_lib.engine.second_look import SecondLook, object_score, photo_score
from carseg_lib.evaluation.paired import mean_results
from carseg_lib.evaluation.presence import NO_CAR, OWN, PRESENCE
from carseg_lib.evaluation.presence_run import look_again
from carseg_lib.evaluation.tables import read_table
from carseg_lib.experiments.results import share_text
from carseg_lib.experiments.trial_network import find_in

Scores = tuple[np.ndarray, np.ndarray]  # of photos: the detector's alone, and with the second look


def looker(run: Run) -> Callable[[Catalogue], Scores]:
    """A function that gives the scores of photos without a car by a run's model."""
    model, card = load_trained(run.config, run)
    presence = Presence.load(run, card["sha256"])
    second_look = SecondLook(ImageNetClassifier(choose_device(run.config.device)), presence.classes)

    def scores(catalogue: Catalogue) -> Scores:
        photos = BackgroundDataset(catalogue, "test", run.config.inputs, run.config.seed)
        looks = list(look_again(second_look, photos, find_in(model, photos, card["body_types"], run.config)))
        alone = [max((object_score(region) for region in regions), default=0.0) for regions in looks]
        return np.array(alone), np.array([photo_score(regions) for regions in looks])

    return scores


def car_scores(run: Run, split: str) -> Scores:
    """The scores of the cars of a split, as the run's evaluation found them."""
    table = read_table(run.presence_table, PRESENCE)
    cars = table[(table["source"] == OWN) & (table["split"] == split) & (table["body_type"] != NO_CAR)]
    best = cars.groupby("photo_id")[["object_score", "score"]].max().fillna(0.0)
    return best["object_score"].to_numpy(), best["score"].to_numpy()


def share(called: Sequence[np.ndarray]) -> str:
    """The share of photos called a car, of several seeds, with its interval over photos and seeds."""
    tables = [
        pd.DataFrame({"photo_id": range(len(one)), "body_type": "car", "predicted": np.where(one, "car", NO_CAR)})
        for one in called
    ]
    return share_text(
        mean_results([t.assign(mask_iou=np.nan) for t in tables], bootstrap_samples=100, seed=0)["accuracy"]
    )


def main(runs: Sequence[Run], folders: Sequence[Path]) -> None:
    """Measure and print."""
    catalogues = [read_background_folder(folder) for folder in folders]
    found: list[list[Scores]] = [[] for _ in folders]
    for run in runs:
        scores = looker(run)
        for place, catalogue in zip(found, catalogues, strict=True):
            place.append(scores(catalogue))
    keep = [run.config.eval.keep_cars for run in runs]
    validation, test = ([car_scores(run, split) for run in runs] for split in ("validation", "test"))

    def called(of_runs: Sequence[Scores], which: int) -> list[np.ndarray]:
        pairs = zip(of_runs, validation, keep, strict=True)
        return [scores[which] >= threshold_of(cars[which], kept) for scores, cars, kept in pairs]

    rows = [
        [folder.name, f"{len(catalogue.background):,}", *(share(called(of_runs, which)) for which in (0, 1))]
        for folder, catalogue, of_runs in zip(folders, catalogues, found, strict=True)
    ]
    seeds = ", ".join(str(run.config.seed) for run in runs)
    print(markdown_table(["photos without a car", "n", "detector alone", "with the second look"], rows))
    kept = f"{share(called(test, 1))} of {len(test[0][0]):,}"
    print(f"{len(runs)} trainings, seeds {seeds}. Test cars kept with the second look: {kept}.")


if __name__ == "__main__":
    main([Run.open(name) for name in sys.argv[1].split()], [Path(folder).expanduser() for folder in sys.argv[2:]])
