"""The paper's preprocessing (§III, §V): photo, boxes and masks transformed together.

The paper says, of flipping, "using an interval of [-90, 90]" (§III) and, in another place, "rotating it in a range of
[-90, 90] and flipping it horizontally" (§V). `READINGS` names what that can mean; a profile's `augmentation` picks one.
"""

import copy
import hashlib
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from carseg_lib.backbones import MEAN, STD
from carseg_lib.catalogue import Catalogue
from carseg_lib.masks import decode_mask
from carseg_lib.photos import read_photo
from carseg_lib.study import Study

READINGS = {
    "rotate_and_flip": "every photo is turned by an angle drawn evenly from ±rotation_degrees, and half of them are "
    "flipped (§V taken by its words)",
    "quarter_turns": "the interval's ends are the choices: a photo is turned by -90°, 0° or +90°, and half are flipped",
    "flip_only": "the interval is a slip: photos are flipped, not turned (§III names no rotation)",
    "none": "no random change: resize and normalise only, as for validation and test",
}
LEAST_CAR = 0.6  # a crop that keeps less than this share of the car's pixels is drawn again
CROP_TRIES = 10
LEAST_SIDE = 2.0  # pixels; a box narrower than this after a transform has no regions to learn from


class RandomCarCrop(v2.Transform):
    """Crops to a random part of the photo that still shows its cars.

    Args:
        scale: smallest share of the photo's area that is kept, in (0, 1]; 1 keeps the whole photo.

    The crop's aspect ratio is the photo's within a factor of 0.8 to 1.25. After `CROP_TRIES` draws that keep less than
    `LEAST_CAR` of the largest car, the photo stays whole: a car is never lost to a crop.
    """

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def make_params(self, flat_inputs: list) -> dict:
        """Draws top, left, height and width in pixels from torch's random state."""
        masks = next(x for x in flat_inputs if isinstance(x, tv_tensors.Mask))
        height, width = masks.shape[-2:]
        areas = masks.sum((1, 2))
        car = masks[int(areas.argmax())]
        for _ in range(CROP_TRIES):
            share, stretch, y, x = torch.rand(4).tolist()
            area = self.scale + (1 - self.scale) * share
            aspect = 0.8 * (1.25 / 0.8) ** stretch
            h = min(height, max(1, round(height * (area / aspect) ** 0.5)))
            w = min(width, max(1, round(width * (area * aspect) ** 0.5)))
            top, left = round(y * (height - h)), round(x * (width - w))
            if car[top : top + h, left : left + w].sum() >= LEAST_CAR * areas.max():
                return {"top": top, "left": left, "height": h, "width": w}
        return {"top": 0, "left": 0, "height": height, "width": width}

    def transform(self, inpt: Tensor, params: dict) -> Tensor:
        """Crops one of image, boxes, masks."""
        return self._call_kernel(F.crop, inpt, **params)


def augmentation(study: Study) -> list[tuple[str, v2.Transform]]:
    """The random steps of training, in the paper's order, by name; empty for the reading "none"."""
    if study.augmentation == "none":
        return []
    steps = []
    if study.crop_scale < 1:
        steps.append(("crop", RandomCarCrop(study.crop_scale)))
    steps.append(("resize", v2.Resize(study.image_size, antialias=True)))
    if study.augmentation == "rotate_and_flip":
        steps.append(
            ("rotate", v2.RandomRotation(study.rotation_degrees))
        )  # nearest pixel, torchvision's default
    elif study.augmentation == "quarter_turns":
        quarter = [v2.RandomRotation((angle, angle)) for angle in (-90, 0, 90)]
        steps.append(("rotate", v2.RandomChoice(quarter)))
    steps.append(("flip", v2.RandomHorizontalFlip(study.flip_probability)))
    return steps


def final_steps(study: Study) -> list[tuple[str, v2.Transform]]:
    """The steps every photo ends with: resize, 8-bit values to 0..1, normalise (the one place where that is done)."""
    return [
        ("resize", v2.Resize(study.image_size, antialias=True)),
        ("scale", v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True)),
        ("normalise", v2.Normalize(MEAN, STD)),
    ]


