"""Photos with annotations of labelme: a JSON file a photo, beside it or in a folder beside those of photos.

Shapes are polygons, rectangles, circles and masks; those of one group_id and label are one car. Splits are those of the
names of folders.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Hashable
from pathlib import Path, PurePosixPath
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, Listing, as_text, name_of, objects_of, read_annotations
from carseg_lib.data.formats.joined_parts import as_polygon, joined
from carseg_lib.data.formats.named_photos import NamedPhoto, Source, list_named, size_of
from carseg_lib.data.formats.placed_masks import PlacedMask, png_bitmap
from carseg_lib.data.formats.programs import LABELME, of_file
from carseg_lib.data.formats.shapes import ellipse, ordered
from carseg_lib.data.formats.sidecars import Sidecars, files_with
from carseg_lib.data.names import split_of_folders

_Row = dict[str, Any]


def first_labelme(data: Path) -> str:
    """The first file of labelme in a folder, relative to it; "" if there is none."""
    path = next((path for path in files_with(data, ".json") if of_file(path) == LABELME), None)
    return path.relative_to(data).as_posix() if path else ""


def read_labelme(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a labelme folder, in the order of their files.

    Args:
        data: The folder.
        types: The body types.
        unlabelled: What photos whose file has no shape are: left out, or background.

    Raises:
        CarsegError: A file is not JSON, or a shape not as labelme writes it; or as `list_named`.
    """
    listing = Listing(name=name_of(data), root=data, types=types)
    photos = Sidecars(data)
    source = Source(data, key="imagePath", unit="shapes")
    strange = []
    for path in files_with(data, ".json"):
        if of_file(path) != LABELME:
            strange.append(path.relative_to(data).as_posix())
            continue
        key = path.relative_to(data).with_suffix("").as_posix()
        content = _read(path)
        photo_id = photos.photo_of(path, key, _named(key, content))
        source.photos.append(_photo(path, photo_id, content, source))
    if strange:
        listing.ignore(
            "./", "other file", f"{len(strange)} .json files that are no annotations; the first: {strange[0]}"
        )
    listed = list_named(data, listing, [source], unlabelled, "shape")
    photos.add_unlisted(listing, set(listed), "a JSON file")
    for note in photos.notes("JSON files"):
        listing.note(note)
    return listing


def _read(path: Path) -> _Row:
    content = read_annotations(path, "save the annotations again")
    if objects_of(content, "shapes") is None:
        raise CarsegError(f"{path}: 'shapes' is not a list of objects; save the annotations again in labelme")
    return content


def _named(key: str, content: _Row) -> str:
    """The photo that a file names, relative to the data if it lies there."""
    written = content.get("imagePath")
    if not isinstance(written, str) or not written.strip():
        return ""
    name = written.strip().replace("\\", "/")
    if name.startswith("/") or ":" in name[:2]:
        return name
    path = posixpath.normpath(posixpath.join(PurePosixPath(key).parent.as_posix(), name))
    return PurePosixPath(name).name if path.startswith("../") else path


def _photo(path: Path, photo_id: str, content: _Row, source: Source) -> NamedPhoto:
    shapes: list[tuple[Annotation, Hashable | None]] = []
    for number, shape in enumerate(content["shapes"], start=1):
        label = shape.get("label")
        if not isinstance(label, str) or not label.strip():
            raise CarsegError(f"{path}: shape {number} has no label; name it, or remove it")
        annotation = _annotation(shape, label.strip(), f"{path}: shape {number} ({as_text(label)})")
        if annotation is None:
            source.leave_out(str(shape.get("shape_type")), label.strip())
        else:
            group = shape.get("group_id")
            shapes.append((annotation, group if isinstance(group, int | str) else None))
    flags = content.get("flags")
    kinds = [name for name, on in flags.items() if on is True] if isinstance(flags, dict) else []
    labels = joined(shapes)
    size = size_of(content.get("imageWidth"), content.get("imageHeight"))
    where = f"file {path.name}"
    split = split_of_folders(photo_id, photo_id.split("/")[:-1])
    return NamedPhoto(photo_id, where, labels, size, split, kinds, len(shapes) < len(content["shapes"]), photo_id)


def _annotation(shape: _Row, label: str, where: str) -> Annotation | None:
    """A shape with an area; None of another.

    Raises:
        CarsegError: Its points are not those of such a shape.
    """
    kind = shape.get("shape_type") or "polygon"
    points = shape.get("points")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        raise CarsegError(f"{where}: its points are not a list of [x, y]; draw it again")
    if kind == "polygon":
        return Annotation(label, segmentation=as_polygon(points))
    if kind == "oriented_rectangle" or (kind == "rectangle" and len(points) == 4):
        xs, ys = ([point[k] for point in points] for k in (0, 1))
        return Annotation(label, None, (min(xs), min(ys), max(xs), max(ys)), f"of the points {points}")
    if kind not in ("rectangle", "circle", "mask"):
        return None
    if len(points) != 2:
        raise CarsegError(f"{where}: a {kind} has two points, it has {len(points)}; draw it again")
    (x1, y1), (x2, y2) = points
    if kind == "rectangle":
        return Annotation(label, None, ordered(x1, y1, x2, y2), f"of the points {points}")
    if kind == "circle":
        radius = math.hypot(x2 - x1, y2 - y1)
        return Annotation(label, segmentation=[ellipse(x1, y1, radius, radius)])
    mask = PlacedMask.read_by(lambda: PlacedMask.of(png_bitmap(shape.get("mask")), int(x1), int(y1)))
    return Annotation(label, segmentation=mask)


def _is_point(point: Any) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(type(value) in (int, float) and math.isfinite(value) for value in point)
    )
