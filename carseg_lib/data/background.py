"""Photos without a car: one split of them as tensors, and any folder of photos as such."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from carseg_lib.core.config import InputConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.cache import DecodedImageCache
from carseg_lib.data.catalogue import INSTANCE_COLUMNS, Catalogue, table
from carseg_lib.data.dataset import PhotoDataset
from carseg_lib.data.formats.image_folder import PHOTO_SUFFIXES, list_background
from carseg_lib.data.loader import read_listing
from carseg_lib.data.transforms import Target, empty_target


class BackgroundDataset(PhotoDataset):
    """The photos without a car of one split of a catalogue as tensors; their targets have no boxes and class id 0.

    Args:
        catalogue: A catalogue with splits.
        split: "train", "validation" or "test".
        inputs: Number of photos (sampled by seed), size and random steps.
        seed: Seed of the sample and of the random steps.
        augment: Apply the random steps.
        cache: Decoded photos; a photo that is not in the cache is read from its file.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        split: str,
        inputs: InputConfig,
        seed: int,
        *,
        augment: bool = False,
        cache: DecodedImageCache | None = None,
    ):
        photos = catalogue.split(split).background.sort_values("photo_id", kind="stable", ignore_index=True)
        if 0 < inputs.max_images_per_split < len(photos):
            photos = photos.sample(inputs.max_images_per_split, random_state=seed).sort_index()
        super().__init__(catalogue.root, photos, inputs, seed, augment=augment, cache=cache)

    def load(self, i: int) -> np.ndarray:
        """Photo i before any step, at most of the cache's size: (h, w, 3) uint8."""
        return self._decoded(i, table([], INSTANCE_COLUMNS))[0]

    def _source(self, i: int, generator: torch.Generator) -> tuple[np.ndarray, Target]:
        image = self.load(i)
        return image, empty_target((image.shape[0], image.shape[1]))


def read_background_folder(folder: Path, progress: Callable[[int, int], None] | None = None) -> Catalogue:
    """Read any folder of photos that show no car, searched with its subfolders, whatever their names.

    Hidden files and folders are skipped; links to folders are not followed and noted in `excluded`, as are photos that
    cannot be read and pictures in other formats.

    Args:
        folder: The folder.
        progress: Called after each photo with (photos read, photos in all).

    Returns:
        A catalogue without cars; all photos are in `background`, in the split "test", sorted by photo_id.

    Raises:
        CarsegError: There is no such folder, it cannot be read, or it has no photo that can be read.
    """
    if not folder.is_dir():
        raise CarsegError(f"{folder}: there is no such folder; give the path of a folder of photos without cars")
    listing = list_background(folder, "test")
    if not listing.background:
        raise CarsegError(f"{folder}: there are no photos in it ({', '.join(PHOTO_SUFFIXES)}); give another folder")
    catalogue = read_listing(listing, progress=progress)
    if catalogue.background.empty:
        first = catalogue.excluded.iloc[0]
        raise CarsegError(
            f"{folder}: none of its {len(listing.background):,} photos can be read; the first is {first.photo_id} "
            f"({first.reason}: {first.detail}); give another folder"
        )
    return catalogue
