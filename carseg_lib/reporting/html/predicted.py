"""The page of `make predict`: each photo with what was predicted, thumbnails as files beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from carseg_lib.core import files
from carseg_lib.data.photos import PHOTO_SUFFIXES
from carseg_lib.evaluation.presence import NO_CAR
from carseg_lib.reporting.html.render import render

THUMBNAILS = "thumbnails"  # beside the page
SURE, NOT_SURE = "sure", "not sure"  # kinds of answers, beside NO_CAR
_SIDE, _QUALITY, _EFFORT = 480, 75, 2  # of a thumbnail: longest side in pixels, WebP quality; 4 takes twice as long


@dataclass(frozen=True)
class Predicted:
    """A photo and its answer."""

    name: str  # of the photo, with its subfolders, "/" between
    kind: str  # SURE, NOT_SURE or NO_CAR
    body_type: str  # "" without a car
    text: str  # the answer in words
    cars: int  # regions that pass as cars
    size: tuple[int, int]  # of the thumbnail, pixels

    @property
    def detail(self) -> str:
        """What the text says beside the type, or beside "not sure" and "no car"."""
        badge = f"{self.body_type}, " if self.kind == SURE else f"{self.kind}: "
        return self.text.removeprefix(badge)


def write_thumbnail(folder: Path, name: str, overlay: Image.Image) -> tuple[int, int]:
    """Write the thumbnail of a photo; returns its size.

    Args:
        folder: of the page.
        name: of the photo, with its subfolders.
        overlay: the photo with box, outline and label.
    """
    picture = overlay.convert("RGB")
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    with files.atomic(folder / THUMBNAILS / f"{name}.webp") as temporary:
        picture.save(temporary, format="WEBP", quality=_QUALITY, method=_EFFORT)
    return picture.size


def write_predicted(
    folder: Path,
    run: str,
    photos: Sequence[Predicted],
    body_types: Sequence[str],
    *,
    sure: float,
    left_out: int = 0,
    about: str = "",
) -> Path:
    """Write `index.html` into the folder of the overlays.

    Args:
        folder: of the page; each photo's overlay is `<name>.png` in it, its numbers are `<name>.json`.
        run: name of the run whose model predicted.
        photos: of this call.
        body_types: of the run, in order.
        sure: score below which a type is said to be not sure.
        left_out: photos that could not be read.
        about: what the model is, where the run has no page that says it.

    Returns:
        The path of the page.
    """
    others = len(_earlier(folder) - {photo.name for photo in photos})
    context = {
        "run": run,
        "photos": photos,
        "body_types": body_types,
        "kinds": {kind: sum(photo.kind == kind for photo in photos) for kind in (SURE, NOT_SURE, NO_CAR)},
        "types": {name: sum(photo.body_type == name for photo in photos) for name in body_types},
        "sure": sure,
        "left_out": left_out,
        "about": about,
        "others": others,
        "thumbnails": THUMBNAILS,
    }
    page = render("predicted.html", context, parts=("predicted",), pictures_beside=True)
    return files.write_text(folder / "index.html", page)


def _earlier(folder: Path) -> set[str]:
    """The photos of which the folder holds results: those on a page by their thumbnails, others by their numbers."""
    numbers = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.json"))
    shown = (path.relative_to(folder / THUMBNAILS).with_suffix("") for path in (folder / THUMBNAILS).rglob("*.webp"))
    return {
        *(path.as_posix() for path in numbers if path.suffix.lower() in PHOTO_SUFFIXES),
        *(path.as_posix() for path in shown),
    }
