"""Photos as small WebP pictures: inside the page as far as its weight allows, the rest in a folder beside it."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.parallel import in_threads
from carseg_lib.core.progress import counted
from carseg_lib.data.photos import ImageError, read_photo

FOLDER = "photos"  # beside the page, for the photos that do not fit into it
_BESIDE = (640, 75)  # longest side in pixels and WebP quality of the pictures in that folder
# Of the pictures inside the page, best first: the first at which all of them fit is taken.
_STEPS = ((640, 75), (480, 70), (320, 65), (240, 60), (240, 45), (240, 30), (208, 30), (176, 30))
_FOR_FIRST = 0.3  # of the budget, for the first photos
_SAMPLE = 48  # photos from which the weight of all of them is estimated
_URI = "data:image/webp;base64,"
_AROUND = 3  # bytes around a text in the page's list: quotes and a comma
_PATH = len(f"{FOLDER}/000000.webp")


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
    return _uri(_small(path, side, quality)[0])


def make_pictures(page_folder: Path | None, photos: Sequence[Path], budget: int, first: int = 0) -> Pictures:
    """The pictures of photos, all inside the page if they fit, else the first ones.

    The folder beside the page is written anew, or removed where it is not needed.

    Args:
        page_folder: of the page; None: those that do not fit have no picture.
        photos: files of the photos, the most important first.
        budget: bytes that the list of sources may take inside the page.
        first: how many of the photos get larger pictures where not all of them can have such: from a part of the
            budget of their own.
    """
    path = 0 if page_folder is None else _PATH
    budget -= len(photos) * (path + _AROUND)  # if all lay beside the page; one inside it needs no path
    inside, side, larger = _some_larger(photos, budget, path, first)
    rest_of_all = photos[len(inside) :]
    if page_folder is None:
        return Pictures([*inside, *("" for _ in rest_of_all)], side, 0, inside.count(""))
    folder = page_folder / FOLDER
    if rest_of_all:
        with files.atomic_folder(folder) as temporary:
            sources = [*inside, *_write(temporary, rest_of_all, len(inside))]
    else:
        sources = inside
        shutil.rmtree(folder, ignore_errors=True)
    beside = sum(source.startswith(FOLDER) for source in sources)
    return Pictures(sources, side, beside, sources.count(""), larger)


def _some_larger(photos: Sequence[Path], budget: int, path: int, first: int) -> tuple[list[str], int, int]:
    """Data URIs of the photos that fit, the longest side of them, and that of the first ones if these are larger."""
    steps = _likely_steps(photos, budget, path)
    if 0 < first < len(photos) and len(steps) < len(_STEPS):
        part = int(_FOR_FIRST * budget)
        large, larger = _inside(photos[:first], part, path, _likely_steps(photos[:first], part, path))
        if len(large) == first:
            others, left = photos[first:], budget - sum(len(uri) - path for uri in large)
            rest, side = _inside(others, left, path, _likely_steps(others, left, path))
            return [*large, *rest], side, larger if larger > side else 0
    return *_inside(photos, budget, path, steps), 0


def _inside(photos: Sequence[Path], budget: int, path: int, steps: Sequence[tuple[int, int]]) -> tuple[list[str], int]:
    """Data URIs of the first photos, as many as fit, all at the best step at which all do; and their longest side.

    A photo takes the bytes of its URI, less `path`.
    """
    inside: list[str] = []
    longest = 0
    for side, quality in steps:
        inside, longest = _fitting(photos, side, quality, budget, path)
        if len(inside) == len(photos):
            break
    return inside, longest


def _likely_steps(photos: Sequence[Path], budget: int, path: int) -> Sequence[tuple[int, int]]:
    """The steps from the first at which all photos are likely to fit, judged by a sample; at least the last one."""
    chosen = photos[:: max(1, len(photos) // _SAMPLE)]
    low, high = 0, len(_STEPS) - 1  # weights fall from step to step
    while low < high:
        middle = (low + high) // 2
        side, quality = _STEPS[middle]
        with in_threads(partial(_small, side=side, quality=quality), chosen) as found:
            weights = [len(_uri(content)) - path for content, _ in found]
        if len(photos) * sum(weights) <= budget * len(weights):
            high = middle
        else:
            low = middle + 1
    return _STEPS[low:]


def _fitting(photos: Sequence[Path], side: int, quality: int, budget: int, path: int) -> tuple[list[str], int]:
    """Data URIs of the first photos, as many as fit, "" for one that cannot be read; and the longest side of all."""
    uris: list[str] = []
    longest = 0
    with in_threads(partial(_small, side=side, quality=quality), photos) as found:
        for content, its_longest in counted(found, "photos made small", len(photos)):
            uri = _uri(content)
            budget -= len(uri) - path
            if budget < 0:
                break
            uris.append(uri)
            longest = max(longest, its_longest)
    return uris, longest


def _write(folder: Path, photos: Sequence[Path], first: int) -> Iterator[str]:
    """Write photos into a folder; their paths from the page, "" for one that cannot be read."""
    with in_threads(lambda photo: _small(photo, *_BESIDE)[0], photos) as found:
        for number, content in enumerate(counted(found, "photos laid beside the page", len(photos)), start=first):
            name = f"{number:06d}.webp"
            if content:
                (folder / name).write_bytes(content)
            yield f"{FOLDER}/{name}" if content else ""


def _small(path: Path, side: int, quality: int) -> tuple[bytes, int]:
    """A photo as a WebP no larger than it is, and its longest side in pixels; b"" and 0 if it cannot be read."""
    try:
        photo = read_photo(path, side)
    except ImageError:
        return b"", 0
    content = io.BytesIO()
    photo.save(content, "WEBP", quality=quality, method=4)
    return content.getvalue(), max(photo.size)


def _uri(content: bytes) -> str:
    return _URI + base64.b64encode(content).decode("ascii") if content else ""
