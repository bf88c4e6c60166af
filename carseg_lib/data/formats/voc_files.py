"""The files of a Pascal VOC data set: which XML file belongs to which photo, its mask, and its split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.catalogue import SPLITS
from carseg_lib.data.formats.base import Annotation, Listing, as_text, reading
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.formats.programs import remedy
from carseg_lib.data.formats.shapes import numbers
from carseg_lib.data.formats.sidecars import Sidecars, files_with, stem_of
from carseg_lib.data.formats.voc_masks import VocMask
from carseg_lib.data.names import SPLIT_WORDS, inside, is_text, split_of_folders

_MAX_BYTES = 5_000_000  # of an XML file
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


def read_xml(path: Path) -> Element:
    """Parse an XML file that declares no document type and no entities.

    Raises:
        CarsegError: It cannot be read, is not XML, holds a document type or entities, or is no annotation of VOC.
    """
    unneeded = "holds a document type or entities, which annotations do not need; remove them"
    not_xml = "not XML ({}); export the annotations again"
    with reading(path, not_xml, ParseError, ValueError, LookupError), reading(path, unneeded, DefusedXmlException):
        if path.stat().st_size > _MAX_BYTES:
            raise CarsegError(f"{path}: larger than {_MAX_BYTES:,} bytes, not the annotation of a photo")
        root = fromstring(_decoded(path.read_bytes()), forbid_dtd=True)
    if root.tag != "annotation":
        told = remedy(path) or "remove it"
        raise CarsegError(f"{path}: not a VOC annotation (it holds <{as_text(root.tag)[:40]}>); {told}")
    return root


def _decoded(content: bytes) -> bytes | str:
    """A file's text where its declared encoding is one that the parser does not know, as GB2312 and Shift_JIS are."""
    declared = _DECLARED.match(content)
    if declared is None or declared[1].lower() in (b"utf-8", b"utf8", b"utf-16", b"us-ascii", b"iso-8859-1"):
        return content
    return content.decode(declared[1].decode("ascii"))


def is_annotation(path: Path) -> bool:
    """Whether an XML file begins as an annotation of VOC does."""
    try:
        with path.open("rb") as file:
            head = file.read(2_000).replace(b"\0", b"")  # also of UTF-16
    except OSError:
        return False
    return re.search(rb"<annotation[\s>]", head) is not None


def xml_files(folder: Path) -> Iterator[Path]:
    """The XML files in a folder and its subfolders."""
    return files_with(folder, ".xml")


