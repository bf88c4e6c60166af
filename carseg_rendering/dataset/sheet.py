"""Contact sheets: ten photos of each body type, or some pictures of each family of things, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_rendering.dataset.background import read_background_table
from carseg_rendering.dataset.background_plan import FAMILY_SHARES, background_file
from carseg_rendering.dataset.build import read_plan
from carseg_rendering.dataset.plan import SHARES, body_type_of, photo_name

PER_TYPE, PER_FAMILY = 10, 5
_COLUMNS = 5
_GAP, _HEADER = 4, 26  # pixels
_INK, _PAPER = (40, 40, 40), (255, 255, 255)


def contact_sheet(data: Path, path: Path, first: int = 0) -> Path:
    """Draw ten photos of each type: the first ones from a given number on, without selection.

    Args:
        data: Folder of a rendered data set.
        path: The JPEG to write.
        first: Number of the first photo to consider.

    Returns:
        `path`.

    Raises:
        CarsegError: The folder holds no rendered data set, or too few photos of a type from that number on.
    """
    plan = read_plan(data)
    chosen: dict[str, list[Path]] = {body_type: [] for body_type in SHARES}
    for index in range(first, plan.photos):
        chosen[body_type_of(index, plan.seed)].append(data / "images" / photo_name(index))
    if min(map(len, chosen.values())) < PER_TYPE:
        raise CarsegError(f"{data}: from photo {first} on there are fewer than {PER_TYPE} of a type; begin earlier")
    return _draw({body_type: photos[:PER_TYPE] for body_type, photos in chosen.items()}, path)


def background_sheet(data: Path, path: Path) -> Path:
    """Draw five pictures without a car of each family, half as large: the first ones, without selection.

    Args:
        data: Folder of a rendered data set.
        path: The JPEG to write.

    Returns:
        `path`.

    Raises:
        CarsegError: The folder holds no rendered data set, or none with pictures without a car.
    """
    read_plan(data)
    rows = read_background_table(data)
    if not rows:
        raise CarsegError(f"{data}: has no pictures without a car; make render-dataset renders a data set with them")
    chosen: dict[str, list[Path]] = {family: [] for family in FAMILY_SHARES}
    for index, row in enumerate(rows):
        chosen[row["family"]].append(data / background_file(index, row["split"]))
    return _draw({family: pictures[:PER_FAMILY] for family, pictures in chosen.items() if pictures}, path, shrink=2)


def _draw(blocks: Mapping[str, Sequence[Path]], path: Path, shrink: int = 1) -> Path:
    """Write a sheet: a block of pictures of one size for each name, five in a line."""
    with Image.open(next(iter(blocks.values()))[0]) as photo:
        width, height = photo.width // shrink, photo.height // shrink
    lines = [-(-len(pictures) // _COLUMNS) for pictures in blocks.values()]
    size = _COLUMNS * (width + _GAP) - _GAP, sum(_HEADER + n * (height + _GAP) for n in lines) - _GAP
    sheet = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    top = 0
    for (name, pictures), n in zip(blocks.items(), lines, strict=True):
        draw.text((2, top + 4), name, fill=_INK, font=font)
        for k, file in enumerate(pictures):
            row, column = divmod(k, _COLUMNS)
            with Image.open(file) as photo:
                place = column * (width + _GAP), top + _HEADER + row * (height + _GAP)
                sheet.paste(photo.resize((width, height)) if shrink > 1 else photo, place)
        top += _HEADER + n * (height + _GAP)
    with files.atomic(path) as temporary:
        sheet.save(temporary, "JPEG", quality=90)
    return path
