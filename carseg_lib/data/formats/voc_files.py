"""The files of a Pascal VOC data set: which XML file belongs to which photo, its mask, and its split."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Listing, as_text, inside, is_junk, is_text, reading, split_of_folders
from carseg_lib.data.formats.folder_places import is_mask_folder, is_photo, walk
from carseg_lib.data.formats.foreign import of_file
from carseg_lib.data.formats.voc_masks import VocMask

_MAX_BYTES = 5_000_000  # of an XML file
_ANNOTATIONS = {"annotations", "annotation", "xml", "xmls", "labels", "label"}  # folders of XML files
_PHOTOS = ("JPEGImages", "images", "Images", "image", "imgs")  # folders of photos in their place
# The lists of splits, in the order in which they are read; trainval fills the rest.
_LISTS = {
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "train": "train",
    "training": "train",
    "trainval": "train",
}
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
        told = of_file(path)
        remedy = f"annotations of {told[0]}: {told[1]}, and give that as DATA" if told else "remove it"
        raise CarsegError(f"{path}: not a VOC annotation (it holds <{as_text(root.tag)[:40]}>); {remedy}")
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
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        yield from (Path(here, name) for name in sorted(names) if name.lower().endswith(".xml") and not is_junk(name))


class VocFiles:
    """The photos and masks of a VOC data set, found by the names of XML files.

    Attributes:
        names: Paths of all photos, relative to `folder`, in order.
        renamed: XML files that lie beside a photo of their name and name another photo that exists.
    """

    def __init__(self, data: Path, photos: Path):
        self.data, self.folder = data, photos
        self.names = [
            (here / name).as_posix()
            for here, names in walk(photos, Listing("", photos))
            if not any(map(is_mask_folder, here.parts))
            for name in names
            if is_photo(photos / here / name)
        ]
        self.renamed = 0
        self._exact = set(self.names)
        self._by_stem: dict[str, str] = {}
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            self._by_stem.setdefault(_stem(name), name)
            self._by_last[PurePosixPath(_stem(name)).name].append(name)
        masks = data / "SegmentationObject"
        self._masks = {_stem(p.relative_to(masks).as_posix()): p for p in sorted(masks.rglob("*.png"))}

    def photo_of(self, path: Path, key: str, root: Element) -> str:
        """The photo of an XML file: the one with its name, else the one that it names.

        People rename a photo and its XML file together, and the name inside of it stays. Where neither is there, the
        name inside, or the file's, is that of a missing photo.

        Args:
            path: The XML file.
            key: Its path below the folder of XML files, without the suffix.
            root: Its content.

        Raises:
            CarsegError: It names a file outside of the folder of photos, and none there has either name.
        """
        named = (root.findtext("filename") or "").strip().replace("\\", "/")
        name = inside(named) if named else None
        told = [f"{PurePosixPath(key).parent.as_posix()}/{name}", name] if name else []
        told = [one.removeprefix("./") for one in told]
        same = next((self._by_stem[stem] for stem in _beside(key) if stem in self._by_stem), None)
        exact = next((one for one in told if one in self._exact), None)
        if exact and (same is None or _stem(exact) == _stem(same)):
            return exact
        if same is not None:
            self.renamed += exact is not None
            return same
        for stem in (PurePosixPath(key).name, PurePosixPath(_stem(named)).name):
            if len(found := self._by_last.get(stem, [])) == 1:
                return found[0]
        if named and name is None and not is_text(named):
            raise CarsegError(f"{path}: the filename {named!r} has control characters; name a file in {self.folder}")
        if named and name is None:
            raise CarsegError(
                f"{path}: the filename {named!r} leads outside of {self.folder}, and no photo there is named "
                f"{PurePosixPath(named).name} or {PurePosixPath(key).name}; add the photo, or name a file in the folder"
            )
        return name or f"{key}.jpg"

    def mask_of(self, key: str, number: int) -> VocMask | None:
        """The mask of the object with a number, from 1, of an XML file; None if the file has no masks."""
        path = self._masks.get(key) or self._masks.get(PurePosixPath(key).name)
        return VocMask(self.data, path.relative_to(self.data).as_posix(), number) if path else None


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
                if self.split_of.setdefault(key, _LISTS[name]) != _LISTS[name]:
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
        for split in dict.fromkeys(_LISTS.values()):
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
    order = list(_LISTS)
    for folder in folders:
        paths = [path for path in folder.glob("*.txt") if path.stem.casefold() in _LISTS]
        if paths:
            return sorted(paths, key=lambda path: order.index(path.stem.casefold()))
    return []


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
        for form in (posix, _stem(posix), PurePosixPath(posix).name, PurePosixPath(_stem(posix)).name):
            if len(keys := known.get(form, [])) == 1:
                return keys[0]
    return line if not re.fullmatch(r"\S+\s+-?[01]", line) else first


def _stem(name: str) -> str:
    """A path without its suffix, if it has one of a photo or an XML file."""
    return re.sub(r"\.(?:[A-Za-z]{3,4}|xml)$", "", name)


def _beside(key: str) -> list[str]:
    """Where the photo of an XML file may lie, without suffix: in its folder, or in the one of photos beside that."""
    parts = key.split("/")
    places = [key, _stem(key)]  # "a.xml" or "a.jpg.xml"
    for k, part in enumerate(parts[:-1]):
        if part.casefold() in _ANNOTATIONS:
            places += ["/".join([*parts[:k], photos, *parts[k + 1 :]]) for photos in _PHOTOS]
            places.append("/".join([*parts[:k], *parts[k + 1 :]]))
    return places
