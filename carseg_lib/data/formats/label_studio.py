"""Photos with annotations of Label Studio, as its Export, JSON writes them: a list of tasks.

A task has a photo, annotations by one person each, and in these boxes, polygons, brushes and choices, in percent of the
photo. Of several annotations the one marked as ground truth counts, else the last that was not cancelled. Choices of a
whole photo are its class. Predictions of models are not read.
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.annotation_files import AnnotationFiles
from carseg_lib.data.formats.base import Annotation, Listing, as_text, name_of, read_annotations
from carseg_lib.data.formats.brushes import painted
from carseg_lib.data.formats.named_photos import NamedPhoto, Source, list_named, size_of
from carseg_lib.data.formats.placed_masks import PlacedMask, png_bitmap
from carseg_lib.data.formats.programs import LABEL_STUDIO
from carseg_lib.data.formats.shapes import ellipse, numbers, turned_box
from carseg_lib.data.photo_names import photo_folder
from carseg_lib.data.photos import PHOTO_SUFFIXES

FILES = AnnotationFiles(LABEL_STUDIO)
_KEYS = ("image", "img", "photo", "picture", "url", "ocr")  # of a task's data, that name its photo

_Row = dict[str, Any]


def read_label_studio(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of one file of Label Studio's tasks, or of a folder's.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: What photos without any annotation are: left out, or background.

    Raises:
        CarsegError: A file is not JSON, or not a list of tasks; a task names no photo; a region is not as Label Studio
            writes it; or as `list_named`.
    """
    listing = Listing(name=name_of(data), root=photo_folder(data), types=types)
    files = {data: ""} if data.is_file() else FILES.of(data, listing)
    sources = [_Reader(path, split, types).read(listing) for path, split in files.items()]
    list_named(data, listing, sources, unlabelled, "label")
    return listing


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, split: str, types: ClassMap):
        self.path, self.types = path, types
        self.source = Source(path, split=split, key="photo", unit="regions", elsewhere=True)
        self.notes: Counter[str] = Counter()

    def read(self, listing: Listing) -> Source:
        """What the file says; what is understood otherwise than it is written is noted in the listing."""
        tasks = read_annotations(self.path)
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise CarsegError(f"{self.path}: not a list of tasks; choose Export, JSON in Label Studio")
        for number, task in enumerate(tasks, start=1):
            where = f"task {task.get('id', number)}"
            name = _photo_of(task.get("data"))
            if not name:
                raise CarsegError(
                    f"{self.path}: the data of {where} name no photo; add one under the key 'image', or remove the task"
                )
            self.source.photos.append(self._photo(name, where, self._regions(task, where)))
        for words, count in self.notes.items():
            listing.note(f"{count} {words}")
        return self.source

    def _regions(self, task: _Row, where: str) -> list[_Row]:
        """What was drawn on a photo: the results of one annotation."""
        rows = task.get("annotations", task.get("completions")) or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CarsegError(f"{self.path}: the annotations of {where} are not a list of objects; export them again")
        rows = [row for row in rows if not (row.get("was_cancelled") or row.get("skipped"))]
        if not rows:
            self.notes["tasks have predictions, which are not read, and no annotation"] += bool(task.get("predictions"))
            return []
        if len(rows) > 1:
            self.notes["tasks have several annotations: the ground truth counts, else the last"] += 1
        truth = [row for row in rows if row.get("ground_truth")] or rows
        one = max(truth, key=lambda row: str(row.get("updated_at") or row.get("created_at") or ""))
        regions = one.get("result") or []
        if not isinstance(regions, list) or not all(isinstance(row, dict) for row in regions):
            raise CarsegError(f"{self.path}: the result of {where} is not a list of objects; export it again")
        return regions

    def _photo(self, name: str, where: str, regions: list[_Row]) -> NamedPhoto:
        regions = [{**row, "id": None if row.get("id") is None else str(row["id"])} for row in regions]
        names: dict[str | None, list[str]] = {}  # by the region's id
        for row in regions:
            names.setdefault(row.get("id"), []).extend(_names(row))
        drawn = [row for row in regions if _is_drawn(row)]
        drawn_ids = {row.get("id") for row in drawn}
        kinds = [name for row in regions if row.get("id") not in drawn_ids for name in _names(row)]
        size = next((size for row in drawn if (size := _size(row))), None)
        labels, more, done = [], False, set()
        for row in drawn:
            if row.get("id") is not None and row["id"] in done:
                continue  # the same region under another control
            done.add(row.get("id"))
            called = names[row.get("id")]
            label = next((one for one in called if self.types.resolve(one)), called[0] if called else "")
            annotation = self._annotation(row, label, where, size)
            if annotation is None:
                more = True
            else:
                labels.append(annotation)
        return NamedPhoto(name, where, labels, size, kinds=kinds, more=more, shares=size is None)

    def _annotation(self, row: _Row, label: str, where: str, size: tuple[int, int] | None) -> Annotation | None:
        """A region with an area; None, counted, of another."""
        value = row["value"]
        kind = str(row.get("type", "")).removesuffix("labels")
        if turn := row.get("image_rotation"):
            wrong = f"drawn on the photo turned by {turn} degrees; turn it back in Label Studio"
            return Annotation(label, segmentation=PlacedMask(wrong=wrong))
        width, height = size or (1, 1)
        if "rle" in value or "imageDataURL" in value:
            return Annotation(label, segmentation=PlacedMask.read_by(lambda: _brush(value, size)))
        if isinstance(value.get("points"), list) and kind in ("polygon", ""):
            points = [numbers(*point) if _is_pair(point) else (math.nan, math.nan) for point in value["points"]]
            flat = [share / 100 * side for x, y in points for share, side in ((x, width), (y, height))]
            return Annotation(label, segmentation=[flat])
        if {"radiusX", "radiusY"} <= value.keys():
            x, y, rx, ry = numbers(*(value.get(key) for key in ("x", "y", "radiusX", "radiusY")))
            turned = numbers(value.get("rotation", 0))[0]
            flat = ellipse(x / 100 * width, y / 100 * height, rx / 100 * width, ry / 100 * height, turned)
            return Annotation(label, segmentation=[flat])
        if {"x", "y", "width", "height"} <= value.keys() and kind != "keypoint":
            x, y, w, h = numbers(*(value.get(key) for key in ("x", "y", "width", "height")))
            text = f"x {x:g}, y {y:g}, width {w:g}, height {h:g} (percent, {where})"
            box: Box = x / 100 * width, y / 100 * height, (x + w) / 100 * width, (y + h) / 100 * height
            if degrees := numbers(value.get("rotation") or 0)[0]:
                self.notes["boxes are turned: the upright box around each is taken"] += 1
                box = turned_box(box, degrees, (box[0], box[1])) if size else (math.nan, math.nan, math.nan, math.nan)
                text += "" if size else "; turned, and original_width and original_height are not stated"
            return Annotation(label, None, box, text)
        self.source.leave_out(kind or "a region", label)
        return None


