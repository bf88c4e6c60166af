"""Whether the labels of a whole data set agree with what the annotator sees: those of other photos do not.

A sample of the photos is looked at. Of each, the largest labelled car is compared with the car that the annotator finds
in its place, by mask where one is given, else by box. Most honest labels agree; those that are mirrored, turned, moved
or of other photos do not, and mirrored ones agree as soon as they are mirrored back. The rule, for a sample of
`FEWEST` photos at least:

1. Labels agree too badly where the median of the agreement is below `LEAST`: half of the photos show something else
   than their labels say. An annotator that misses three cars in ten says so of fewer than one honest set in a thousand.
2. Labels are likely mirrored or upside down where, of the photos whose agreement changes by more than `DIFFERENCE` with
   labels changed so, at least `MOST` agree better, and these are `FEWEST` at least. Of honest photos few do.

A warning is all that follows: the annotator may be wrong, and labels may be of objects that it does not know.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core.classes import are_car_types
from carseg_lib.core.config import RunConfig
from carseg_lib.core.paths import RunPaths
from carseg_lib.data.boxes import Box, box_iou, largest_instance
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.engine.pseudo_labels.annotators import BUILTIN
from carseg_lib.engine.pseudo_labels.run import GRABCUT, NONE, cache_folder, make_annotator
from carseg_lib.engine.pseudo_labels.selection import Annotator, CachedInstance, annotate, read_cached

logger = logging.getLogger(__name__)

SAMPLE, FEWEST = 64, 16  # photos
LEAST = 0.5  # of the median
DIFFERENCE, MOST = 0.02, 0.8
_SURE = 0.3  # score of an instance that is compared
_AS_GIVEN = "agreement"
_CHANGES = {  # whether left and right, and top and bottom, are exchanged
    _AS_GIVEN: (False, False),
    "mirrored": (True, False),
    "upside down": (False, True),
    "turned by 180°": (True, True),
}


@dataclass(frozen=True)
class Agreement:
    """How well labels agree with what an annotator sees.

    Attributes:
        scores: A row a photo of the sample, the worst first: photo_id, body_type, `agreement` (IoU with the car that is
            seen, 0..1; 0 where none is), the same for labels that are "mirrored", "upside down" and "turned by 180°",
            and by what is compared: "mask" or "box". Empty where no photo has a given box or mask.
        annotator: Its name.
        known: Whether the annotator knows the objects: cars.
    """

    scores: pd.DataFrame
    annotator: str
    known: bool

    @property
    def warning(self) -> str:
        """What is likely wrong with the labels, by the rule of this module; "" if nothing is."""
        if len(self.scores) < FEWEST or not self.known:
            return ""
        medians = self.scores[list(_CHANGES)].median()
        best = str(medians.idxmax())
        better = self.scores[best] - self.scores[_AS_GIVEN]
        differ, gain = int((better.abs() > DIFFERENCE).sum()), int((better > DIFFERENCE).sum())
        if differ >= FEWEST and gain >= MOST * differ:
            return (
                f"labels are likely {best}: changed so, they agree better with what {self.annotator} sees on {gain} of "
                f"{differ} photos (median IoU {medians[best]:.2f}, as they are {medians[_AS_GIVEN]:.2f}); look at the "
                "worst, and turn the labels or the photos"
            )
        if medians[_AS_GIVEN] < LEAST:
            return (
                f"labels agree badly with what {self.annotator} sees: half of {len(self.scores)} photos by an IoU of "
                f"{medians[_AS_GIVEN]:.2f} or less; look at the worst: they may be of other photos, or of objects that "
                "it does not know"
            )
        return ""

    @property
    def sentence(self) -> str:
        """The result in a line."""
        if self.scores.empty:
            return "no photo has a given box or mask: there is nothing to compare"
        if not self.known:
            return f"the classes are other objects than {self.annotator} knows: labels are not compared"
        if self.warning:
            return f"warning: {self.warning}"
        return (
            f"labels of {len(self.scores)} photos agree with what {self.annotator} sees: median IoU "
            f"{self.scores[_AS_GIVEN].median():.2f}, {(self.scores[_AS_GIVEN] < LEAST).sum()} below {LEAST:g}"
        )


def label_agreement(config: RunConfig, paths: RunPaths) -> Agreement:
    """The agreement of a run's labels, as its data set gives them, with its annotator; logs the result.

    Photos that the annotator has seen already, as all where masks are missing, are not looked at again.

    Raises:
        ImageError: a photo can no longer be read.
        CarsegError: there is no catalogue yet, or the annotator cannot be had.
    """
    source = BUILTIN if config.pseudo_labels.source in (NONE, GRABCUT) else config.pseudo_labels.source
    annotator = make_annotator(source, config.device)
    catalogue = Catalogue.load(paths.catalogue)
    known = are_car_types(catalogue.body_types)
    scores = agreement_scores(catalogue, annotator, cache_folder(paths), config.train.batch_size, config.seed, known)
    found = Agreement(scores, annotator.name, known)
    (logger.warning if found.warning else logger.info)(found.warning or found.sentence)
    return found


def agreement_scores(
    catalogue: Catalogue, annotator: Annotator, folder: Path, batch_size: int, seed: int, known: bool = True
) -> pd.DataFrame:
    """The table `Agreement.scores`.

    Args:
        catalogue: photos with labels; those with a given box or mask are sampled.
        annotator: finds the cars.
        folder: of the annotator's cache.
        batch_size: photos at a time.
        seed: of the sample.
        known: if not, no photo is looked at, and all agreement is NaN.
    """
    cars = catalogue.instances
    given = cars.loc[(cars["mask_origin"] == "given") | (cars["box_origin"] == "given"), "photo_id"]
    photos = catalogue.photos[catalogue.photos["photo_id"].isin(given)]
    chosen = np.random.default_rng(seed).choice(len(photos), size=min(SAMPLE, len(photos)), replace=False)
    photos = photos.iloc[np.sort(chosen)]
    cars = cars[cars["photo_id"].isin(photos["photo_id"])]
    if known:
        annotate(replace(catalogue, photos=photos, instances=cars), annotator, folder, batch_size)
    rows = []
    of_photo = dict(list(cars.groupby("photo_id")))
    for photo in photos.to_dict("records"):
        car = largest_instance(of_photo[photo["photo_id"]])
        size = photo["height"], photo["width"]
        seen = read_cached(folder, annotator, photo["file_sha256"], []) if known else []
        label = decode_mask(car.mask, *size) if car.mask else (car.x1, car.y1, car.x2, car.y2)
        scores = {name: _agreement(label, change, seen, size) for name, change in _CHANGES.items()}
        row = {"photo_id": photo["photo_id"], "body_type": photo["body_type"], "by": "mask" if car.mask else "box"}
        rows.append(row | (scores if known else dict.fromkeys(scores, float("nan"))))
    table = pd.DataFrame(rows, columns=["photo_id", "body_type", "by", *_CHANGES])
    return table.sort_values([_AS_GIVEN, "photo_id"], ignore_index=True)


def _agreement(
    label: np.ndarray | Box, change: tuple[bool, bool], seen: list[CachedInstance], size: tuple[int, int]
) -> float:
    """The best IoU of a label, changed, with what is seen; 0 where nothing is."""
    sure = [one for one in seen if one.score >= _SURE]
    across, down = change
    if isinstance(label, np.ndarray):
        mask = label[:: -1 if down else 1, :: -1 if across else 1]
        return max((mask_iou(mask, decode_mask(one.mask, *size)) for one in sure), default=0.0)
    x1, y1, x2, y2 = label
    if across:
        x1, x2 = size[1] - x2, size[1] - x1
    if down:
        y1, y2 = size[0] - y2, size[0] - y1
    return max((box_iou(one.box, (x1, y1, x2, y2)) for one in sure), default=0.0)
