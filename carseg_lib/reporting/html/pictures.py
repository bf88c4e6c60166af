"""Photos as small WebP pictures: inside the page as far as its weight allows, the rest in a folder beside it."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from carseg_lib.core import files
from carseg_lib.data.photos import ImageError, read_photo

FOLDER = "photos"  # beside the page, for the photos that do not fit into it
_BESIDE = (640, 75)  # longest side in pixels and WebP quality of the pictures in that folder
# Of the pictures inside the page, best first: the first at which all of them fit is taken.
_STEPS = ((640, 75), (480, 70), (320, 65), (240, 60), (240, 45), (240, 30), (208, 30), (176, 30))
_FOR_FIRST = 0.3  # of the budget, for the first photos
_SAMPLE = 40  # photos from which the weight of all of them is estimated
_URI = "data:image/webp;base64,"


@dataclass(frozen=True)
class Pictures:
    """The pictures of a page's photos."""

    sources: list[str]  # of each photo: a data URI, the path of a file beside the page, or "" if it cannot be read
    side: int  # longest side of those inside the page, the first ones aside, pixels; 0 where there are none
    beside: int  # photos in the folder
    unreadable: int  # photos without a picture
    larger: int = 0  # longest side of the first ones, pixels, where these are larger


def picture_uri(path: Path, side: int, quality: int) -> str:
    """A photo as a small WebP picture, a data URI; "" if it cannot be read.

    Args:
        path: of the photo.
        side: longest side of the picture, pixels; no photo is enlarged.
        quality: of the WebP, 0..100.
    """
    photo = next(_readable([path]), None)
    return "" if photo is None else _URI + base64.b64encode(_encoded(photo, side, quality)).decode("ascii")


def make_pictures(page_folder: Path | None, photos: Sequence[Path], budget: int, first: int = 0) -> Pictures:
    """The pictures of photos, all inside the page if they fit, else the first ones.

    The folder beside the page is written anew, or removed where it is not needed.

    Args:
        page_folder: of the page; None: those that do not fit have no picture.
        photos: files of the photos, the most important first.
        budget: bytes that the pictures may take inside the page.
        first: how many of the photos get larger pictures where not all of them can have such: from a part of the
            budget of their own.
    """
    inside, side = _inside(photos, budget)
    larger = 0
    if 0 < first < len(photos) and side < _STEPS[0][0]:
        large, of_large = _inside(photos[:first], int(_FOR_FIRST * budget))
        if len(large) == first and of_large > side:
            larger = of_large
            rest, side = _inside(photos[first:], budget - sum(map(len, large)))
            inside = [*large, *rest]
    rest_of_all = photos[len(inside) :]
    if page_folder is None:
        return Pictures([*inside, *("" for _ in rest_of_all)], side if any(inside) else 0, 0, inside.count(""))
    folder = page_folder / FOLDER
    if rest_of_all:
        with files.atomic_folder(folder) as temporary:
            sources = [*inside, *_write(temporary, rest_of_all, len(inside))]
    else:
        sources = inside
        shutil.rmtree(folder, ignore_errors=True)
    beside = sum(source.startswith(FOLDER) for source in sources)
    return Pictures(sources, side if any(inside) else 0, beside, sources.count(""), larger)


def _inside(photos: Sequence[Path], budget: int) -> tuple[list[str], int]:
    """Data URIs of the first photos, as many as fit, all at the best step at which all do; and their longest side."""
    inside: list[str] = []
    side = 0
    for side, quality in _likely_steps(photos, budget):
        inside = _fitting(photos, side, quality, budget)
        if len(inside) == len(photos):
            break
    return inside, side


def _likely_steps(photos: Sequence[Path], budget: int) -> Sequence[tuple[int, int]]:
    """The steps from the first at which all photos are likely to fit, judged by a sample; at least the last one."""
    sample = [*_readable(photos[:: max(1, len(photos) // _SAMPLE)])]
    for first, (side, quality) in enumerate(_STEPS):
        mean = sum(len(_encoded(photo, side, quality)) for photo in sample) / max(1, len(sample))
        if len(photos) * (4 / 3 * mean + len(_URI)) <= budget:
            return _STEPS[first:]
    return _STEPS[-1:]


def _fitting(photos: Sequence[Path], side: int, quality: int, budget: int) -> list[str]:
    """Data URIs of the first photos, as many as fit; "" for one that cannot be read."""
    uris: list[str] = []
    for path in photos:
        uri = picture_uri(path, side, quality)
        budget -= len(uri)
        if budget < 0:
            break
        uris.append(uri)
    return uris


def _readable(photos: Sequence[Path]) -> Iterator[Image.Image]:
    for path in photos:
        try:
            yield read_photo(path, _BESIDE[0])
        except ImageError:
            continue


def _write(folder: Path, photos: Sequence[Path], first: int) -> Iterator[str]:
    """Write photos into a folder; their paths from the page, "" for one that cannot be read."""
    for number, path in enumerate(photos, start=first):
        name = f"{number:06d}.webp"
        photo = next(_readable([path]), None)
        if photo is None:
            yield ""
            continue
        (folder / name).write_bytes(_encoded(photo, *_BESIDE))
        yield f"{FOLDER}/{name}"


def _encoded(photo: Image.Image, side: int, quality: int) -> bytes:
    picture = photo.copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=quality, method=4)
    return content.getvalue()
