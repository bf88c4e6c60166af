"""A run's pseudo-labelling, in one process or several, on one machine or several (torchrun)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import REJECTED_COLUMNS, Catalogue, table
from carseg_lib.engine import distributed
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.pseudo_labels.annotators import load_annotator
from carseg_lib.engine.pseudo_labels.grabcut import GrabCutAnnotator
from carseg_lib.engine.pseudo_labels.selection import Annotator, annotate, with_pseudo_masks, without_masks

MODULE = __spec__.name  # `__name__` is another where torchrun runs this module

NONE, GRABCUT = "none", "grabcut"  # values of `pseudo_labels.source`; with none, photos without masks stay so


def pseudo_label(config: RunConfig, paths: RunPaths) -> tuple[Catalogue, pd.DataFrame]:
    """Gives cars without a mask pseudo-masks, and pseudo-boxes where they have no boxes. Given masks stay.

    Changes nothing if all cars have masks, or if the run names no annotator. Otherwise the data set in the run's
    folder is replaced. The cars of the photos left out are written to `rejected_masks.csv` in either case.

    Args:
        config: of the run. Several processes read it from the run's folder: it must be saved there.
        paths: of the run, whose data set is there, with splits.

    Returns:
        The new data set, and the cars of the photos left out (`catalogue.REJECTED_COLUMNS`).

    Raises:
        ImageError: a photo can no longer be read.
        CarsegError: the annotator cannot be had, or all photos of a class in a split are rejected.
    """
    dataset = Catalogue.load(paths.dataset)
    source, min_quality = config.pseudo_labels.source, config.pseudo_labels.min_quality
    if source == NONE or dataset.has_masks:
        rejected = table([], REJECTED_COLUMNS)
        files.write_csv(paths.rejected_masks, rejected)
        return dataset, rejected
    annotator = make_annotator(source, config.device)
    wanted = without_masks(dataset)
    if annotator.uses_boxes and (wanted.instances.box_origin == "whole frame").any():
        raise CarsegError(
            f"{config.data_as_given}: pseudo_labels.source={source} draws inside boxes, and these photos have none; "
            "take pseudo_labels.source=builtin"
        )
    if config.num_processes > 1:
        distributed.run_module(MODULE, config.name, config.num_processes)
    else:
        annotate_share(wanted, annotator, cache_folder(paths), config.train.batch_size)
    labelled, rejected = with_pseudo_masks(dataset, annotator, cache_folder(paths), min_quality)
    for split in dataset.photos.split.unique():
        left = set(labelled.photos.body_type[labelled.photos.split == split])
        if gone := [body_type for body_type in dataset.body_types if body_type not in left]:
            raise CarsegError(
                f"{config.data_as_given}: every {split} photo of {', '.join(gone)} is rejected: no mask by "
                f"{annotator.name} has the quality pseudo_labels.min_quality={min_quality:g}; lower it, give masks, "
                "or set pseudo_labels.source=none"
            )
    files.write_csv(paths.rejected_masks, rejected)
    labelled.save(paths.dataset)
    return labelled, rejected


def annotate_share(dataset: Catalogue, annotator: Annotator, folder: Path, batch_size: int) -> None:
    """Annotates this process's share of the photos into the cache, in batches; logs its progress a dozen times."""
    names = dataset.photos.photo_id.tolist()
    # whole batches, as one process would see them: the instances are then the same to the last digit
    batches = [names[first : first + batch_size] for first in range(0, len(names), batch_size)]
    mine = [name for batch in distributed.share_of(batches) for name in batch]
    photos, cars = dataset.photos[dataset.photos.photo_id.isin(mine)], dataset.instances
    share = replace(dataset, photos=photos, instances=cars[cars.photo_id.isin(mine)])
    annotate(share, annotator, folder, batch_size, distributed.logged_progress(f"masks by {annotator.name}"))


def make_annotator(source: str, device: str) -> Annotator:
    """The annotator that a run names by the settings `pseudo_labels.source` (but not "none") and `device`.

    Raises:
        CarsegError: it cannot be had.
    """
    return GrabCutAnnotator() if source == GRABCUT else load_annotator(source, choose_device(device))


def cache_folder(paths: RunPaths) -> Path:
    """Where the annotators' instances are cached, for all runs."""
    return paths.caches / "pseudo_labels"


def _main(name: str) -> None:
    run = Run.open(name)
    annotator = make_annotator(run.config.pseudo_labels.source, run.config.device)
    annotate_share(
        without_masks(Catalogue.load(run.dataset)), annotator, cache_folder(run), run.config.train.batch_size
    )


if __name__ == "__main__":
    sys.exit(distributed.run_main(_main))