class VocFiles(Sidecars):
    """The photos and masks of a VOC data set, found by the names of XML files."""

    def __init__(self, data: Path, photos: Path):
        super().__init__(photos)
        self.data = data
        masks = data / "SegmentationObject"
        self._masks = {stem_of(p.relative_to(masks).as_posix()): p for p in sorted(masks.rglob("*.png"))}

    def mask_of(self, key: str, number: int) -> VocMask | None:
        """The mask of the object with a number, from 1, of an XML file; None if the file has no masks."""
        path = self._masks.get(key) or self._masks.get(PurePosixPath(key).name)
        return VocMask(self.data, path.relative_to(self.data).as_posix(), number) if path else None

    def labelme_3(self, item: Element, key: str) -> Annotation | None:
        """An object as LabelMe 3.0 has it, with no body type: a polygon, or a box and a mask in Masks/; else None."""
        if (polygon := item.find("polygon")) is not None:
            points = [numbers(point.findtext("x"), point.findtext("y")) for point in polygon.findall("pt")]
            return Annotation("", segmentation=[[value for point in points for value in point]])
        if (drawn := item.find("segm")) is None:
            return None
        written = [drawn.findtext(f"box/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
        text = ", ".join(as_text(value or "missing")[:20] for value in written)
        corners = cast(Box, numbers(*written)) if drawn.find("box") is not None else None
        name = inside((drawn.findtext("mask") or "").strip())
        parent = PurePosixPath(key).parent.as_posix()
        places = [f"{parent}/Masks/{name}", f"Masks/{parent}/{name}", f"Masks/{name}"] if name else []
        place = next((place for place in places if (self.data / place).is_file()), places[-1] if places else "")
        return Annotation("", None, corners, text, MaskPng(self.data, place) if place else None)


class VocSplits:
    """The splits by the lists in ImageSets/; without a list, by the folders of the photo or the XML file."""

    def __init__(self, data: Path, keys: Iterable[str]):
        self.folder = ""
        self.split_of: dict[str, str] = {}
        self.used: set[str] = set()
        last: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            last[PurePosixPath(key).name].append(key)
            last[key] = [key]
        list_of: dict[str, str] = {}
        for path in _lists(data):
            self.folder = path.parent.relative_to(data).as_posix()
            name = path.stem.casefold()
            for line in _lines(path):
                key = _key_of(line, last)
                if name == "trainval" and key in self.split_of:
                    continue
                if self.split_of.setdefault(key, SPLIT_WORDS[name]) != SPLIT_WORDS[name]:
                    raise CarsegError(f"{path}: {key!r} is in {list_of[key]} too; a photo belongs to one split")
                list_of[key] = path.name

    def resolve(self, key: str, photo_id: str) -> str | None:
        """The split of a photo, "" if nothing gives any; None if there are lists and none names it.

        Raises:
            CarsegError: The folders are of two splits.
        """
        self.used.add(key)
        if self.folder:
            return self.split_of.get(key)
        return split_of_folders(photo_id, (*key.split("/")[:-1], *photo_id.split("/")[:-1]))

    def note_unknown(self, listing: Listing) -> None:
        """Note the names in the lists that belong to no XML file."""
        for split in reversed(SPLITS):
            names = sorted(key for key, of in self.split_of.items() if of == split and key not in self.used)
            if names:
                first = f"{len(names)} names without an XML file, the first: {names[0]}"
                listing.ignore(f"{self.folder}/", "no annotation", first, split)


def _lists(data: Path) -> list[Path]:
    """The lists of splits: in ImageSets/Main, or else in another folder of ImageSets, or in ImageSets itself."""
    sets = data / "ImageSets"
    if not sets.is_dir():
        return []
    folders = [sets / "Main", sets / "Segmentation", *sorted(path for path in sets.iterdir() if path.is_dir()), sets]
    for folder in folders:
        paths = [path for path in folder.glob("*.txt") if path.stem.casefold() in SPLIT_WORDS]
        if paths:
            return sorted(paths, key=_order)
    return []


def _order(path: Path) -> tuple[bool, int, str]:
    """Where a list stands among the others: trainval, which fills the rest, is the last."""
    name = path.stem.casefold()
    return name == "trainval", -SPLITS.index(SPLIT_WORDS[name]), name


def _lines(path: Path) -> list[str]:
    """The lines of a list that are not empty."""
    with reading(path, "not UTF-8 text; save it as UTF-8", ValueError):
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    for number, line in enumerate(lines, start=1):
        if not is_text(line.replace("\t", " ")):
            raise CarsegError(f"{path}: name {number} has control characters; write the list again")
    return lines


def _key_of(line: str, known: dict[str, list[str]]) -> str:
    """The XML file that a line names, by its path without the suffix; the line's own name if there is no such file.

    A line is a name, which may have spaces, a suffix and folders; VOC's own lists have a number behind it.
    """
    first = line.split()[0]
    for name in (line, first, line.rsplit(None, 1)[0]):
        posix = name.replace("\\", "/")
        for form in (posix, stem_of(posix), PurePosixPath(posix).name, PurePosixPath(stem_of(posix)).name):
            if len(keys := known.get(form, [])) == 1:
                return keys[0]
    return line if not re.fullmatch(r"\S+\s+-?[01]", line) else first
