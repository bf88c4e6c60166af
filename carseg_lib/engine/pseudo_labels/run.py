"""Masks for a study's photos by its teacher, in one process or several, on one machine or several (torchrun)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue, table
from carseg_lib.engine import distributed
from carseg_lib.engine.inference import choose_device
from carseg_lib.engine.progress import duration
from carseg_lib.engine.pseudo_labels.annotators import load_annotator
from carseg_lib.engine.pseudo_labels.grabcut import GrabCutAnnotator
from carseg_lib.engine.pseudo_labels.selection import (
    REJECTED_COLUMNS,
    Annotator,
    annotate,
    with_pseudo_masks,
)

NONE, GRABCUT = "none", "grabcut"  # of the setting `teacher`; with none, photos without masks stay so


def pseudo_label(study: Run, say: Callable[[str], None] = print) -> tuple[Catalogue, pd.DataFrame]:
    """Gives the photos of a study's data set the masks, and where there are none the boxes, that its teacher sees.

    Changes nothing if the photos have masks, or if the study wants no teacher. Otherwise the data set of the run's
    folder is replaced. The cars of photos that are left out stand in `rejected_masks.csv` in either case.

    Args:
        study: its `dataset` is there, with splits.
        say: told how far it is.

    Returns:
        The data set as it is then, and the cars left out (`proposed_masks.DOUBTFUL_COLUMNS`).

    Raises:
        BadPhoto: a photo can no longer be read.
        CarsegError: the teacher cannot be had, or nothing is left of a split.
    """
    dataset = Catalogue.load(study.dataset)
    if study.config.pseudo_labels.source == NONE or dataset.has_masks:
        doubtful = table([], REJECTED_COLUMNS)
        files.write_csv(study.rejected_masks, doubtful)
        return dataset, doubtful
    teacher = teacher_of(study)
    if teacher.uses_boxes and (dataset.instances.box_origin == "whole frame").any():
        raise CarsegError(
            f"{study.config.data_as_given}: pseudo_labels.source={study.config.pseudo_labels.source} draws inside "
            "boxes, and these photos have none; "
            "take teacher=shipped"
        )
    if study.config.num_processes > 1:
        distributed.run_module("carseg_lib.engine.pseudo_labels.run", study.name, study.config.num_processes)
    else:
        ask(study, dataset, teacher, say)
    taught, doubtful = with_pseudo_masks(
        dataset, teacher, _folder(study), study.config.pseudo_labels.min_quality
    )
    for split in dataset.photos.split.unique():
        left = set(taught.photos.body_type[taught.photos.split == split])
        if gone := [t for t in dataset.body_types if t not in left]:
            raise CarsegError(
                f"{study.config.data_as_given}: {teacher.name} is sure of no {split} photo of {', '.join(gone)} "
                f"(min_quality={study.config.pseudo_labels.min_quality:g}); lower it, give masks, or set "
                "pseudo_labels.source=none"
            )
    files.write_csv(study.rejected_masks, doubtful)
    taught.save(study.dataset)
    return taught, doubtful


def ask(study: Run, dataset: Catalogue, teacher: Annotator, say: Callable[[str], None] = print) -> None:
    """Has this process's share of the photos looked at, its progress told a dozen times."""
    rank, processes = distributed.place()
    batch = np.arange(len(dataset.photos)) // study.config.train.batch_size
    # whole batches, as one process would see them: what a teacher says is then the same to the last digit
    photos, cars = dataset.photos[batch % processes == rank], dataset.instances
    share = replace(dataset, photos=photos, instances=cars[cars.photo_id.isin(photos.photo_id)])
    started, told = time.monotonic(), 0

    def progress(done: int, all_: int) -> None:
        nonlocal told
        if done == all_ or done >= told + all_ / 12:
            told = done
            left = (time.monotonic() - started) / done * (all_ - done)
            say(f"masks by {teacher.name}: {done:,} of {all_:,} photos, {duration(left)} left")

    annotate(share, teacher, _folder(study), study.config.train.batch_size, progress)


def teacher_of(study: Run) -> Annotator:
    """The teacher that a study names.

    Raises:
        CarsegError: it cannot be had.
    """
    if study.config.pseudo_labels.source == GRABCUT:
        return GrabCutAnnotator()
    return load_annotator(study.config.pseudo_labels.source, choose_device(study.config.device))


def _folder(study: Run) -> Path:
    return study.caches / "teacher"


def _main(run: str) -> None:
    study = Run.open(run)
    ask(study, Catalogue.load(study.dataset), teacher_of(study))


if __name__ == "__main__":
    try:
        _main(sys.argv[1])
    except CarsegError as error:
        print(f"carseg: {error}", file=sys.stderr)
        sys.exit(2)
