"""A trained model on photos of one's own: a page of all, and files of each.

A photo's prediction is its best detection that passes as a car. A photo without any is answered "no car". A type below
a score of 0.5 is said to be not sure.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent
from carseg_lib.core.parallel import THREADS, ahead, thread_pool
from carseg_lib.core.paths import PACKAGED
from carseg_lib.core.run import Run
from carseg_lib.data.formats.folder_places import is_photo
from carseg_lib.data.photos import PHOTO_SUFFIXES, ImageError
from carseg_lib.engine import distributed
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.packaged import about_packaged
from carseg_lib.engine.predictor import BATCH, SURE_SCORE, Prediction, Predictor
from carseg_lib.engine.shares import ALONE, Shares, Work
from carseg_lib.evaluation.presence import NO_CAR
from carseg_lib.reporting.html import predicted
from carseg_lib.reporting.html.predicted import Predicted, write_predicted, write_thumbnail
from carseg_lib.workflow.prediction_files import DEFAULT, PhotoFiles, PredictionFiles, read_kinds

logger = logging.getLogger(__name__)


MODULE = __spec__.name  # `__name__` is another where torchrun runs this module
_SHARES = ".shares"  # folder of what several processes tell of their photos, beside the files


@dataclass(frozen=True)
class _Photo:
    """What became of a photo: why it cannot be read, or what was written of it, and how the page shows it."""

    error: str = ""
    written: PhotoFiles | None = None
    shown: Predicted | None = None


def predict_path(run: Run, path: Path, folder: Path, save: str = DEFAULT, processes: int = 1) -> list[tuple[Path, str]]:
    """Predict a photo, or each of a folder's, and write what is asked for into `folder`.

    Subfolders are searched too, and kept. Each file is whole or not there; tables of all photos are written at the end.
    Several processes give the same files to the bit. Under torchrun, on one machine or several, this process takes its
    share; the first one writes the tables.

    Args:
        run: trained and evaluated.
        path: of the photo or folder.
        folder: of the files (see `carseg_lib.workflow.prediction_files`).
        save: kinds of files, by `prediction_files.KINDS`.
        processes: that share the photos, on this machine. They read the run from its folder.

    Returns:
        Each photo that can be read, with its predicted class or "no car". The others are logged, and counted. Of
        torchrun's processes, the others than the first return nothing.

    Raises:
        CarsegError: There is no such file or folder, it holds no photo, or none that can be read; or no such kind.
    """
    kinds = read_kinds(save)
    rank, of_torchrun = distributed.rank_and_size()
    photos, others = _photos(path)
    if others and rank == 0:
        named = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items()))
        logger.warning("left out, no photos of a format that is read: %s", named)
    predictor = Predictor(run)
    output = PredictionFiles(folder, path if path.is_dir() else path.parent, kinds, predictor)
    shares = Shares(folder / _SHARES)
    if rank == 0 and not distributed.restarts():
        shares.remove()  # of a call that was killed: photos may have changed since
    if of_torchrun > 1:
        distributed.wait_for_all()
    elif processes > 1:
        call = {"run": run.name, "device": run.config.device, "images": str(path), "folder": str(folder), "save": save}
        distributed.run_module(MODULE, json.dumps(call), processes)
    else:
        shares = ALONE
    if rank:
        shares.take(*_work(output, photos))
        return []
    page, predictions = [], []
    for photo, found in zip(photos, shares.results(*_work(output, photos)), strict=True):
        if not found.written or not found.shown:
            logger.warning("%s: left out (%s)", photo, found.error)
            continue
        output.add(found.written)
        logger.info("%s: %s", photo, found.shown.text)
        page.append(found.shown)
        predictions.append((photo, found.shown.body_type or NO_CAR))
    shares.remove()
    if not predictions:
        raise CarsegError(f"IMAGES={path}: no photo in it can be read")
    left_out = len(photos) - len(predictions)
    output.finish(f"photos predicted by run {run.name}")
    if "page" in kinds:
        about = about_packaged() if run.name == PACKAGED else ""
        write_predicted(folder, run.name, page, predictor.body_types, sure=SURE_SCORE, left_out=left_out, about=about)
    if left_out:
        logger.warning("%d of %d photos could not be read and are left out", left_out, len(photos))
    return predictions


def _work(output: PredictionFiles, photos: Sequence[Path]) -> tuple[str, list[Sequence[Path]], Work[_Photo], Any, str]:
    """What `Shares` needs to predict photos and write the files of each."""

    def work(batches: Sequence[Sequence[Path]]) -> Iterator[_Photo]:
        paths = [path for batch in batches for path in batch]
        # what Pillow remarks on odd metadata is silenced here once: threads cannot do so each for itself
        with thread_pool() as pool:
            warnings.simplefilter("ignore")
            found = output.predictor.predict_many(paths, pool)
            yield from ahead(partial(_written, output), found, pool, 2 * THREADS)

    batches = [photos[first : first + BATCH] for first in range(0, len(photos), BATCH)]
    # a photo that came into the folder meanwhile would be dealt by some processes and not by others
    name = files.sha256_text(json.dumps([str(photo) for photo in photos]))[:16]
    return name, batches, work, _Photo, "photos predicted"


def _written(output: PredictionFiles, item: tuple[Path, Prediction | ImageError]) -> _Photo:
    """Write the files of a photo."""
    _, found = item
    if isinstance(found, ImageError):
        return _Photo(str(found))
    try:
        written, picture = output.write(found)
    except ImageError as error:
        return _Photo(str(error))
    best, predictor = found.best, output.predictor
    size = (0, 0)
    if "page" in output.kinds and picture:
        size = write_thumbnail(output.folder, written.name, picture)
    shown = Predicted(
        written.name,
        NO_CAR if best is None else predicted.SURE if best.score >= SURE_SCORE else predicted.NOT_SURE,
        best.body_type if best else "",
        _answer(best, found.detections, predictor),
        len({one.box for one in found.cars}),
        size,
    )
    return _Photo("", written, shown)


def _answer(best: Detection | None, detections: Sequence[Detection], predictor: Predictor) -> str:
    """The prediction in words; of a photo without a car, how near it came."""
    if best:
        doubt = "" if best.score >= SURE_SCORE else "not sure: "
        return f"{doubt}{best.body_type}, score {best.score:.2f}"
    if not detections:
        return f"{NO_CAR}: nothing found"
    nearest = max(detections, key=lambda one: one.car_score or 0.0)
    below = predictor.presence.share_below(nearest.car_score or 0.0)
    return (
        f"{NO_CAR}: the nearest to one ({nearest.body_type}, score {nearest.score:.2f}) looks less like a car than "
        f"{percent(1 - below)} of the validation cars"
    )


def _photos(path: Path) -> tuple[list[Path], Counter[str]]:
    """The photo, or the photos of a folder and its subfolders by name; and the number of other files by their suffix.

    Hidden files are left out.
    """
    if not path.exists():
        raise CarsegError(f"IMAGES={path}: there is no such file or folder")
    if not path.is_dir():
        return [path], Counter()
    found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    photos = [p for p in found if is_photo(p)]
    if not photos:
        raise CarsegError(f"IMAGES={path}: this folder holds no photo ({', '.join(PHOTO_SUFFIXES)})")
    return photos, Counter(p.suffix.lower() or "without suffix" for p in set(found).difference(photos))


def _main(argument: str) -> None:
    call = json.loads(argument)
    path, run = Path(call["images"]), Run.open(call["run"], device=call["device"])
    photos = path if path.is_dir() else path.parent
    output = PredictionFiles(Path(call["folder"]), photos, read_kinds(call["save"]), Predictor(run))
    Shares(output.folder / _SHARES).take(*_work(output, _photos(path)[0]))


if __name__ == "__main__":
    sys.exit(distributed.run_main(_main))
