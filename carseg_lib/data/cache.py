"""Photos decoded once: a file of pixels and masks, of bounded size, that every epoch reads instead of the JPEGs.

Decoding a phone's photo takes longer than a training step spends on it. Photos are kept at no more than twice the size
that the network sees, which loses nothing that a crop of `transforms.RandomObjectCrop` would show. A photo is the same
whether it comes from the cache or from its file: a cache changes the time a run takes, never its numbers.

The file is mapped a photo at a time, so that a process's memory does not grow with the data set.
"""

import hashlib
import logging
import mmap
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.photos import read_photo
from carseg_lib.data.transforms import resize_masks

logger = logging.getLogger(__name__)

VERSION = 1  # of the file's layout, part of its name
CHUNK = 1 << 22  # bytes hashed at once
FREE_SHARE = 0.5  # of the disk's free space that a cache may take

Pixels = tuple[np.ndarray, np.ndarray]


def cache_side(image_size: tuple[int, int]) -> int:
    """The longest side, in pixels, at which photos are kept for a network that sees `image_size` (height, width)."""
    return 2 * max(image_size)


def decode(path: Path, instances: pd.DataFrame, size: tuple[int, int], side: int) -> Pixels:
    """A photo and the masks of its cars, from its file.

    Args:
        path: of the photo.
        instances: its cars: boxes and masks in the photo's own pixels. A car without a mask gets its box, filled, in
            its place, so that transforms treat all alike; no loss sees it.
        size: height and width of the photo's own pixels.
        side: the longest side of what is returned; photos are shrunk, never enlarged.

    Returns:
        (h, w, 3) uint8 and (N, h, w) uint8 of 0 and 1.

    Raises:
        BadPhoto: the file can no longer be read.
    """
    image = np.array(read_photo(path, side))
    masks = np.stack(
        [
            decode_mask(car.mask, *size) if car.mask else _filled_box(car, size)
            for car in instances.itertuples()
        ]
    ).astype(np.uint8)
    if image.shape[:2] != tuple(size):
        masks = resize_masks(masks, image.shape[:2])
    return image, masks


def _filled_box(car: tuple, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[
        round(car.y1) : max(round(car.y2), round(car.y1) + 1),
        round(car.x1) : max(round(car.x2), round(car.x1) + 1),
    ] = True
    return mask


class DecodedImageCache:
    """Decoded photos by photo_id.

    Args:
        path: the file of pixels.
        places: of each photo: offset in bytes, height, width, cars.
    """

    def __init__(self, path: Path, places: dict[str, tuple[int, int, int, int]]):
        self.path, self.places = path, places
        self._file = path.open("rb") if places else None

    def __getstate__(self) -> dict:
        return {"path": self.path, "places": self.places}

    def __setstate__(self, state: dict) -> None:  # in a loader's process
        self.__init__(**state)

    def __len__(self) -> int:
        return len(self.places)

    def read(self, photo_id: str) -> Pixels | None:
        """What `decode` gave for a photo; None if the photo is not in the cache."""
        if photo_id not in self.places:
            return None
        offset, height, width, cars = self.places[photo_id]
        pixels, packed = 3 * height * width, cars * height * -(-width // 8)
        first = offset - offset % mmap.ALLOCATIONGRANULARITY
        with mmap.mmap(
            self._file.fileno(), offset - first + pixels + packed, access=mmap.ACCESS_READ, offset=first
        ) as view:
            content = np.frombuffer(view[offset - first :], np.uint8)
        image = content[:pixels].reshape(height, width, 3)
        bits = content[pixels:].reshape(cars, height, -1)
        return image.copy(), np.unpackbits(bits, axis=2, count=width)


def open_cache(
    catalogue: Catalogue,
    splits: tuple[str, ...],
    side: int,
    gigabytes: float,
    folder: Path,
) -> DecodedImageCache:
    """The cache of a data set: the one that is there, if its bytes are what its index says; else a new one.

    Args:
        catalogue: with splits assigned.
        splits: whose photos are kept.
        side: their longest side, pixels.
        gigabytes: the folder never holds more; photos for which there is no room are read from their files.
        folder: where caches lie; several data sets' as long as there is room, the oldest goes first.

    Raises:
        BadPhoto: a photo can no longer be read.
        CarsegError: the folder cannot be written.
    """
    key = f"{VERSION} {catalogue.fingerprint} {splits} {side} {gigabytes}"
    path = folder / f"photos-{files.sha256_text(key)[:16]}.bin"
    if gigabytes == 0:
        return DecodedImageCache(path, {})
    index = path.with_suffix(".json")
    if index.is_file() and path.is_file():
        known = files.read_json(index)
        if known["blake2b"] == _digest(path):
            return DecodedImageCache(
                path, {photo_id: tuple(place) for photo_id, place in known["places"].items()}
            )
        logger.info(f"{path} is damaged: the photos are decoded again")
    limit = min(gigabytes * 1e9, FREE_SHARE * shutil.disk_usage(files.make_folder(folder)).free)
    places, digest, size = _write(catalogue, splits, side, int(limit), path)
    files.write_json(index, {"blake2b": digest, "places": places})
    _make_room(folder, path, gigabytes * 1e9)
    photos = int(catalogue.photos.split.isin(splits).sum())
    rest = (
        f"; {photos - len(places):,} more are read from their files each time" if len(places) < photos else ""
    )
    logger.info(f"{len(places):,} photos decoded once for all epochs ({size / 1e6:,.0f} MB){rest}")
    return DecodedImageCache(path, places)


def _write(
    catalogue: Catalogue, splits: tuple[str, ...], side: int, limit: int, path: Path
) -> tuple[dict[str, tuple[int, int, int, int]], str, int]:
    cars = dict(list(catalogue.instances.groupby("photo_id")))
    photos = catalogue.photos[catalogue.photos.split.isin(splits)]
    places, offset, digest = {}, 0, hashlib.blake2b()
    with files.atomic(path) as temporary, temporary.open("wb") as out:
        for photo in photos.itertuples():
            image, masks = decode(
                catalogue.root / photo.photo_id, cars[photo.photo_id], (photo.height, photo.width), side
            )
            content = image.tobytes() + np.packbits(masks, axis=2).tobytes()
            if offset + len(content) > limit:
                break
            out.write(content)
            digest.update(content)
            places[photo.photo_id] = (offset, *image.shape[:2], len(masks))
            offset += len(content)
    return places, digest.hexdigest(), offset


def _digest(path: Path) -> str:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _make_room(folder: Path, keep: Path, limit: float) -> None:
    caches = sorted(folder.glob("photos-*.bin"), key=lambda path: path.stat().st_mtime)
    held = sum(path.stat().st_size for path in caches)
    for path in caches:
        if held > limit and path != keep:
            held -= path.stat().st_size
            with suppress(OSError):
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink()
