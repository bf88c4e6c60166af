"""Photos of a Supervisely project: <dataset>/img/ and <dataset>/ann/<photo>.json, with meta.json beside the datasets.

Objects are polygons (with holes), rectangles and bitmaps; their coordinates are the numbers of pixels, so that the last
pixel belongs to a rectangle. Splits are those of the names of datasets, else of the photos' tags. A tag `group` or
`model` of an object gives the car's group.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, Listing, as_text, name_of, objects_of, read_annotations
from carseg_lib.data.formats.named_photos import NamedPhoto, Source, group_of, list_named, size_of
from carseg_lib.data.formats.placed_masks import PlacedMask, of_polygons, png_bitmap
from carseg_lib.data.formats.shapes import numbers, ordered
from carseg_lib.data.formats.sidecars import Sidecars, files_with
from carseg_lib.data.names import split_of, split_of_folders

_ANN, _IMG = "ann", "img"

_Row = dict[str, Any]


def first_supervisely(data: Path) -> str:
    """The first annotation file of a Supervisely project in a folder, relative to it; "" if there is none.

    It lies in a folder ann/ beside a folder img/.
    """
    path = next(iter(_files(data)), None)
    return path.relative_to(data).as_posix() if path else ""


def read_supervisely(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a Supervisely project, or of one of its datasets, in the order of their names.

    Args:
        data: The folder.
        types: The body types.
        unlabelled: What photos without an object are: left out, or background.

    Raises:
        CarsegError: A file is not JSON, or an object not as Supervisely writes it; or as `list_named`.
    """
    listing = Listing(name=name_of(data), root=data, types=types)
    photos = Sidecars(data)
    source = Source(data, key="name", unit="objects")
    for path in _files(data):
        key = path.relative_to(data).with_suffix("").as_posix()
        content = _read(path)
        photo_id = photos.photo_of(path, key, path.stem)
        source.photos.append(_photo(path, photo_id, content, source))
    listed = list_named(data, listing, [source], unlabelled, "object")
    photos.add_unlisted(listing, set(listed), "an annotation file")
    for note in photos.notes("annotation files"):
        listing.note(note)
    return listing


def _files(data: Path) -> list[Path]:
    found = files_with(data, ".json")
    return [path for path in found if path.parent.name == _ANN and (path.parent.parent / _IMG).is_dir()]


def _read(path: Path) -> _Row:
    content = read_annotations(path, "export the project again")
    if objects_of(content, "objects") is None:
        raise CarsegError(f"{path}: 'objects' is not a list of objects; export the project again")
    return content


def _photo(path: Path, photo_id: str, content: _Row, source: Source) -> NamedPhoto:
    labels = []
    for number, one in enumerate(content["objects"], start=1):
        name = one.get("classTitle")
        if not isinstance(name, str) or not name.strip():
            raise CarsegError(f"{path}: object {number} has no classTitle; export the project again")
        where = f"{path}: object {number} ({as_text(name)})"
        group = group_of(dict(_tags(one)), f"{path}: the tag {{name}} of object {number}")
        annotation = _annotation(one, name.strip(), group, where)
        if annotation is None:
            source.leave_out(str(one.get("geometryType")), name.strip())
        else:
            labels.append(annotation)
    tags = [tag for tag, _ in _tags(content)]
    tagged = next((split for tag in tags if (split := split_of(tag))), "")
    split = split_of_folders(photo_id, photo_id.split("/")[:-1]) or tagged
    kinds = [tag for tag in tags if not split_of(tag)]
    size = content.get("size")
    stated = size_of(size.get("width"), size.get("height")) if isinstance(size, dict) else None
    more = len(labels) < len(content["objects"])
    return NamedPhoto(photo_id, f"file {path.name}", labels, stated, split, kinds, more, photo_id)


def _tags(owner: _Row) -> list[tuple[str, Any]]:
    tags = owner.get("tags") or []
    rows = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return [(str(tag.get("name", "")), tag.get("value")) for tag in rows if tag.get("name")]


def _annotation(one: _Row, name: str, group: str, where: str) -> Annotation | None:
    """An object with an area; None of another.

    Raises:
        CarsegError: It is not as Supervisely writes such an object.
    """
    points = one.get("points") if isinstance(one.get("points"), dict) else {}
    kind = one.get("geometryType") or ("bitmap" if "bitmap" in one else "polygon")
    if kind == "bitmap":
        return Annotation(name, segmentation=PlacedMask.read_by(lambda: _bitmap(one.get("bitmap"))), group=group)
    if kind not in ("polygon", "rectangle"):
        return None
    exterior, interior = (points or {}).get("exterior"), (points or {}).get("interior") or []
    if not isinstance(exterior, list) or not isinstance(interior, list):
        raise CarsegError(f"{where}: its points have no exterior; export the project again")
    outline, holes = _flat(exterior), [_flat(hole) for hole in interior]
    if kind == "rectangle":
        if len(outline) != 4:
            raise CarsegError(f"{where}: a rectangle has two points, it has {len(outline) // 2}; draw it again")
        x1, y1, x2, y2 = ordered(*outline)
        last = 1 if all(value == int(value) for value in outline if math.isfinite(value)) else 0
        return Annotation(name, None, (x1, y1, x2 + last, y2 + last), f"of the points {exterior}", group=group)
    whole = all(math.isfinite(value) and value == int(value) for value in outline)
    mask = PlacedMask.read_by(lambda: of_polygons([outline], holes, whole_pixels=whole))
    return Annotation(name, segmentation=mask, group=group)


def _flat(points: list[Any]) -> list[float]:
    return [value for point in points for value in numbers(*(point if isinstance(point, list) else [None, None]))]


def _bitmap(bitmap: Any) -> PlacedMask:
    origin = bitmap.get("origin") if isinstance(bitmap, dict) else None
    if not isinstance(origin, list) or len(origin) != 2:
        raise ValueError("the bitmap has no origin")
    left, top = numbers(*origin)
    if not (math.isfinite(left) and math.isfinite(top)):
        raise ValueError(f"the bitmap's origin is {origin}")
    return PlacedMask.of(png_bitmap(bitmap.get("data"), compressed=True), math.floor(left), math.floor(top))
