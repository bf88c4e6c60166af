"""Robustness: a model's accuracy on corrupted and on rotated photos, beside the same photos as they are.

The photos are a stratified sample of validation, which is read for choices anyway: test stays unread. Each condition is
applied to the photo at the size of the network's input. A photo without a detection counts as wrong, here as
everywhere, and the share of such photos is given for itself: a model that finds no car fails in another way than one
that confuses two types.

Intervals at 95%: Wilson's for an accuracy and a share; Agresti and Min's for the paired difference of one condition to
the clean photos; the bootstrap over photos for a mean over several conditions of the same photos, and for its
difference. p: McNemar's exact test of a condition against the clean photos (McNemar 1947), and Holm's adjustment over
all conditions of a table (Holm 1979). Where photos form groups, such as photos of one car model, intervals are widened
by the design effect or resample whole groups, and p is that of the widened difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.multitest import multipletests
from torch import Tensor

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.constants import IMAGENET_MEAN, IMAGENET_STD
from carseg_lib.core.paths import RunPaths
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.transforms import Normalize, Resize
from carseg_lib.engine.inference import detect, load_trained
from carseg_lib.evaluation.bootstrap import Estimate, Groups, mean_estimate
from carseg_lib.evaluation.clusters import share_estimate
from carseg_lib.evaluation.corruptions import (
    CORRUPTION_COLUMNS,
    CORRUPTIONS,
    ROTATION_COLUMNS,
    SEVERITIES,
    blacken_corners,
    corrupt,
    rotate,
)
from carseg_lib.evaluation.matched import change_p, matched_difference
from carseg_lib.evaluation.paired import photo_difference
from carseg_lib.models.mask_rcnn import MaskRCNN

SPLIT = "validation"
ANGLES = (-180, -90, -45, -30, -15, 15, 30, 45, 90)  # degrees, counter-clockwise; 180 and -180 are one
CORNERS = (15, 30, 45)  # degrees whose black corners are also laid over photos that are not turned
TURNED, CORNERS_ONLY = "rotated", "corners black, not rotated"

Change = Callable[[np.ndarray, str], np.ndarray]  # (photo (H, W, 3) uint8, photo_id) → the same, changed


@dataclass(frozen=True)
class Robustness:
    """The result.

    Attributes:
        corruptions: a row per corruption and severity, columns as `CORRUPTION_COLUMNS`; shares 0..1.
        rotation: a row per angle, and per angle whose corners alone were laid over the photo; `ROTATION_COLUMNS`.
        summary: for certainty.json: split, photos, the accuracy on clean photos, and means over conditions, each an
            estimate; see `summarize`.
        examples: one photo at each corruption and severity, (H, W, 3) uint8 by (corruption, severity), and the clean
            one by ("clean", 0).
    """

    corruptions: pd.DataFrame
    rotation: pd.DataFrame
    summary: dict[str, Any]
    examples: dict[tuple[str, int], np.ndarray]

    def save(self, folder: Path) -> None:
        """Write corruptions.csv and rotation.csv into a run's folder."""
        files.write_csv(folder / "corruptions.csv", self.corruptions)
        files.write_csv(folder / "rotation.csv", self.rotation)

    def table(self) -> pd.DataFrame:
        """Accuracy by corruption (rows) and severity (columns) with the mean over severities, in percent."""
        wide = self.corruptions.pivot(index="corruption", columns="severity", values="accuracy")
        return (100 * wide.reindex(CORRUPTIONS).assign(mean=wide.mean(axis=1))).round(1)


