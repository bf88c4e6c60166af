"""A trained model on photos of one's own: a page of all, and files of each.

A photo's prediction is its best detection that passes as a car. A photo without any is answered "no car". A type below
a score of 0.5 is said to be not sure.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent
from carseg_lib.core.parallel import THREADS, ahead, thread_pool
from carseg_lib.core.run import Run
from carseg_lib.data.formats.folder_places import is_photo
from carseg_lib.data.photos import PHOTO_SUFFIXES, ImageError
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.predictor import SURE_SCORE, Prediction, Predictor
from carseg_lib.evaluation.presence import NO_CAR
from carseg_lib.reporting.html import predicted
from carseg_lib.reporting.html.predicted import Predicted, write_predicted, write_thumbnail
from carseg_lib.workflow.prediction_files import DEFAULT, PhotoFiles, PredictionFiles, read_kinds

logger = logging.getLogger(__name__)


def predict_path(run: Run, path: Path, folder: Path, save: str = DEFAULT) -> list[tuple[Path, str]]:
    """Predict a photo, or each of a folder's, and write what is asked for into `folder`.

    Subfolders are searched too, and kept. Each file is whole or not there; tables of all photos are written at the end.

    Args:
        run: trained and evaluated.
        path: of the photo or folder.
        folder: of the files (see `carseg_lib.workflow.prediction_files`).
        save: kinds of files, by `prediction_files.KINDS`.

    Returns:
        Each photo that can be read, with its predicted class or "no car". The others are logged, and counted.

    Raises:
        CarsegError: There is no such file or folder, it holds no photo, or none that can be read; or no such kind.
    """
    kinds = read_kinds(save)
    photos = _photos(path)
    predictor = Predictor(run)
    output = PredictionFiles(folder, path if path.is_dir() else path.parent, kinds, predictor)
    page, predictions = [], []
    # what Pillow remarks on odd metadata is silenced here once: threads cannot do so each for itself
    with thread_pool() as pool:
        warnings.simplefilter("ignore")
        written = partial(_written, output)
        for photo, found, shown in ahead(written, predictor.predict_many(photos, pool), pool, 2 * THREADS):
            if isinstance(found, ImageError):
                logger.warning("%s: left out (%s)", photo, found)
                continue
            output.add(found)
            assert shown
            logger.info("%s: %s", photo, shown.text)
            page.append(shown)
            predictions.append((photo, shown.body_type or NO_CAR))
    if not predictions:
        raise CarsegError(f"IMAGES={path}: no photo in it can be read")
    left_out = len(photos) - len(predictions)
    output.finish(f"photos predicted by run {run.name}")
    if "page" in kinds:
        write_predicted(folder, run.name, page, predictor.body_types, sure=SURE_SCORE, left_out=left_out)
    if left_out:
        logger.warning("%d of %d photos could not be read and are left out", left_out, len(photos))
    return predictions


def _written(
    output: PredictionFiles, item: tuple[Path, Prediction | ImageError]
) -> tuple[Path, PhotoFiles | ImageError, Predicted | None]:
    """Write the files of a photo: what was written, or why it cannot be read, and the photo as the page shows it."""
    path, found = item
    if isinstance(found, ImageError):
        return path, found, None
    try:
        written = output.write(found)
    except ImageError as error:
        return path, error, None
    best, predictor = found.best, output.predictor
    size = (0, 0)
    if "page" in output.kinds and written.picture:
        size = write_thumbnail(output.folder, written.name, written.picture)
    shown = Predicted(
        written.name,
        NO_CAR if best is None else predicted.SURE if best.score >= SURE_SCORE else predicted.NOT_SURE,
        best.body_type if best else "",
        _answer(best, found.detections, predictor),
        len({one.box for one in found.cars}),
        size,
    )
    return path, replace(written, picture=None), shown


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


def _photos(path: Path) -> list[Path]:
    """The photo, or the photos of a folder and its subfolders by name; hidden files are left out, others counted."""
    if not path.exists():
        raise CarsegError(f"IMAGES={path}: there is no such file or folder")
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    photos = [p for p in found if is_photo(p)]
    if not photos:
        raise CarsegError(f"IMAGES={path}: this folder holds no photo ({', '.join(PHOTO_SUFFIXES)})")
    if other := Counter(p.suffix.lower() or "without suffix" for p in set(found).difference(photos)):
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(other.items()))
        logger.warning("left out, no photos of a format that is read: %s", kinds)
    return photos
