"""Photos with annotations of CVAT for images 1.1: an XML file that lists photos with boxes, polygons and masks.

annotations.xml beside images/, as CVAT exports it, or in annotations/; or a file in each folder of a split. The split
of a photo is its subset; `photo_names` says where photos are looked for. A tag is the class of a whole photo. Shapes
of one group and class are one car. Attributes `group` and `model` give the car's group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.annotation_files import AnnotationFiles
from carseg_lib.data.formats.base import Annotation, Listing, as_text, name_of, reading
from carseg_lib.data.formats.brushes import run_lengths
from carseg_lib.data.formats.joined_parts import joined
from carseg_lib.data.formats.named_photos import NamedPhoto, Source, group_of, list_named, size_of
from carseg_lib.data.formats.placed_masks import PlacedMask
from carseg_lib.data.formats.programs import CVAT
from carseg_lib.data.formats.shapes import ellipse, numbers, turned_box
from carseg_lib.data.names import split_of
from carseg_lib.data.photo_names import photo_folder

FILES = AnnotationFiles(CVAT, (".xml",))
_EDGES = ("xtl", "ytl", "xbr", "ybr")


def read_cvat(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of one CVAT XML file, or of a folder's.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: What photos without any annotation are: left out, or background.

    Raises:
        CarsegError: A file is not XML, has a document type or entities, or is of a video; a photo or a shape has no
            name; or as `list_named`.
    """
    listing = Listing(name=name_of(data), root=photo_folder(data), types=types)
    files = {data: ""} if data.is_file() else FILES.of(data, listing)
    sources = [_source(path, split, listing) for path, split in files.items()]
    list_named(data, listing, sources, unlabelled, "label")
    return listing


def _source(path: Path, split: str, listing: Listing) -> Source:
    source = Source(path, split=split, key="name")
    turned = 0
    for number, image in enumerate(_images(path), start=1):
        name = image.get("name", "").strip()
        where = f"image {image.get('id', number)}"
        if not name:
            raise CarsegError(f"{path}: {where} has no name; export the annotations again")
        shapes: list[tuple[Annotation, str | None]] = []
        more = False
        for shape in image:
            if shape.tag == "tag":
                continue
            label = shape.get("label", "").strip()
            if not label:
                raise CarsegError(
                    f"{path}: a {as_text(shape.tag)} of {where} has no label; export the annotations again"
                )
            drawn = _annotation(shape, label, f"{path}: the {{name}} of a {label} in {where}")
            if drawn is None:
                source.leave_out(shape.tag, label)
                more = True
                continue
            turned += shape.tag == "box" and _degrees(shape) != 0
            group = shape.get("group_id", "0")
            shapes.append((drawn, None if group == "0" else group))
        labels = joined(shapes)
        split_of_image = split_of(image.get("subset", "")) or ""
        kinds = [tag.get("label", "").strip() for tag in image.findall("tag")]
        source.photos.append(
            NamedPhoto(name, where, labels, _size(image), split_of_image, [kind for kind in kinds if kind], more)
        )
    if turned:
        listing.note(f"{turned} boxes of {path.name} are turned: the upright box around each is taken")
    return source


def _images(path: Path) -> Iterator[Element]:
    """The images of a file, one at a time."""
    not_xml = "not XML ({}); export the annotations again"
    unneeded = "holds a document type or entities, which annotations do not need; remove them"
    with (
        reading(path, not_xml, ParseError, ValueError, LookupError),
        reading(path, unneeded, DefusedXmlException),
        path.open("rb") as file,
    ):
        root: Element | None = None
        for event, element in iterparse(cast(BinaryIO, file), events=("start", "end"), forbid_dtd=True):
            if root is None:
                root = element
                if root.tag != "annotations":
                    raise CarsegError(f"{path}: not annotations of CVAT, it holds <{as_text(root.tag)[:40]}>")
            if event != "end":
                continue
            if element.tag == "track":
                raise CarsegError(
                    f"{path}: tracks of a video (CVAT for video 1.1); choose Export task dataset, format CVAT for "
                    "images 1.1"
                )
            if element.tag == "image":
                yield element
                root.clear()


def _annotation(shape: Element, label: str, where: str) -> Annotation | None:
    """A shape with an area; None of another."""
    known = {one.get("name", ""): (one.text or "").strip() for one in shape.findall("attribute")}
    group = group_of(known, where)
    if shape.tag == "box":
        edges = cast(Box, numbers(*(shape.get(edge) for edge in _EDGES)))
        text = ", ".join(f"{edge} {as_text(shape.get(edge, 'missing'))[:20]}" for edge in _EDGES)
        return Annotation(label, None, turned_box(edges, _degrees(shape)), text, group=group)
    if shape.tag == "polygon":
        points = [numbers(*point.split(",")) for point in shape.get("points", "").split(";")]
        return Annotation(label, segmentation=[[value for point in points for value in point]], group=group)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = numbers(*(shape.get(name) for name in ("cx", "cy", "rx", "ry")))
        return Annotation(label, segmentation=[ellipse(cx, cy, rx, ry, _degrees(shape))], group=group)
    if shape.tag == "mask":
        return Annotation(label, segmentation=PlacedMask.read_by(lambda: _mask(shape)), group=group)
    return None


def _mask(shape: Element) -> PlacedMask:
    sides = [shape.get(name, "") for name in ("left", "top", "width", "height")]
    values = numbers(*sides)
    if not all(math.isfinite(value) and value == int(value) for value in values):
        raise ValueError(f"the mask's left, top, width and height are {', '.join(sides)[:60]}")
    left, top, width, height = map(int, values)
    return PlacedMask.of(run_lengths(shape.get("rle", ""), width, height), left, top)


def _degrees(shape: Element) -> float:
    """By how much a box or an ellipse is turned; NaN where it is no number."""
    return numbers(shape.get("rotation", 0))[0]


def _size(image: Element) -> tuple[int, int] | None:
    return size_of(image.get("width"), image.get("height"))
