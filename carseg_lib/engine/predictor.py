"""The trained model of a run on photo files, many at a time.

A detection is a car if its region passes the second look (`carseg_lib.engine.presence`). While the network works on a
batch, threads read the next photos. On a CPU a photo's numbers are the same bits in any batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.parallel import ahead
from carseg_lib.core.run import Run
from carseg_lib.data.cache import cache_side
from carseg_lib.data.dataset import preprocess
from carseg_lib.data.photos import ImageError, read_photo, upright_size
from carseg_lib.engine.device import choose_device
from carseg_lib.engine.inference import Detection, detect, load_trained
from carseg_lib.engine.likeness import ImageNetClassifier
from carseg_lib.engine.presence import Presence
from carseg_lib.engine.second_look import SecondLook

BATCH = 8  # photos that the network sees together
SURE_SCORE = 0.5  # score below which a type is no more than a guess: the others together are as likely


@dataclass(frozen=True)
class Prediction:
    """What was found in a photo.

    Attributes:
        path: its file.
        size: width and height of the photo, upright, pixels.
        image: (h, w, 3) uint8, upright RGB: the photo, shrunk as training has it if it is large.
        detections: best first, one a region, in pixels of the photo, with likeness and car_score.
        cars: those of them that pass as cars; the first is the photo's prediction.
    """

    path: Path
    size: tuple[int, int]
    image: np.ndarray
    detections: tuple[Detection, ...]
    cars: tuple[Detection, ...]

    @property
    def best(self) -> Detection | None:
        """The photo's prediction; None without a car."""
        return self.cars[0] if self.cars else None

    def full_photo(self) -> Image.Image:
        """The photo in full size, upright RGB; it is read again if it is large.

        Raises:
            ImageError: The file can no longer be read.
        """
        if self.image.shape[1::-1] == self.size:
            return Image.fromarray(self.image)
        return read_photo(self.path)


class Predictor:
    """The trained model of a run.

    Attributes:
        body_types: of the study, in order.
        presence: from which score a detection is a car.
        has_masks: whether detections have masks.

    Raises:
        CarsegError: As `load_trained` and `Presence.load`; or the ImageNet weights are not those of the evaluation.
    """

    def __init__(self, run: Run):
        self._model, card = load_trained(run.config, run)
        self._config = run.config
        self.body_types = tuple(card["body_types"])
        self.has_masks = bool(card["with_masks"])
        self.presence = Presence.load(run, card["sha256"])
        classifier = ImageNetClassifier(choose_device(run.config.device))
        if classifier.sha256 != self.presence.weights_sha256:
            raise CarsegError(
                f"{run.presence} was made with other ImageNet weights than those installed; run make evaluate "
                f"RUN={run.name} again"
            )
        self._second_look = SecondLook(classifier, self.presence.classes, self.presence.opinion)

    def __call__(self, path: Path) -> Prediction:
        """Read a photo and predict it.

        Raises:
            ImageError: The file cannot be read as a photo.
        """
        return self._predict([(path, *self._read(path))])[0]

    def predict_many(self, paths: Iterable[Path], pool: Executor) -> Iterator[tuple[Path, Prediction | ImageError]]:
        """Read photos and predict them in batches.

        Args:
            paths: of the photos.
            pool: whose threads read them.

        Yields:
            Each photo in its order, with what was found, or why it cannot be read.
        """
        opened = ahead(self._try_read, paths, pool, 2 * BATCH)
        while some := list(islice(opened, BATCH)):
            readable = [(path, *found) for path, found in some if not isinstance(found, ImageError)]
            predictions = iter(self._predict(readable) if readable else [])
            for path, found in some:
                yield path, found if isinstance(found, ImageError) else next(predictions)

    def is_car(self, detection: Detection) -> bool:
        """Whether a detection that was looked at again passes."""
        return (detection.car_score or 0.0) >= self.presence.threshold

    def _try_read(self, path: Path) -> tuple[Path, tuple[np.ndarray, tuple[int, int]] | ImageError]:
        try:
            return path, self._read(path)
        except ImageError as error:
            return path, error

    def _read(self, path: Path) -> tuple[np.ndarray, tuple[int, int]]:
        """A photo (h, w, 3) uint8 and its full width and height.

        The network sees a large photo as training does: shrunk while it is decoded, which gives other pixels than
        shrinking the full photo would.
        """
        image = np.array(read_photo(path, cache_side(self._config.inputs.size)))
        size = upright_size(path)
        if size is None:
            raise ImageError("unreadable", "its size is not known")
        return image, size

    def _predict(self, photos: Sequence[tuple[Path, np.ndarray, tuple[int, int]]]) -> list[Prediction]:
        images = torch.cat([preprocess(image, self._config.inputs.size) for _, image, _ in photos])
        found = detect(self._model, [(images, [size for _, _, size in photos])], self.body_types, self._config.model)
        predictions = []
        for (path, image, size), of_photo in zip(photos, found, strict=True):
            # photo by photo: the classifier is no faster on more crops, and its sums depend on how many there are
            detections = self._second_look([(image, of_photo, size)], limit=self._config.model.max_detections)[0]
            cars = tuple(filter(self.is_car, detections))
            predictions.append(Prediction(path, size, image, tuple(detections), cars))
        return predictions
