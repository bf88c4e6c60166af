"""Examples of the preprocessing as pictures: a photo after each step, and in several epochs of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carseg_lib.core.config import InputConfig, validate
from carseg_lib.data.boxes import box_areas
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.transforms import Target

Picture = tuple[np.ndarray, Sequence[float] | None, np.ndarray | None]  # picture, box, mask
Step = tuple[str, np.ndarray, Sequence[float] | None, np.ndarray | None]  # title, picture, box, mask


def example_dataset(dataset: Catalogue, inputs: InputConfig, seed: int, **changes: object) -> CarDataset:
    """The training photos with a run's preprocessing, or a variant of it (`augmentation="..."`)."""
    inputs = validate(InputConfig, inputs.model_dump() | changes, {})
    return CarDataset(dataset, "train", inputs, seed, augment=True)


def median_sample(photos: CarDataset, body_type: str) -> int:
    """Index of the photo of a type whose largest box has the median area."""
    of_type = photos.photos[photos.photos.body_type == body_type]
    areas = of_type.photo_id.map(lambda photo_id: box_areas(photos.instances[photo_id]).max())
    return int(areas.sort_values(kind="stable").index[len(areas) // 2])


def preprocessing_steps(photos: CarDataset, i: int, epoch: int = 1) -> list[Step]:
    """Photo i after each step of the preprocessing; normalised values are scaled and cut to 0..255."""
    has_masks = bool(photos.instances[photos.photos.photo_id[i]]["mask"].ne("").all())
    return [(name, *_picture(image, target, name, has_masks)) for name, image, target in photos.steps(i, epoch)]


def original(photos: CarDataset, i: int) -> Picture:
    """Photo i as stored: picture, box, mask."""
    return preprocessing_steps(photos, i)[0][1:]


def augmented_versions(photos: CarDataset, i: int, n: int = 7) -> list[Picture]:
    """Photo i in n epochs of training: picture, box, mask."""
    return [preprocessing_steps(photos, i, epoch)[-2][1:] for epoch in range(1, n + 1)]


def _picture(image: np.ndarray, target: Target, name: str, has_masks: bool) -> Picture:
    pixels = image
    if name == "normalise":  # around 0: shown with 0 as mid-grey
        pixels = ((pixels / 5 + 0.5).clip(0, 1) * 255).round().astype(np.uint8)
    if not len(target["boxes"]):
        return pixels, None, None
    largest = int(target["masks"].sum((1, 2), dtype=np.int64).argmax())
    box = target["boxes"][largest].tolist()
    if not has_masks:  # the filled box of a car without a mask is not shown
        return pixels, box, None
    return pixels, box, target["masks"][largest].astype(bool)
