"""Decoded photos: one file of pixels and masks, of bounded size, that every epoch reads instead of the JPEGs.

Decoding a phone's photo takes longer than a training step spends on it. Photos are kept at no more than twice the size
of the network's input, which loses nothing that a crop of `transforms.RandomObjectCrop` would show. A photo is the same
from the cache and from its file: a cache changes the duration of a run, never its numbers.

The file is mapped a photo at a time, so that the memory of a process does not grow with the data set.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.data.boxes import Instance
from carseg_lib.data.catalogue import INSTANCE_COLUMNS, Catalogue, table
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.data.transforms import resize_masks

logger = logging.getLogger(__name__)

VERSION = 4  # of the file's layout, part of its name
FREE_SHARE = 0.5  # of the disk's free space that a cache may take

Pixels = tuple[np.ndarray, np.ndarray]  # photo (h, w, 3) uint8, masks (N, h, w) uint8 of 0 and 1
Location = tuple[int, int, int, int]  # of a photo: offset in bytes, height, width, cars


def cache_side(image_size: tuple[int, int]) -> int:
    """The longest side, in pixels, of photos kept for a network's input of `image_size` (height, width)."""
    return 2 * max(image_size)


def decode(path: Path, instances: pd.DataFrame, size: tuple[int, int], side: int) -> Pixels:
    """A photo (h, w, 3) uint8 and the masks of its cars (N, h, w) uint8, 0 or 1, from its file.

    Args:
        path: File of the photo.
        instances: Its cars, or no rows: boxes and masks in pixels of the original photo. A car without a mask gets its
            filled box as one, so that all transforms apply; no loss uses it.
        size: Height and width of the original photo, pixels.
        side: Longest side of the result; photos are shrunk, never enlarged.

    Raises:
        ImageError: The file can no longer be read.
    """
    image = np.array(read_photo(path, side))
    of_cars = [
        decode_mask(car.mask, *size) if car.mask else _filled_box(car, size)
        for car in cast(Iterable[Instance], instances.itertuples())
    ]
    masks = np.array(of_cars, np.uint8).reshape(-1, *size)
    if image.shape[:2] != tuple(size):
        masks = resize_masks(masks, image.shape[:2])
    return image, masks


def _filled_box(car: Instance, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    x1, y1 = round(car.x1), round(car.y1)
    mask[y1 : max(round(car.y2), y1 + 1), x1 : max(round(car.x2), x1 + 1)] = True
    return mask


class DecodedImageCache:
    """Decoded photos by photo_id: a file of pixels, and the location of each photo in it."""

    def __init__(self, path: Path, locations: dict[str, Location]):
        self.path, self.locations = path, locations
        self._file = path.open("rb") if locations else None

    def __reduce__(self) -> tuple[Any, ...]:  # a loader's process opens the file anew
        return type(self), (self.path, self.locations)

    def __len__(self) -> int:
        return len(self.locations)

    def read(self, photo_id: str) -> Pixels | None:
        """The result of `decode` for a photo; None if the photo is not in the cache."""
        if photo_id not in self.locations or self._file is None:
            return None
        offset, height, width, cars = self.locations[photo_id]
        pixels, packed = 3 * height * width, cars * height * -(-width // 8)
        first = offset - offset % mmap.ALLOCATIONGRANULARITY
        length = offset - first + pixels + packed
        with mmap.mmap(self._file.fileno(), length, access=mmap.ACCESS_READ, offset=first) as view:
            content = np.frombuffer(view[offset - first :], np.uint8)
        image = content[:pixels].reshape(height, width, 3)
        bits = content[pixels:].reshape(cars, height, -(-width // 8))
        return image.copy(), np.unpackbits(bits, axis=2, count=width)


def open_cache(
    catalogue: Catalogue, splits: tuple[str, ...], side: int, gigabytes: float, folder: Path
) -> DecodedImageCache:
    """The cache of a data set: an existing one if its bytes have the digest in its index, else a new one.

    Args:
        catalogue: A catalogue with splits.
        splits: The splits whose photos are kept, those of cars before those without.
        side: Their longest side, pixels.
        gigabytes: Largest size of the folder; photos for which there is no room are read from their files.
        folder: Folder of the caches of several data sets; the oldest are removed for room.

    Raises:
        ImageError: A photo can no longer be read.
        CarsegError: The folder cannot be written.
    """
    key = f"{VERSION} {catalogue.fingerprint} {splits} {side} {gigabytes}"
    path = folder / f"photos-{files.sha256_text(key)[:16]}.bin"
    if gigabytes == 0:
        return DecodedImageCache(path, {})
    index = path.with_suffix(".json")
    if index.is_file() and path.is_file():
        known = files.read_sealed_json(index)
        if known and _is_whole(path, known["blake2b"]):
            return DecodedImageCache(path, {name: tuple(location) for name, location in known["locations"].items()})
        logger.info(f"{path} is damaged: the photos are decoded again")
    limit = min(gigabytes * 1e9, FREE_SHARE * shutil.disk_usage(files.make_folder(folder)).free)
    locations, digest, size = _write(catalogue, splits, side, int(limit), path)
    files.write_sealed_json(index, {"blake2b": digest, "locations": locations})
    _make_room(folder, path, gigabytes * 1e9)
    photos = len(_photos(catalogue, splits))
    rest = f"; {photos - len(locations):,} more are read from their files each time" if len(locations) < photos else ""
    logger.info(f"{len(locations):,} photos decoded once for all epochs ({size / 1e6:,.0f} MB){rest}")
    return DecodedImageCache(path, locations)


def _write(
    catalogue: Catalogue, splits: tuple[str, ...], side: int, limit: int, path: Path
) -> tuple[dict[str, Location], str, int]:
    cars, no_car = dict(list(catalogue.instances.groupby("photo_id"))), table([], INSTANCE_COLUMNS)
    locations: dict[str, Location] = {}
    offset, digest = 0, hashlib.blake2b()
    with files.atomic(path) as temporary, temporary.open("wb") as out:
        for photo in cast(Iterable[Any], _photos(catalogue, splits).itertuples()):
            size = (photo.height, photo.width)
            image, masks = decode(catalogue.root / photo.photo_id, cars.get(photo.photo_id, no_car), size, side)
            content = image.tobytes() + np.packbits(masks, axis=2).tobytes()
            if offset + len(content) > limit:
                break
            out.write(content)
            digest.update(content)
            locations[photo.photo_id] = (offset, image.shape[0], image.shape[1], len(masks))
            offset += len(content)
    return locations, digest.hexdigest(), offset


def _photos(catalogue: Catalogue, splits: tuple[str, ...]) -> pd.DataFrame:
    """The photos of some splits, of cars, then without: photo_id, height, width (pixels)."""
    every = pd.concat([catalogue.photos, catalogue.background])
    return every.loc[every.split.isin(splits), ["photo_id", "height", "width"]]


def _is_whole(path: Path, digest: str) -> bool:
    try:
        return _digest(path) == digest
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _make_room(folder: Path, keep: Path, limit: float) -> None:
    caches = sorted(folder.glob("photos-*.bin"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in caches)
    for path in caches:
        if total > limit and path != keep:
            total -= path.stat().st_size
            with suppress(OSError):
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink()
