"""An annotator's masks of some photos, drawn by a run's processes, for what measures them afterwards by its cache."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine import distributed
from carseg_lib.engine.pseudo_labels.run import annotate_share, cache_folder, make_annotator

MODULE = __spec__.name  # `__name__` is another where torchrun runs this module


def annotate_together(catalogue: Catalogue, source: str, run: Run) -> None:
    """Draw the masks of all photos into the annotator's cache, if the run has several processes; else nothing.

    They draw whole batches, so that what they find is what one process finds, to the bit.

    Args:
        catalogue: The photos.
        source: The annotator, as the setting `pseudo_labels.source`.
        run: Its device, batch size and number of processes; it is saved.

    Raises:
        CarsegError: A process met a user's mistake.
    """
    if run.config.num_processes < 2:
        return
    run.save()
    catalogue.save(_folder(run))
    files.write_json(_folder(run) / "annotator.json", {"source": source})
    distributed.run_module(MODULE, run.name, run.config.num_processes)
    shutil.rmtree(_folder(run))


def _folder(run: Run) -> Path:
    return run.folder / "annotating"


def _main(name: str) -> None:
    run = Run.open(name)
    annotator = make_annotator(files.read_json(_folder(run) / "annotator.json")["source"], run.config.device)
    annotate_share(Catalogue.load(_folder(run)), annotator, cache_folder(run), run.config.train.batch_size)


if __name__ == "__main__":
    sys.exit(distributed.run_main(_main))
