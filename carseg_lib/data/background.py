"""Photos without a car: any folder of photos as a catalogue, and one split of a catalogue as tensors.

The data set is defined beside that of cars: training needs it, and must not depend on the readers of folders.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import BackgroundDataset
from carseg_lib.data.formats.image_folder import list_background
from carseg_lib.data.loader import read_listing
from carseg_lib.data.photos import PHOTO_SUFFIXES

__all__ = ["BackgroundDataset", "read_background_folder"]


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
