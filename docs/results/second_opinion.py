"""What the second opinion on a car's type buys on photos of another source, and costs on the runs' own.

    .venv/bin/python docs/results/second_opinion.py "quick quick-1 quick-2" ~/photographs
    .venv/bin/python docs/results/second_opinion.py "photos photos-1 photos-2" rendered

The runs are of one data set and several seeds. Of each source the validation photos are predicted by each run's model,
and nothing is written. Prints a table, a row a source: the share of the types named right by the detector alone, and
with the opinion at several powers, with the paired differences; then the recall of each type elsewhere, and the mask
IoU. The rule is learned from the run's own training cars; no photo of the other source teaches or chooses anything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from carseg_lib.core.data_spec import resolve_source
from carseg_lib.core.formatting import markdown_table, percent
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.inference import load_trained
from carseg_lib.engine.likeness import ImageNetClassifier, crop_region
from carseg_lib.evaluation.evaluate import prediction_tables
from carseg_lib.evaluation.paired import compare_results, mean_results
from carseg_lib.evaluation.presence_run import learn_classes, learn_types
from carseg_lib.experiments.results import share_text
from carseg_lib.experiments.trial_network import find_in

POWERS = (0.25, 0.5, 1.0, 1.5)
Tables = dict[float, pd.DataFrame]  # predictions of the validation photos of a source, by the opinion's power


def answers(run: Run, sources: Sequence[Catalogue]) -> Iterator[Tables]:
    """The predictions of a run's model for each source's validation photos, without the opinion (0) and with it."""
    model, card = load_trained(run.config, run)
    types, inputs, seed = card["body_types"], run.config.inputs, run.config.seed
    training = CarDataset(Catalogue.load(run.dataset).measured(), "train", inputs, seed)
    classifier = ImageNetClassifier(choose_device(run.config.device))
    classes = learn_classes(classifier, training.sample(run.config.train.train_eval_size))
    opinion = learn_types(classifier, classes, training)
    assert opinion is not None
    for source in sources:
        photos = CarDataset(source.measured(), "validation", inputs, seed)
        found = find_in(model, photos, types, run.config)
        likely = []
        for i, of_photo in enumerate(found):
            size = photos.photos.width[i], photos.photos.height[i]
            crops = [crop_region(photos.load(i)[0], one.box, size) for one in of_photo[:1]]
            likely.append(opinion(classifier(crops)[:, classes]))
        tables: Tables = {0.0: prediction_tables(photos, "validation", found)[0]}
        for power in POWERS:
            both = [
                list(map(replace(opinion, power=power).on, of_photo[:1], said))
                for of_photo, said in zip(found, likely, strict=True)
            ]
            tables[power] = prediction_tables(photos, "validation", both)[0]
        yield tables


def changed(before: Sequence[pd.DataFrame], after: Sequence[pd.DataFrame]) -> str:
    """The paired difference of the accuracies in points, with its interval over photos and seeds."""
    difference = compare_results(before, after)["accuracy"]
    assert difference is not None
    value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def main(runs: Sequence[Run], other: str) -> None:
    """Measure and print."""
    config = runs[0].config
    own = Catalogue.load(runs[0].dataset)
    elsewhere = assign_splits(load_catalogue(locate_photos(resolve_source(other)), config.data.classes), config.seed)
    found: list[list[Tables]] = [[], []]
    for run in runs:
        for place, tables in zip(found, answers(run, (own, elsewhere)), strict=True):
            place.append(tables)
        print(f"{run.name}: done", file=sys.stderr)
    rows = []
    for source, of_runs in zip((own, elsewhere), found, strict=True):
        alone = [tables[0.0] for tables in of_runs]
        row = [source.name, f"{len(alone[0]):,}", accuracy(alone)]
        for power in POWERS:
            both = [tables[power] for tables in of_runs]
            row.append(f"{accuracy(both)}, {changed(alone, both)}")
        rows.append(row)
    heads = ["validation photos of", "n", "detector alone", *(f"opinion to the power {power:g}" for power in POWERS)]
    print(markdown_table(heads, rows))
    recalls = [
        [f"{power:g}", *(recall([tables[power] for tables in found[1]], name) for name in own.body_types)]
        for power in (0.0, *POWERS)
    ]
    print(markdown_table(["power", *own.body_types], recalls))
    iou = mean_results([tables[0.0] for tables in found[1]], bootstrap_samples=1000, seed=0)["mask_iou"]
    seeds = ", ".join(str(run.config.seed) for run in runs)
    print(f"{len(runs)} trainings, seeds {seeds}. Mask IoU of {elsewhere.name}: {iou}.")


def accuracy(tables: Sequence[pd.DataFrame]) -> str:
    """The mean over seeds, with its interval."""
    return share_text(mean_results(tables, bootstrap_samples=100, seed=0)["accuracy"])


def recall(tables: Sequence[pd.DataFrame], name: str) -> str:
    """Of a type, the mean over seeds."""
    return percent(float(np.mean([(t.predicted == name)[t.body_type == name].mean() for t in tables])), 0)


if __name__ == "__main__":
    main([Run.open(name) for name in sys.argv[1].split()], sys.argv[2])
