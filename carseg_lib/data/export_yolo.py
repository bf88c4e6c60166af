"""Photos and labels as YOLO has them: images/<split>/, labels/<split>/ and data.yaml, as Ultralytics writes it.

The photos are copied, as programs for YOLO find labels by the photo's path. A name has the photo's folders in it, as
many of them read one folder alone. A photo without a car has an empty label file.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd
import yaml

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.outlines import mask_outline
from carseg_lib.data.remote import open_photo

_MARK = "# exported by carseg\n"  # the first line of data.yaml, by which a later export knows it
_SHORT = {"train": "train", "validation": "val", "test": "test"}


def write_yolo(dataset: Catalogue, rejected: pd.DataFrame, folder: Path, *, boxes: bool) -> list[str]:
    """Write images/, labels/ and data.yaml into a folder; those of an earlier export are replaced.

    Args:
        dataset: A catalogue with splits.
        rejected: The cars of the photos left out; YOLO's labels cannot mark them, so that they stay out.
        folder: The folder.
        boxes: Whether rows are boxes though there are masks.

    Returns:
        Lines on what was left out, or renamed.

    Raises:
        CarsegError: Some cars have masks and others none, images/ or labels/ are not of an export, or the folder cannot
            be written.
    """
    if dataset.has_some_masks and not boxes:
        raise CarsegError(
            f"{folder}: some cars have masks and others none, which YOLO cannot hold; export SET=format=yolo-boxes, or "
            "have the missing masks drawn first (pseudo_labels.source)"
        )
    described = folder / "data.yaml"
    taken = next((path for name in ("images", "labels") if (path := folder / name).exists()), described)
    if taken.exists() and not _is_exported(described):
        raise CarsegError(f"{taken}: not of an export; remove it, or export into another folder")
    columns = ["photo_id", "split", "width", "height"]
    photos = pd.concat([dataset.photos[columns], dataset.background[columns]])
    names = _flat_names(photos["photo_id"].tolist())
    cars = {photo_id: rows.to_dict("records") for photo_id, rows in dataset.instances.groupby("photo_id")}
    files.write_text(described, _MARK + "# not whole yet: export again\n")  # it still tells whose folder this is
    try:
        with files.atomic_folder(folder / "images") as images, files.atomic_folder(folder / "labels") as labels:
            for top in (images, labels):
                for short in _SHORT.values():
                    (top / short).mkdir()
            for photo_id, split, width, height in photos.itertuples(index=False):
                name = Path(_SHORT[split], names[photo_id])
                with open_photo(dataset.root / photo_id) as photo, (images / name).open("wb") as copy:
                    shutil.copyfileobj(photo, copy)
                rows = [
                    _row(car, dataset.body_types, (width, height), dataset.has_masks and not boxes)
                    for car in cars.get(photo_id, [])
                ]
                (labels / name).with_suffix(".txt").write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    except shutil.SameFileError:
        raise CarsegError(f"{folder}: holds the photos themselves; export into another folder") from None
    names_of_types = dict(enumerate(dataset.body_types))
    content = {short: f"images/{short}" for short in _SHORT.values()} | {"names": names_of_types}
    files.write_text(described, _MARK + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    left = rejected["photo_id"].nunique()
    return [f"{left:,} photos that were left out for their pseudo-masks stay out: YOLO cannot mark them"] * bool(left)


def _is_exported(described: Path) -> bool:
    """Whether a data.yaml is of an export of carseg, whose images/ and labels/ may be replaced."""
    try:
        return described.read_bytes().startswith(_MARK.encode())
    except OSError:
        return False


def _row(car: dict, body_types: Sequence[str], size: tuple[int, int], polygon: bool) -> str:
    """A car as YOLO's row: the number of its class, then shares of the photo's width and height."""
    width, height = size
    if polygon:
        numbers = mask_outline(decode_mask(car["mask"], height, width))
    else:
        x1, y1, x2, y2 = (car[name] for name in ("x1", "y1", "x2", "y2"))
        numbers = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    shares = (number / (width, height)[k % 2] for k, number in enumerate(numbers))
    return " ".join([str(body_types.index(car["body_type"])), *(f"{share:.6f}" for share in shares)])


def _flat_names(photo_ids: Sequence[str]) -> dict[str, str]:
    """A file's name for each photo, its folders in it; no two have one stem, whatever their case and suffix."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for photo_id in sorted(photo_ids):
        path = PurePosixPath(photo_id.replace("/", "__"))
        stem = path.stem
        if stem.casefold() in taken or len(path.name.encode()) > 200:
            stem = f"{stem[:40]}_{files.sha256_text(photo_id)[:12]}"
        taken.add(stem.casefold())
        names[photo_id] = f"{stem}{path.suffix}"
    return names
