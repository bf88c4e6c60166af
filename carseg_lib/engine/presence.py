"""Is there a car at all: the threshold that keeps a promised share of the validation cars, and what a score means.

The score of a detection is the product of what two networks say of its region: the detector, that it is no background,
and the ImageNet classifier, that it looks like the study's object (`carseg_lib.engine.second_look`). A photo's score is
the largest of its detections'. What a score means is read off validation: `share_below` is the share of the validation
cars that look no more like a car. The threshold is the score that keeps 99% of them, say; it needs no photo without a
car.
(A conformal p-value: Vovk et al. 2005; Bates et al. 2023, doi:10.1214/22-AOS2244.)

The accuracies of the study do not depend on it: they are the detector's alone. What `make predict` answers also heeds
the second opinion on the type (`carseg_lib.engine.second_opinion`), which lies in the same file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import RunPaths
from carseg_lib.engine.second_opinion import SecondOpinion

SCHEMA = 1
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
        opinion: on a car's type; None: the detector alone names it.
    """

    classes: tuple[int, ...]
    names: tuple[str, ...]
    car_scores: np.ndarray
    cars: int
    keep: float
    weights_sha256: str
    model_sha256: str
    opinion: SecondOpinion | None = None

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
            "second_opinion": self.opinion.content() if self.opinion else None,
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
        with files.written_by_carseg(paths.presence, again):
            if content.get("schema") != SCHEMA:
                raise CarsegError(f"{paths.presence} is of another version of carseg; {again}")
            if content["model_sha256"] != model_sha256:
                raise CarsegError(f"{paths.presence} belongs to another model than the run's; {again}")
            classes = content["imagenet_classes"]
            read = cls(
                classes=tuple(map(int, classes)),
                names=tuple(classes.values()),
                car_scores=np.array(content["validation_scores"], float),
                cars=int(content["validation_cars"]),
                keep=float(content["keep"]),
                weights_sha256=content["imagenet_sha256"],
                model_sha256=model_sha256,
                opinion=SecondOpinion.of(said, len(classes)) if (said := content.get("second_opinion")) else None,
            )
            scores = read.car_scores
            if not (0 < read.keep <= 1 and scores.ndim == 1 and len(scores) and np.isfinite(scores).all()):
                raise ValueError("scores are finite, shares from 0 to 1")
        return read


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
