"""Photos with annotations of VGG Image Annotator (VIA) 2: a project or its annotations as JSON, or exported as CSV.

Regions are rectangles, polygons, circles and ellipses in pixels; people name their attributes themselves. The attribute
that names the body types most often is the class of a region; one of a photo, the class of that photo. An attribute
`group` or `model` gives the car's group.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.annotation_files import AnnotationFiles
from carseg_lib.data.formats.base import Annotation, Listing, as_text, name_of, read_annotations, reading
from carseg_lib.data.formats.csv_text import decode
from carseg_lib.data.formats.named_photos import NamedPhoto, Source, group_of, list_named
from carseg_lib.data.formats.programs import VIA
from carseg_lib.data.formats.shapes import ellipse, numbers
from carseg_lib.data.photo_names import photo_folder

FILES = AnnotationFiles(VIA, (".json", ".csv"))
_COLUMNS = ("filename", "file_attributes", "region_shape_attributes", "region_attributes")

_Row = dict[str, Any]
_Photo = tuple[str, _Row, list[tuple[_Row, _Row]]]  # name, its attributes; of each region shape and attributes


def read_via(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of one file of VIA, or of a folder's.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: What photos without any region are: left out, or background.

    Raises:
        CarsegError: A file is not of VIA 2, a region is not as VIA writes it, or as `list_named`.
    """
    listing = Listing(name=name_of(data), root=photo_folder(data), types=types)
    files = {data: ""} if data.is_file() else FILES.of(data, listing)
    read = {path: list(_photos(path)) for path in files}
    photos = [photo for found in read.values() for photo in found]
    of_region = _attribute([known for _, _, regions in photos for _, known in regions], types)
    of_photo = _attribute([known for _, known, _ in photos], types)
    sources = [_source(path, files[path], found, of_region, of_photo, types) for path, found in read.items()]
    list_named(data, listing, sources, unlabelled, "region")
    if of_region:
        others = {key for _, _, regions in photos for _, known in regions for key in known} - {of_region}
        if others:
            named = ", ".join(as_text(key) for key in sorted(others)[:5])
            listing.ignore(next(iter(files)).name, "other column", f"attributes of regions that are not read: {named}")
    return listing


def _photos(path: Path) -> Iterator[_Photo]:
    """The photos of a file, each once."""
    rows = _of_table(path) if path.suffix.lower() == ".csv" else _of_json(path)
    for name, known, regions in rows:
        for number, (shape, attributes) in enumerate(regions):
            if not isinstance(shape, dict) or not isinstance(attributes, dict):
                raise CarsegError(
                    f"{path}: region {number} of {as_text(name)} is not as VIA 2 writes it; export it again"
                )
        yield name, known if isinstance(known, dict) else {}, regions


def _of_json(path: Path) -> Iterator[_Photo]:
    content = read_annotations(path)
    rows = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise CarsegError(f"{path}: not a project or annotations of VIA 2; export the annotations as JSON")
    for key, row in rows.items():
        regions = row.get("regions") or []
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1
        if not isinstance(row.get("filename"), str) or not isinstance(regions, list):
            raise CarsegError(f"{path}: the entry {as_text(key)[:60]!r} has no filename or regions; export it again")
        pairs = [
            (one.get("shape_attributes"), one.get("region_attributes") or {}) if isinstance(one, dict) else (None, {})
            for one in regions
        ]
        yield row["filename"], row.get("file_attributes") or {}, cast(list[tuple[_Row, _Row]], pairs)


def _of_table(path: Path) -> Iterator[_Photo]:
    with reading(path, "not CSV in UTF-8 ({}); export the annotations again", ValueError, csv.Error):
        lines = list(csv.reader(io.StringIO(decode(path.read_bytes())), strict=True))
    header = [name.strip().lstrip("#") for name in lines[0]] if lines else []
    if missing := [name for name in _COLUMNS if name not in header]:
        raise CarsegError(f"{path}: there is no column {missing[0]!r}; export the annotations as CSV in VIA 2")
    found: dict[str, _Photo] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise CarsegError(f"{path} row {number}: {len(cells)} cells, the header has {len(header)}; export it again")
        row = dict(zip(header, cells, strict=True))
        values = []
        for name in _COLUMNS[1:]:
            with reading(path, f"row {number}: {name} is not JSON ({{}}); export it again", ValueError):
                values.append(json.loads(row[name] or "{}"))
        known, shape, attributes = values
        _, _, regions = found.setdefault(row["filename"], (row["filename"], known, []))
        if shape:
            regions.append((shape, attributes))
    yield from found.values()


def _attribute(known: Iterable[Mapping[str, Any]], types: ClassMap) -> str:
    """The attribute that names body types most often, else the one that is given most often; "" without any."""
    named: Counter[str] = Counter()
    given: Counter[str] = Counter()
    for row in known:
        for key, value in row.items():
            given[key] += bool(_value(value, types))
            named[key] += types.resolve(_value(value, types)) is not None
    return max(given, key=lambda key: (named[key], given[key]), default="")


def _value(value: Any, types: ClassMap) -> str:
    """The text of an attribute; of a checkbox, the first of its chosen options that is a type."""
    if isinstance(value, dict):
        chosen = [str(key) for key, on in value.items() if on]
        return next((one for one in chosen if types.resolve(one)), chosen[0] if chosen else "")
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _source(path: Path, split: str, photos: list[_Photo], of_region: str, of_photo: str, types: ClassMap) -> Source:
    source = Source(path, split=split, key="filename", unit="regions", elsewhere=True)
    for name, known, regions in photos:
        labels = []
        for number, (shape, attributes) in enumerate(regions, start=1):
            label = _value(attributes.get(of_region, ""), types)
            group = group_of(attributes, f"{path}: the {{name}} of region {number} of {as_text(name)}")
            annotation = _annotation(shape, label, group)
            if annotation is None:
                source.leave_out(str(shape.get("name")), label)
            else:
                labels.append(annotation)
        kind = _value(known.get(of_photo, ""), types)
        kinds = [kind] if kind else []
        source.photos.append(
            NamedPhoto(name, f"filename {name!r}", labels, kinds=kinds, more=len(labels) < len(regions))
        )
    return source


def _annotation(shape: _Row, label: str, group: str) -> Annotation | None:
    """A region with an area; None of another."""
    kind = shape.get("name")
    if kind == "rect":
        x, y, w, h = numbers(*(shape.get(key) for key in ("x", "y", "width", "height")))
        text = f"x {x:g}, y {y:g}, width {w:g}, height {h:g}"
        return Annotation(label, None, (x, y, x + w, y + h), text, group=group)
    if kind == "polygon":
        xs, ys = (shape.get(key) for key in ("all_points_x", "all_points_y"))
        xs, ys = (numbers(*values) if isinstance(values, list) else () for values in (xs, ys))
        flat = [value for k in range(max(len(xs), len(ys))) for value in (*xs[k : k + 1], *ys[k : k + 1])]
        return Annotation(label, segmentation=[flat], group=group)
    if kind in ("circle", "ellipse"):
        keys = ("cx", "cy", "r", "r") if kind == "circle" else ("cx", "cy", "rx", "ry")
        cx, cy, rx, ry = numbers(*(shape.get(key) for key in keys))
        degrees = numbers(shape.get("theta") or 0)[0] * 57.29577951308232  # VIA's angle is in radians
        return Annotation(label, segmentation=[ellipse(cx, cy, rx, ry, degrees)], group=group)
    return None