def measure_robustness(config: RunConfig, paths: RunPaths) -> Robustness:
    """Measure a trained run on corrupted and rotated photos of its validation split.

    Args:
        config: of the run; `eval.robustness_photos` photos are taken, each body type by its share (0: all).
        paths: of the run; its data set and trained model are read.

    Raises:
        CarsegError: The run has no trained model, or the model is not the one that its card describes.
    """
    model, _ = load_trained(config, paths)
    photos = CarDataset(Catalogue.load(paths.dataset), SPLIT, config.inputs, config.seed)
    if config.eval.robustness_photos:
        photos = photos.sample(config.eval.robustness_photos)
    images = [Resize(config.inputs.size).resize_image(photos.load(i)[0]) for i in range(len(photos))]
    predicted = predict_conditions(model, photos, images, conditions(config.seed), config)
    truth = photos.photos.body_type.to_numpy()
    groups = photos.photos["group"].tolist() if photos.photos["group"].any() else None
    corruptions = compare_conditions(
        predicted,
        {
            (name, severity): {"corruption": name, "severity": severity, "level": str(kind.levels[severity - 1])}
            for name, kind in CORRUPTIONS.items()
            for severity in SEVERITIES
        },
        truth,
        groups,
    )
    rotation = compare_conditions(
        predicted,
        {(TURNED, angle): {"photo": TURNED, "angle": angle} for angle in ANGLES}
        | {(CORNERS_ONLY, angle): {"photo": CORNERS_ONLY, "angle": angle} for angle in CORNERS},
        truth,
        groups,
    )
    first = photos.photos.photo_id[0]
    examples = {("clean", 0): images[0]} | {
        (name, severity): corrupt(images[0], name, severity, seed=config.seed, photo_id=first)
        for name in CORRUPTIONS
        for severity in SEVERITIES
    }
    sampling: dict[str, Any] = {"bootstrap_samples": config.eval.bootstrap_samples, "seed": config.seed}
    summary = summarize(predicted, truth, groups, **sampling)
    return Robustness(
        corruptions[list(CORRUPTION_COLUMNS)], rotation[list(ROTATION_COLUMNS)], summary | {"split": SPLIT}, examples
    )


Condition = tuple[str, int]  # (corruption, severity), (TURNED or CORNERS_ONLY, angle) or ("clean", 0)


def conditions(seed: int) -> dict[Condition, Change]:
    """Every condition and what it does to a photo; the first one, ("clean", 0), does nothing."""
    changes: dict[Condition, Change] = {("clean", 0): lambda image, photo_id: image}
    for name in CORRUPTIONS:
        for severity in SEVERITIES:
            changes[name, severity] = partial(_corrupt, name=name, severity=severity, seed=seed)
    changes |= {(TURNED, angle): partial(_turn, by=rotate, angle=angle) for angle in ANGLES}
    return changes | {(CORNERS_ONLY, angle): partial(_turn, by=blacken_corners, angle=angle) for angle in CORNERS}


def _corrupt(image: np.ndarray, photo_id: str, *, name: str, severity: int, seed: int) -> np.ndarray:
    return corrupt(image, name, severity, seed=seed, photo_id=photo_id)


def _turn(image: np.ndarray, photo_id: str, *, by: Callable[[np.ndarray, float], np.ndarray], angle: int) -> np.ndarray:
    return by(image, angle)


def predict_conditions(
    model: MaskRCNN,
    photos: CarDataset,
    images: list[np.ndarray],
    changes: Mapping[Condition, Change],
    config: RunConfig,
) -> dict[Condition, np.ndarray]:
    """The predicted body type of each photo under each condition; "" where no car was found.

    Args:
        model: in evaluation mode.
        photos: whose ids and body types are read.
        images: the same photos at the network's input size, (H, W, 3) uint8.
        changes: by condition.
        config: thresholds and batch size.
    """
    normalize, size = Normalize(IMAGENET_MEAN, IMAGENET_STD), config.train.batch_size
    names = photos.photos.photo_id

    def batches(change: Change) -> Iterator[tuple[Tensor, list[tuple[int, int]]]]:
        for start in range(0, len(images), size):
            changed = [change(images[i], names[i]) for i in range(start, min(start + size, len(images)))]
            batch = np.stack([normalize.normalize_image(np.ascontiguousarray(image)) for image in changed])
            yield torch.from_numpy(batch).permute(0, 3, 1, 2), [image.shape[1::-1] for image in changed]

    found = {}
    for condition, change in changes.items():
        detections = detect(model, batches(change), photos.class_ids, config.model)
        found[condition] = np.array([boxes[0].body_type if boxes else "" for boxes in detections], dtype=object)
    return found


