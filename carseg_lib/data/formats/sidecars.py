"""Photos that have an annotation file each: which file belongs to which photo (VOC, labelme, Supervisely).

The two have one name, in one folder or in folders beside each other; or the file names its photo.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import ImageRecord, Listing, is_junk
from carseg_lib.data.formats.folder_places import is_mask_folder, is_photo, place_of, walk
from carseg_lib.data.names import inside, is_text
from carseg_lib.data.photo_names import PhotoFinder

# Folders of annotation files, and folders of photos in their place.
_ANNOTATIONS = {"annotations", "annotation", "xml", "xmls", "labels", "label", "ann", "json", "jsons", "labelme"}
_PHOTOS = ("JPEGImages", "images", "Images", "image", "imgs", "img")


def files_with(folder: Path, suffix: str) -> Iterator[Path]:
    """The files of a suffix in a folder and its subfolders, in order."""
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        yield from (Path(here, name) for name in sorted(names) if name.lower().endswith(suffix) and not is_junk(name))


class Sidecars:
    """The photos of a folder, found by the names of their annotation files.

    Attributes:
        folder: The folder of the photos.
        names: Paths of all photos, relative to it, in order.
        renamed: Annotation files that lie beside a photo of their name and name another photo that exists.
        respelled: Annotation files whose photo has its name in another spelling.
    """

    def __init__(self, photos: Path):
        self.folder = photos
        self.names = [
            (here / name).as_posix()
            for here, names in walk(photos, Listing("", photos))
            if not any(map(is_mask_folder, here.parts))
            for name in names
            if is_photo(photos / here / name)
        ]
        self.renamed = 0
        self.respelled = 0
        self._exact = set(self.names)
        self._finder = PhotoFinder(photos, photos)
        self._by_stem: dict[str, str] = {}
        self._by_last: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            self._by_stem.setdefault(stem_of(name), name)
            self._by_last[PurePosixPath(stem_of(name)).name].append(name)

    def photo_of(self, path: Path, key: str, named: str) -> str:
        """The photo of an annotation file: the one with its name, else the one that it names.

        People rename a photo and its file together, and the name inside of it stays. Where neither is there, the
        name inside, or the file's, is that of a missing photo.

        Args:
            path: The annotation file.
            key: Its path below the folder of annotation files, without the suffix.
            named: The name of the photo inside of it, with /; "" if there is none.

        Raises:
            CarsegError: It names a file outside of the folder of photos, and none there has either name.
        """
        name = inside(named) if named else None
        told = [f"{PurePosixPath(key).parent.as_posix()}/{name}", name] if name else []
        told = [one.removeprefix("./") for one in told]
        places = _beside(key)
        same = next((place for place in places if place in self._exact), None)  # "a.jpg.json"
        same = same or next((self._by_stem[stem] for stem in places if stem in self._by_stem), None)
        exact = next((one for one in told if one in self._exact), None)
        if exact and (same is None or stem_of(exact) == stem_of(same)):
            return exact
        if same is not None:
            self.renamed += exact is not None
            return same
        for stem in (PurePosixPath(key).name, PurePosixPath(stem_of(named)).name):
            if len(found := self._by_last.get(stem, [])) == 1:
                return found[0]
        spelled = self._finder.find(named).path if named and is_text(named) else None
        if spelled and (photo_id := spelled.relative_to(self.folder).as_posix()) in self._exact:
            self.respelled += 1
            return photo_id
        if named and name is None and not is_text(named):
            raise CarsegError(f"{path}: the filename {named!r} has control characters; name a file in {self.folder}")
        if named and name is None:
            raise CarsegError(
                f"{path}: the filename {named!r} leads outside of {self.folder}, and no photo there is named "
                f"{PurePosixPath(named).name} or {PurePosixPath(key).name}; add the photo, or name a file in the folder"
            )
        return name or f"{key}.jpg"

    def notes(self, what: str) -> Iterator[str]:
        """Lines on names that were understood otherwise than they are written; `what` are the files, in the plural."""
        if self.renamed:
            yield (
                f"{self.renamed} {what} name another photo than the one that has their own name: the photo of "
                "their own name is theirs"
            )
        if self.respelled:
            yield f"{self.respelled} {what} name their photo in another spelling"

    def add_unlisted(self, listing: Listing, labelled: set[str], what: str) -> None:
        """Add photos without an annotation file in folders without cars as background, and note the others.

        Args:
            listing: To add them to.
            labelled: The photos that have a file.
            what: An annotation file, in words: "an XML file".
        """
        missing = []
        for name in self.names:
            if name in labelled:
                continue
            parts = PurePosixPath(name).parts[:-1]
            place = place_of(parts, listing.types) if parts else None
            if place is not None and place.kind == "":
                listing.background.append(ImageRecord(name, place.split, []))
            else:
                missing.append(name)
        if missing:
            first = f"{len(missing)} photos without {what}, the first: {missing[0]}"
            listing.ignore(f"{self.folder.name}/", "no annotation", first)


def stem_of(name: str) -> str:
    """A path without its suffix, if it has one of a photo or an XML file."""
    return re.sub(r"\.(?:[A-Za-z]{3,4}|xml)$", "", name)


def _beside(key: str) -> list[str]:
    """Where the photo of an annotation file may lie: in its folder, or in the one of photos beside that."""
    parts = key.split("/")
    places = [key, stem_of(key)]  # "a.xml" or "a.jpg.xml"
    for k, part in enumerate(parts[:-1]):
        if part.casefold() in _ANNOTATIONS:
            moved = ["/".join([*parts[:k], photos, *parts[k + 1 :]]) for photos in _PHOTOS]
            moved.append("/".join([*parts[:k], *parts[k + 1 :]]))
            places += [form for place in moved for form in (place, stem_of(place))]
    return places