def _photo_of(data: Any) -> str:
    """The photo of a task: of its data, the text that names one."""
    texts = (
        {key: value.strip() for key, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}
    )
    named = [
        key
        for key in texts
        if PurePosixPath(texts[key].split("?d=")[-1].split("?")[0]).suffix.lower() in PHOTO_SUFFIXES
    ]
    order = [key for key in _KEYS if key in named] or named or [key for key in _KEYS if key in texts]
    return texts[order[0]] if order else ""


def _names(row: _Row) -> list[str]:
    """The names that a result gives: of its labels, or of choices."""
    value = row.get("value")
    if not isinstance(value, dict):
        return []
    lists = [value[key] for key in value if key.endswith("labels") or key in ("labels", "choices")]
    return [as_text(str(name)) for names in lists if isinstance(names, list) for name in names]


def _is_drawn(row: _Row) -> bool:
    """Whether a result is a region, and not a choice or a text."""
    value = row.get("value")
    return isinstance(value, dict) and any(key in value for key in ("x", "points", "rle", "imageDataURL", "vertices"))


def _size(row: _Row) -> tuple[int, int] | None:
    return size_of(row.get("original_width"), row.get("original_height"))


def _is_pair(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2


def _brush(value: _Row, size: tuple[int, int] | None) -> PlacedMask:
    if "imageDataURL" in value:
        return PlacedMask.of(png_bitmap(value["imageDataURL"]))
    if size is None:
        raise ValueError("the brush's region states no original_width and original_height")
    return PlacedMask.of(painted(value["rle"], *size))
