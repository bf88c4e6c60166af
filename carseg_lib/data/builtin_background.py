"""The built-in pictures without a car, which stand in where data of cars have no such photos of their own.

A light module, as training needs it: it must not depend on the readers of folders.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from PIL import Image

from carseg_lib.core.classes import are_car_types
from carseg_lib.core.paths import builtin_archive, runs_root
from carseg_lib.data import builtin
from carseg_lib.data.catalogue import BACKGROUND_COLUMNS, INSTANCE_COLUMNS, PHOTO_COLUMNS, Catalogue, table

_PHOTOS, _PICTURES = "images/", "images/background/"  # in the archive


def with_background(catalogue: Catalogue) -> Catalogue:
    """The catalogue whose photos without a car belong to a data set: itself, or that of the built-in pictures.

    The built-in pictures show buses, animals, furniture and other things, which another study may look for. So they
    stand in only where every type is known to be a body type of cars (`core.classes.are_car_types`).

    Args:
        catalogue: A catalogue with splits.

    Returns:
        The same catalogue if it has photos without a car, or types that are not known to be of cars; else
        `builtin_background`.
    """
    if len(catalogue.background) or not are_car_types(catalogue.body_types):
        return catalogue
    return builtin_background()


def builtin_background() -> Catalogue:
    """The built-in pictures without a car, unpacked once into `reports/.data/background/`.

    Returns:
        A catalogue without cars, with splits. What training does not need to know of a picture, its brightness and the
        checksums of its pixels, is left empty.

    Raises:
        CarsegError: The built-in data set is missing or damaged, or cannot be unpacked.
    """
    folder = builtin.unpack(builtin_archive(), runs_root() / ".data" / "background", only=_PICTURES)
    rows = []
    for name, sha256 in sorted(builtin.checksums(folder).items()):
        if name.startswith(_PICTURES):
            with Image.open(folder / name) as picture:
                width, height = picture.size
            about = {"photo_id": name.removeprefix(_PHOTOS), "split": PurePosixPath(name).parent.name}
            size = {"width": width, "height": height, "brightness": float("nan")}
            rows.append(about | size | {"file_sha256": sha256, "pixel_sha256": "", "phash": "", "group": ""})
    cars = table([], PHOTO_COLUMNS), table([], INSTANCE_COLUMNS)
    return Catalogue("built-in pictures", folder / "images", *cars, background=table(rows, BACKGROUND_COLUMNS))
