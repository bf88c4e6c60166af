"""Is there a car at all: a score for it, and the threshold that keeps a promised share of the validation cars.

The score of a detection is the product of what two networks say of its region: the detector, that it is no background,
and the ImageNet classifier, that it looks like the study's object (`carseg_lib.engine.likeness`). A photo's score is
the largest of its detections'. What a score means is read off validation: `share_below` is the share of the validation
cars that look no more like a car. The threshold is the score that keeps 99% of them, say; it needs no photo without a
car.
(A conformal p-value: Vovk et al. 2005; Bates et al. 2023, doi:10.1214/22-AOS2244.)

Which type a car is, and so every accuracy of the study, does not depend on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths
from carseg_lib.data.boxes import box_iou
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.likeness import ImageNetClassifier, crop_box

SCHEMA = 1
LOOKS = 3  # regions of a photo that are looked at, those of the highest scores
SAME_REGION = 0.5  # IoU from which two detections are of one region
_KEPT_SCORES = 2000  # of validation cars, in the file


@dataclass(frozen=True)
class Presence:
    """What was learned of the training and the validation cars of a run; `model/presence.json`.

    Attributes:
        classes: ImageNet classes of the object.
        names: their names.
        car_scores: float64, ascending, of the validation cars (their quantiles, where there are many).
        cars: validation cars that they were made from.
        keep: share of the validation cars that the threshold keeps, 0..1.
        weights_sha256: of the ImageNet classifier.
        model_sha256: of the detector.
    """

    classes: tuple[int, ...]
    names: tuple[str, ...]
    car_scores: np.ndarray
    cars: int
    keep: float
    weights_sha256: str
    model_sha256: str

    @cached_property
    def threshold(self) -> float:
        """The score from which a region is a car: the largest that keeps `keep` of the validation cars."""
        return threshold_of(self.car_scores, self.keep)

    def share_below(self, score: float) -> float:
        """The share of the validation cars whose score is not above this one, 0..1."""
        return float(np.searchsorted(self.car_scores, score, side="right") / len(self.car_scores))

    def save(self, path: Path) -> None:
        """Write presence.json."""
        content = {
            "schema": SCHEMA,
            "model_sha256": self.model_sha256,
            "imagenet_sha256": self.weights_sha256,
            "imagenet_classes": dict(zip(map(str, self.classes), self.names, strict=True)),
            "keep": self.keep,
            "threshold": self.threshold,
            "validation_cars": self.cars,
            "validation_scores": self.car_scores.tolist(),
        }
        files.write_json(path, content)

    @classmethod
    def load(cls, paths: RunPaths, model_sha256: str) -> Presence:
        """Read presence.json of a run.

        Args:
            paths: of the run.
            model_sha256: of the detector that it is used with.

        Raises:
            CarsegError: The run has none, or one of another model or version.
        """
        again = f"run make evaluate RUN={paths.name}"
        if not paths.presence.is_file():
            raise CarsegError(
                f"run {paths.name!r} has no threshold yet, below which a photo shows no car; {again} first"
            )
        content = files.read_json(paths.presence)
        if content.get("schema") != SCHEMA:
            raise CarsegError(f"{paths.presence} is of another version of carseg; {again}")
        if content["model_sha256"] != model_sha256:
            raise CarsegError(f"{paths.presence} belongs to another model than the run's; {again}")
        classes = content["imagenet_classes"]
        return cls(
            classes=tuple(map(int, classes)),
            names=tuple(classes.values()),
            car_scores=np.array(content["validation_scores"], float),
            cars=content["validation_cars"],
            keep=content["keep"],
            weights_sha256=content["imagenet_sha256"],
            model_sha256=model_sha256,
        )


def threshold_of(car_scores: np.ndarray, keep: float) -> float:
    """The largest of the cars' scores that a share `keep` of them reaches.

    Args:
        car_scores: float (n,), n at least 1.
        keep: 0..1.
    """
    kept = math.ceil(keep * len(car_scores) - 1e-9)  # cars
    return float(np.sort(car_scores)[len(car_scores) - max(kept, 1)])


def reference_scores(car_scores: np.ndarray) -> np.ndarray:
    """The cars' scores, ascending, thinned to quantiles where they are many (a set of 100,000 photos)."""
    ordered = np.sort(car_scores)
    if len(ordered) > _KEPT_SCORES:
        ordered = np.quantile(ordered, np.linspace(0, 1, _KEPT_SCORES), method="lower")
    return ordered


class SecondLook:
    """Looks at the detections of a photo again.

    Args:
        classifier: the untouched network.
        classes: of the object; none: the likeness is 1 throughout, and the detector decides alone.
    """

    def __init__(self, classifier: ImageNetClassifier, classes: Sequence[int]):
        self._classifier, self._classes = classifier, list(classes)

    def __call__(
        self, photos: Sequence[tuple[np.ndarray, Sequence[Detection], tuple[int, int]]], limit: int = LOOKS
    ) -> list[list[Detection]]:
        """Look at photos.

        Args:
            photos: of each the image (h, w, 3) uint8, its detections, highest score first, and the width and height in
                pixels that their boxes refer to; the image may be smaller.
            limit: regions of a photo that are looked at, at most.

        Returns:
            For each photo the detections of its first regions, in their order, with likeness and car_score.
        """
        regions = [distinct_regions(detections, limit) for _, detections, _ in photos]
        likeness = iter([1.0] * sum(map(len, regions)))
        if self._classes:
            crops = []
            for (image, _, (width, height)), found in zip(photos, regions, strict=True):
                scale = np.array([image.shape[1] / width, image.shape[0] / height] * 2)
                crops += [crop_box(image, np.array(one.box) * scale) for one in found]
            likeness = iter(self._classifier(crops)[:, self._classes].sum(axis=1).clip(0, 1).tolist())
        return [[_scored(one, next(likeness)) for one in found] for found in regions]


def _scored(detection: Detection, likeness: float) -> Detection:
    return replace(detection, likeness=likeness, car_score=object_score(detection) * likeness)


def distinct_regions(detections: Sequence[Detection], limit: int) -> list[Detection]:
    """The first detections that are of different regions: a car may have one for each of its likely types."""
    chosen: list[Detection] = []
    for one in detections:
        if len(chosen) < limit and all(box_iou(one.box, other.box) < SAME_REGION for other in chosen):
            chosen.append(one)
    return chosen


def object_score(detection: Detection) -> float:
    """The detector's probability that a detection is no background: that of all types, or its score alone."""
    return min(float(sum(detection.probabilities)), 1.0) if detection.probabilities else detection.score


def photo_score(regions: Sequence[Detection]) -> float:
    """A photo's score: the largest of its regions', which were looked at; 0 without any."""
    return max((one.car_score or 0.0 for one in regions), default=0.0)