def photo_seed(seed: int, epoch: int, photo_id: str) -> int:
    """A seed for all that is random about one photo in one epoch, independent of batches, workers and processes."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{epoch}/{photo_id}".encode(), digest_size=7).digest())


def tidy_boxes(target: dict, turned: bool) -> dict:
    """Boxes that fit their masks again after a transform, without the cars that left the photo.

    Args:
        target: boxes (N, 4), masks (N, H, W), labels (N,).
        turned: a rotation was applied; boxes then come from the rotated mask: the rotated box would be larger.
    """
    masks, boxes = target["masks"], target["boxes"]
    if turned:
        boxes = boxes_of_masks(masks)
    height, width = masks.shape[-2:]
    limit = torch.tensor([width, height, width, height], dtype=boxes.dtype)
    boxes = torch.minimum(boxes.clamp(min=0), limit)
    keep = ((boxes[:, 2:] - boxes[:, :2]) >= LEAST_SIDE).all(1) & masks.flatten(1).bool().any(1)
    return {"boxes": boxes[keep], "masks": masks[keep], "labels": target["labels"][keep]}


def boxes_of_masks(masks: Tensor) -> Tensor:
    """The extent of each mask to the pixel: (N, H, W) → (N, 4) float, x2 and y2 exclusive; zeros for an empty mask."""
    boxes = torch.zeros(len(masks), 4)
    for i, mask in enumerate(masks):
        ys, xs = torch.where(mask)
        if len(xs):
            boxes[i] = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
    return boxes


class CarPhotos(Dataset):
    """One split of a catalogue as tensors.

    An index is a pair (epoch, i), so that what is random follows from (seed, epoch, photo) and from nothing else.
    (Where some types come more often than others, the pass over a type's photos takes the epoch's place.)

    Args:
        catalogue: with splits assigned.
        split: "train", "validation" or "test".
        study: preprocessing settings, seed, and `photos_per_split`.
        augment: apply the study's random steps.
    """

    def __init__(self, catalogue: Catalogue, split: str, study: Study, augment: bool):
        part = catalogue.split(split)
        photos = part.photos.sort_values("photo_id", kind="stable")
        if study.photos_per_split:
            photos = spread(photos, study.photos_per_split, study.seed)
        self.photos = photos.reset_index(drop=True)
        self.instances = dict(list(part.instances.groupby("photo_id")))
        self.root, self.seed = catalogue.root, study.seed
        self.class_ids = {body_type: i + 1 for i, body_type in enumerate(catalogue.body_types)}
        self.steps = augmentation(study) if augment else []
        self.final = final_steps(study)
        if any(name == "resize" for name, _ in self.steps):
            self.final = [step for step in self.final if step[0] != "resize"]

    def __len__(self) -> int:
        return len(self.photos)

    def truth(self, i: int) -> int:
        """Class id (1..C) of photo i's body type."""
        return self.class_ids[self.photos.body_type[i]]

    def in_order(self) -> list[tuple[int, int]]:
        """The index of every photo, none of them random."""
        return [(0, i) for i in range(len(self))]

    def sample(self, n: int) -> "CarPhotos":
        """The same, restricted to a fixed sample of about n photos, each body type by its share."""
        part = copy.copy(self)
        part.photos = spread(self.photos, n, self.seed).reset_index(drop=True)
        return part

    def raw(self, i: int) -> tuple[tv_tensors.Image, dict]:
        """Photo i as stored: image (3, H, W) uint8 and its target, in the photo's own pixels.

        Cars without a mask get their box, filled, in its place: transforms then treat all alike. No loss sees it.
        """
        row = self.photos.iloc[i]
        image = tv_tensors.Image(
            torch.from_numpy(np.array(read_photo(self.root / row.photo_id))).permute(2, 0, 1)
        )
        size = (row.height, row.width)
        instances = self.instances[row.photo_id]
        boxes = torch.tensor(instances[["x1", "y1", "x2", "y2"]].to_numpy(np.float32))
        masks = [
            decode_mask(instance.mask, *size) if instance.mask else _filled_box(instance, size)
            for instance in instances.itertuples()
        ]
        target = {
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=size),
            "masks": tv_tensors.Mask(torch.from_numpy(np.stack(masks).astype(np.uint8))),
            "labels": torch.tensor([self.class_ids[t] for t in instances.body_type]),
        }
        return image, target

    def stages(self, i: int, epoch: int = 0) -> Iterator[tuple[str, Tensor, dict]]:
        """Photo i after each step: (step, image, target). The last is what the model is given."""
        yield "photo", *self.raw(i)
        turned = False
        for name, image, target in self._transformed(i, epoch):
            turned = turned or name == "rotate"
            yield name, image, tidy_boxes(target, turned)

    def _transformed(self, i: int, epoch: int) -> list[tuple[str, Tensor, dict]]:
        image, target = self.raw(i)
        stages = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(photo_seed(self.seed, epoch, self.photos.photo_id[i]))
            for name, step in [*self.steps, *self.final]:
                image, target = step(image, target)
                stages.append((name, image, target))
        return stages

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, dict]:
        """(epoch, i) → image (3, H, W) float32 normalised, and target: boxes, labels, masks, seed, index i."""
        epoch, i = index
        stages = self._transformed(i, epoch)
        _, image, target = stages[-1]
        target = tidy_boxes(target, turned=any(name == "rotate" for name, _, _ in stages))
        seed = torch.tensor(photo_seed(self.seed, epoch, self.photos.photo_id[i]))
        plain = {
            "boxes": target["boxes"].as_subclass(Tensor).float(),
            "masks": target["masks"].as_subclass(Tensor),
            "labels": target["labels"],
            "seed": seed,
            "index": torch.tensor(i),
        }
        return image.as_subclass(Tensor), plain


def _filled_box(instance: tuple, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[
        round(instance.y1) : max(round(instance.y2), round(instance.y1) + 1),
        round(instance.x1) : max(round(instance.x2), round(instance.x1) + 1),
    ] = True
    return mask


def spread(photos: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """About n rows of a table of photos, the same share of each body type and at least one; drawn by seed."""
    shares = photos.body_type.value_counts() / len(photos)
    parts = [
        group.sample(min(len(group), max(1, round(n * shares[body_type]))), random_state=seed)
        for body_type, group in photos.groupby("body_type", sort=True)
    ]
    return photos.loc[sorted(index for part in parts for index in part.index)]
