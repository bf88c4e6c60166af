"""The contact sheet: ten photos of each body type on one page."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_rendering.dataset.build import read_plan
from carseg_rendering.dataset.plan import SHARES, body_type_of, photo_name

PER_TYPE = 10
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
    with Image.open(chosen["sedan"][0]) as photo:
        width, height = photo.size
    block = _HEADER + PER_TYPE // _COLUMNS * (height + _GAP)
    sheet = Image.new("RGB", (_COLUMNS * (width + _GAP) - _GAP, len(chosen) * block - _GAP), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (body_type, photos) in enumerate(chosen.items()):
        draw.text((2, number * block + 4), body_type, fill=_INK, font=font)
        for k, name in enumerate(photos[:PER_TYPE]):
            row, column = divmod(k, _COLUMNS)
            with Image.open(name) as photo:
                sheet.paste(photo, (column * (width + _GAP), number * block + _HEADER + row * (height + _GAP)))
    with files.atomic(path) as temporary:
        sheet.save(temporary, "JPEG", quality=90)
    return path
