"""A trained model on photos of one's own: an overlay PNG and a JSON for each, and a page of all.

A detection is a car if its region passes the second look (`carseg_lib.engine.presence`); a photo's prediction is the
best detection that does. A photo without any is answered "no car". A type below a score of 0.5 is said to be not sure.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent
from carseg_lib.core.run import Run
from carseg_lib.data.cache import cache_side
from carseg_lib.data.dataset import preprocess
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import PHOTO_SUFFIXES, ImageError, read_photo
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.inference import Detection, detect, load_trained
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.second_look import SecondLook
from carseg_lib.evaluation.presence import NO_CAR
from carseg_lib.reporting.html import predicted
from carseg_lib.reporting.html.predicted import Predicted, write_predicted, write_thumbnail
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots.overlay import overlay

logger = logging.getLogger(__name__)

LARGEST_SIDE = 1600  # pixels of the overlay; the JSON is in pixels of the photo
READABLE_SIDE, MOST_TIMES = 640, 4  # a smaller photo is enlarged, by a whole number, to have room for outline and label
SURE = 0.5  # score below which a type is no more than a guess: the others together are as likely


class Predictor:
    """The trained model of a run, for one photo at a time.

    Attributes:
        body_types: of the study, in order.
        presence: from which score a detection is a car.

    Raises:
        CarsegError: As `load_trained` and `Presence.load`; or the ImageNet weights are not those of the evaluation.
    """

    def __init__(self, run: Run):
        self._model, card = load_trained(run.config, run)
        self._config = run.config
        self.body_types = tuple(card["body_types"])
        self.presence = Presence.load(run, card["sha256"])
        classifier = ImageNetClassifier(choose_device(run.config.device))
        if classifier.sha256 != self.presence.weights_sha256:
            raise CarsegError(
                f"{run.presence} was made with other ImageNet weights than those installed; run make evaluate "
                f"RUN={run.name} again"
            )
        self._second_look = SecondLook(classifier, self.presence.classes)

    def __call__(self, path: Path) -> tuple[Image.Image, list[Detection]]:
        """Read a photo and predict it.

        Returns:
            The photo, upright RGB in full size; and its detections, best first, in its pixels, with likeness and
            car_score.

        Raises:
            ImageError: The file cannot be read as a photo.
        """
        photo = read_photo(path)
        # The network sees a large photo as training does: shrunk while it is decoded, which gives other pixels than
        # shrinking the full photo would.
        side = cache_side(self._config.inputs.size)
        small = photo if max(photo.size) <= side else read_photo(path, side)
        image = np.array(small)
        batch = preprocess(image, self._config.inputs.size), [photo.size]
        found = next(detect(self._model, [batch], self.body_types, self._config.model))
        return photo, self._second_look([(image, found, photo.size)], limit=self._config.model.max_detections)[0]

    def is_car(self, detection: Detection) -> bool:
        """Whether a detection that was looked at again passes."""
        return (detection.car_score or 0.0) >= self.presence.threshold


def predict_path(run: Run, path: Path, folder: Path) -> list[tuple[Path, str]]:
    """Write an overlay (`car.jpg.png`) and a JSON (`car.jpg.json`) into `folder` for a photo, or each of a folder's.

    Subfolders are searched too, and kept. `index.html` in `folder` shows the photos of this call.

    Returns:
        Each photo that can be read, with its predicted class or "no car". The others are logged.

    Raises:
        CarsegError: There is no such file or folder, it holds no photo, or none that can be read.
    """
    photos = _photos(path)
    predictor = Predictor(run)
    root = path if path.is_dir() else path.parent
    predictions, shown = [], []
    for photo in photos:
        try:
            image, detections = predictor(photo)
        except ImageError as error:
            logger.warning("%s: left out (%s)", photo, error)
            continue
        stem = folder / photo.relative_to(root)
        best = next((one for one in detections if predictor.is_car(one)), None)
        picture = _write(photo.name, image, detections, best, stem, predictor)
        answer = _answer(best, detections, predictor)
        logger.info("%s: %s -> %s.png, %s.json", photo, answer, stem.name, stem.name)
        name = photo.relative_to(root).as_posix()
        shown.append(
            Predicted(
                name,
                NO_CAR if best is None else predicted.SURE if best.score >= SURE else predicted.NOT_SURE,
                best.body_type if best else "",
                answer,
                _regions(detections, predictor),
                write_thumbnail(folder, name, picture),
            )
        )
        predictions.append((photo, best.body_type if best else NO_CAR))
    if not predictions:
        raise CarsegError(f"IMAGES={path}: no photo in it can be read")
    left_out = len(photos) - len(predictions)
    write_predicted(folder, run.name, shown, predictor.body_types, sure=SURE, left_out=left_out)
    return predictions


def _regions(detections: Sequence[Detection], predictor: Predictor) -> int:
    """How many boxes pass as cars; several types may claim one."""
    return len({one.box for one in detections if predictor.is_car(one)})


def _answer(best: Detection | None, detections: Sequence[Detection], predictor: Predictor) -> str:
    """The prediction in words; of a photo without a car, how near it came."""
    if best:
        doubt = "" if best.score >= SURE else "not sure: "
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
    """The photo, or the photos of a folder and its subfolders by name; hidden files are left out."""
    if not path.exists():
        raise CarsegError(f"IMAGES={path}: there is no such file or folder")
    if not path.is_dir():
        return [path]
    found = (p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in PHOTO_SUFFIXES)
    photos = sorted(p for p in found if not p.name.startswith("."))
    if not photos:
        raise CarsegError(f"IMAGES={path}: this folder holds no photo ({', '.join(PHOTO_SUFFIXES)})")
    return photos


def _write(
    name: str,
    image: Image.Image,
    detections: Sequence[Detection],
    best: Detection | None,
    stem: Path,
    predictor: Predictor,
) -> Image.Image:
    """Write `<stem>.png` and `<stem>.json` of the photo of this name; its detections are best first, in its pixels.

    Returns:
        The picture of the overlay.
    """
    width, height = image.size
    body_types = predictor.body_types
    times = min(MOST_TIMES, max(1, -(-READABLE_SIDE // max(image.size))))
    picture = image.resize((times * width, times * height))
    if best:
        mask = decode_mask(best.mask, height, width).repeat(times, 0).repeat(times, 1) if best.mask else None
        doubt = "" if best.score >= SURE else "? "
        label, colour = f"{doubt}{best.body_type} {best.score:.2f}", class_color(best.body_type, body_types)
        picture = overlay(picture, [times * edge for edge in best.box], mask, label, colour=colour)
    picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    with files.atomic(stem.parent / f"{stem.name}.png") as temporary:
        picture.save(temporary, format="PNG")
    content = {
        "photo": name,
        "width": width,
        "height": height,
        "predicted": best.body_type if best else None,
        "sure": bool(best and best.score >= SURE),
        "threshold": predictor.presence.threshold,
        "detections": [
            {
                "body_type": one.body_type,
                "score": one.score,
                "likeness": one.likeness,
                "car_score": one.car_score,
                "is_car": predictor.is_car(one),
                "box": list(one.box),
                "mask": {"size": [height, width], "counts": one.mask} if one.mask else None,
            }
            for one in detections
        ],
    }
    files.write_json(stem.parent / f"{stem.name}.json", content)
    return picture