def compare_conditions(
    predicted: Mapping[Condition, np.ndarray],
    rows: Mapping[Condition, Mapping[str, Any]],
    truth: np.ndarray,
    groups: Groups | None = None,
) -> pd.DataFrame:
    """A table with a row per condition: accuracy, paired difference to the clean photos, photos without a car found.

    Args:
        predicted: body types (n,) by condition, "" for no car; ("clean", 0) is among them.
        rows: the conditions of the table, in order, with what each row says of its own.
        truth: the labelled body types (n,).
        groups: of the photos, see `bootstrap.group_numbers`.

    Returns:
        The columns of `rows`, then n; accuracy, difference and no_car_found with _low and _high; p_value, p_holm.
    """
    clean = (predicted["clean", 0] == truth).astype(float)
    table = []
    for condition, head in rows.items():
        correct = (predicted[condition] == truth).astype(float)
        numbers = {
            "accuracy": share_estimate(correct == 1, groups),
            "difference": matched_difference(clean, correct, groups),
            "no_car_found": share_estimate(predicted[condition] == "", groups),
        }
        flat = {
            f"{name}{end}": estimate[key]
            for name, estimate in numbers.items()
            for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        table.append({**head, "n": len(truth), **flat, "p_value": change_p(clean, correct, groups)})
    frame = pd.DataFrame(table)
    return frame.assign(p_holm=multipletests(frame["p_value"], method="holm")[1])


def summarize(
    predicted: Mapping[Condition, np.ndarray],
    truth: np.ndarray,
    groups: Groups | None = None,
    *,
    bootstrap_samples: int,
    seed: int,
) -> dict[str, Any]:
    """Means over conditions of the same photos, each an estimate.

    Args:
        predicted: as for `compare_conditions`, of all `conditions`.
        truth: the labelled body types (n,).
        groups: of the photos, see `bootstrap.group_numbers`.
        bootstrap_samples: draws.
        seed: the same seed gives the same intervals.

    Returns:
        photos; clean (accuracy) and clean_no_car_found; mean_corruption (accuracy over all corruptions and severities)
        and its difference to clean; by corruption: the mean over severities, its difference, and the accuracy at the
        highest severity; rotation: by absolute angle, both directions together.
    """
    sampling: dict[str, Any] = {"bootstrap_samples": bootstrap_samples, "seed": seed, "groups": groups}
    right = {condition: (types == truth).astype(float) for condition, types in predicted.items()}
    clean = right["clean", 0]

    def mean_of(names: list[Condition]) -> dict[str, Estimate]:
        each = np.mean([right[name] for name in names], axis=0)
        return {"accuracy": mean_estimate(each, **sampling), "difference": photo_difference(clean, each, **sampling)}

    of_kind = {name: [(name, severity) for severity in SEVERITIES] for name in CORRUPTIONS}
    return {
        "photos": len(truth),
        "clean": share_estimate(clean == 1, groups),
        "clean_no_car_found": share_estimate(predicted["clean", 0] == "", groups),
        "mean_corruption": mean_of([condition for part in of_kind.values() for condition in part]),
        "corruptions": {
            name: mean_of(part) | {"strongest": share_estimate(right[part[-1]] == 1, groups)}
            for name, part in of_kind.items()
        },
        "rotation": {
            str(size): mean_of([(TURNED, angle) for angle in ANGLES if abs(angle) == size])
            for size in sorted({abs(angle) for angle in ANGLES})
        },
        "corners": {str(angle): mean_of([(CORNERS_ONLY, angle)]) for angle in CORNERS},
    }
