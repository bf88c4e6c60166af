"""Masks for a study's photos by its teacher, in one process or several, on one machine or several (torchrun)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from carseg_lib import torchrun
from carseg_lib.catalogue import Catalogue
from carseg_lib.errors import CarsegError
from carseg_lib.inference import choose_device
from carseg_lib.progress import duration
from carseg_lib.proposed_masks import ask_teacher, with_proposed_masks
from carseg_lib.study import Study
from carseg_lib.teacher import Teacher, load_teacher

NONE = "none"  # the setting `teacher`: photos without masks stay so


def teach(study: Study, say: Callable[[str], None] = print) -> Catalogue:
    """Gives the photos of a study's data set the masks, and where there are none the boxes, that its teacher sees.

    Does nothing if the photos have masks, or if the study wants no teacher. The data set of the run's folder is
    replaced.

    Args:
        study: its `dataset` is there, with splits.
        say: told how far it is.

    Returns:
        The data set as it is then.

    Raises:
        BadPhoto: a photo can no longer be read.
        CarsegError: the teacher cannot be had, or nothing is left of a split.
    """
    dataset = Catalogue.load(study.dataset)
    if study.teacher == NONE or dataset.has_masks:
        return dataset
    teacher = load_teacher(study.teacher, choose_device(study.device))
    if study.workers > 1:
        torchrun.run_module("carseg_lib.teaching", study.run, study.workers)
    else:
        ask(study, dataset, teacher, say)
    taught = with_proposed_masks(dataset, teacher, _folder(study), study.least_mask_quality)
    for split in dataset.photos.split.unique():
        left = set(taught.photos.body_type[taught.photos.split == split])
        if gone := [t for t in dataset.body_types if t not in left]:
            raise CarsegError(
                f"{study.data_as_given}: {teacher.name} is sure of no {split} photo of {', '.join(gone)} "
                f"(least_mask_quality={study.least_mask_quality:g}); lower it, give masks, or set teacher=none"
            )
    taught.save(study.dataset)
    return taught


def ask(study: Study, dataset: Catalogue, teacher: Teacher, say: Callable[[str], None] = print) -> None:
    """Has this process's share of the photos looked at, its progress told a dozen times."""
    rank, processes = torchrun.place()
    share = dataset.photos.iloc[rank::processes]
    started, told = time.monotonic(), 0

    def progress(done: int, all_: int) -> None:
        nonlocal told
        if done == all_ or done >= told + all_ / 12:
            told = done
            left = (time.monotonic() - started) / done * (all_ - done)
            say(f"masks by {teacher.name}: {done:,} of {all_:,} photos, {duration(left)} left")

    ask_teacher(share, dataset.root, teacher, _folder(study), study.batch_size, progress)


def _folder(study: Study) -> Path:
    return study.caches / "teacher"


def _main(run: str) -> None:
    study = Study.open(run)
    ask(study, Catalogue.load(study.dataset), load_teacher(study.teacher, choose_device(study.device)))


if __name__ == "__main__":
    try:
        _main(sys.argv[1])
    except CarsegError as error:
        print(f"carseg: {error}", file=sys.stderr)
        sys.exit(2)
