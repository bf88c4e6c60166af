"""A second look at a photo's detections, by a network that no fine-tuning has touched: is it a car, and which type?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

import numpy as np

from carseg_lib.data.boxes import box_iou
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.likeness import ImageNetClassifier, crop_region
from carseg_lib.engine.second_opinion import SecondOpinion

LOOKS = 3  # regions of a photo that are looked at, those of the highest scores
SAME_REGION = 0.5  # IoU from which two detections are of one region


class SecondLook:
    """Looks at the detections of a photo again.

    Args:
        classifier: the untouched network.
        classes: of the object; none: the likeness is 1 throughout, and the detector decides alone.
        opinion: on the type; None: the detector alone names it.
    """

    def __init__(self, classifier: ImageNetClassifier, classes: Sequence[int], opinion: SecondOpinion | None = None):
        self._classifier, self._classes, self._opinion = classifier, list(classes), opinion

    def __call__(
        self, photos: Sequence[tuple[np.ndarray, Sequence[Detection], tuple[int, int]]], limit: int = LOOKS
    ) -> list[list[Detection]]:
        """Look at photos.

        Args:
            photos: of each the image (h, w, 3) uint8, its detections, highest score first, and the width and height in
                pixels that their boxes refer to; the image may be smaller.
            limit: regions of a photo that are looked at, at most.

        Returns:
            For each photo the detections of its first regions, in their order, with likeness and car_score; their type
            and its probabilities are those of both networks.
        """
        regions = [distinct_regions(detections, limit) for _, detections, _ in photos]
        if not self._classes:
            return [[_scored(one, 1.0) for one in found] for found in regions]
        crops = [
            crop_region(image, one.box, size)
            for (image, _, size), found in zip(photos, regions, strict=True)
            for one in found
        ]
        said = self._classifier(crops)[:, self._classes]
        likeness = said.sum(axis=1).clip(0, 1).tolist()
        looked_at: Iterator[Detection] = map(_scored, chain.from_iterable(regions), likeness)
        if self._opinion is not None:
            looked_at = map(self._opinion.on, looked_at, self._opinion(said))
        return [list(islice(looked_at, len(found))) for found in regions]


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
