"""Finding the photos that an annotation file names: in the folders where tools put them, by the names that they write.

Used by the readers of annotation files and by the fingerprints, so that both mean the same files; light, as those are.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from carseg_lib.data.names import OTHER_PICTURES, PHOTO_SUFFIXES, SPLIT_WORDS, outside

_PHOTO_FOLDERS = ("images", "data", "JPEGImages", "photos", "img", "imgs")  # as COCO, FiftyOne, VOC and others name it
_PICTURES = (*PHOTO_SUFFIXES, *OTHER_PICTURES, ".ppm", ".pgm")
_INSTANCES = re.compile(r"^_?instances[_-]?", re.IGNORECASE)  # COCO's and CVAT's instances_<subset>.json
_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")  # that Label Studio puts before the name of a photo that is uploaded


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _decoded(name: str) -> str:
    return _composed(unquote(name))


def _folded(name: str) -> str:
    return _decoded(name).casefold()


# One after the other, so that of two files that differ in case alone the one that is spelled alike is found.
_SPELLINGS: tuple[Callable[[str], str], ...] = (_composed, _decoded, _folded)


@dataclass(frozen=True)
class FoundPhoto:
    """Where a named photo is.

    Attributes:
        path: The file, or None if there is none, or more than one.
        how: "" by the name as it is written; "spelling", by the same name in another spelling; "base name", by the
            last part of a name whose folders are not there; "prefix", by that without Label Studio's eight digits;
            "suffix", by the same name with the suffix of another kind of photo.
        alike: Files that fit equally well, where there is not one.
    """

    path: Path | None
    how: str = ""
    alike: tuple[Path, ...] = ()


def annotation_top(annotations: Path) -> Path:
    """The folder of annotations and photos: of a file the one that it is in, of one in annotations/ its parent."""
    if annotations.is_dir():
        return annotations
    folder = annotations.parent
    return folder.parent if folder.name.lower() == "annotations" else folder


def photo_folder(annotations: Path) -> Path:
    """The folder of the photos of an annotation file or folder: images/ in it or beside the file, else that folder.

    For a file in annotations/, images/ may also be beside that folder.
    """
    folder = annotations if annotations.is_dir() else annotations.parent
    candidates = [folder / "images", annotation_top(annotations) / "images"]
    return next((path for path in candidates if path.is_dir()), folder)


def subset_of(path: Path) -> str:
    """The subset that an annotation file is of: "train2017" for instances_train2017.json."""
    return _INSTANCES.sub("", path.stem)


def is_subset_folder(name: str, subset: str) -> bool:
    """Whether a folder's name is that of a subset or of the same split: "train2017", "Train" and "train_images"."""
    if name.casefold() == subset.casefold():
        return True
    words = (re.findall(r"[^\W\d_]+", text.casefold()) for text in (name, subset))
    its, wanted = ({SPLIT_WORDS[word] for word in found if word in SPLIT_WORDS} for found in words)
    return its == wanted and len(its) == 1


class PhotoFinder:
    """Finds the photos that one annotation file names.

    A name is looked for, as it is written, in the folder of the photos, in that of the data, and in subfolders of the
    file's subset or split. If it is in none of them, the same name in another spelling is (composed or decomposed
    letters, percent codes, upper and lower case). A name whose folders are not there, or lead outside, as of a disk of
    another machine, is looked for by its last part, within the folder of the photos; at last the suffix may be that of
    another kind of photo. Nothing outside of the data is ever found, and of several files that fit none is.
    """

    def __init__(self, data: Path, file: Path, subset: str = "") -> None:
        """Look at which folders there are.

        Args:
            data: The data set: a folder, or the file itself.
            file: The annotation file.
            subset: Of which subset or split it is, if its name does not say so.
        """
        self.top = annotation_top(data)
        self.root = photo_folder(data)
        self._subsets = list(self._subset_folders({subset_of(file), subset} - {""}))
        own = file.parent
        first = [own] if own not in (self.top, self.top / "annotations") and own.is_relative_to(self.top) else []
        others = [folder for name in _PHOTO_FOLDERS for folder in (self.top / name, own / name) if folder.is_dir()]
        self.folders = list(dict.fromkeys([*first, self.root, *self._subsets, self.top, own, *others]))

    def find(self, written: str) -> FoundPhoto:
        """The photo that a file_name means."""
        name = written.replace("\\", "/").rpartition("?d=")[2]  # Label Studio: /data/local-files/?d=cars/x.jpg
        if "://" in name:
            name = re.split(r"[?#]", name)[0]
        try:
            if not outside(name):
                for folder in self.folders:
                    if (folder / name).is_file():
                        return FoundPhoto(folder / name)
                found = self._by_spelling(name)
                if found.path or found.alike:
                    return found
                if self._has_folder(name):
                    return self._by_suffix(name)
            found = self._by_base_name(PurePosixPath(name).name)
            if found.path or found.alike or outside(name):
                return found
            return self._by_suffix(name)
        except (OSError, ValueError):  # a name that no file can have
            return FoundPhoto(None)

    def _subset_folders(self, subsets: set[str]) -> Iterator[Path]:
        """Folders of a subset: images/train/, train/, train/images/."""
        for parent in dict.fromkeys((self.root, self.top)):
            for child in _folders_in(parent):
                if any(is_subset_folder(child.name, subset) for subset in subsets):
                    yield child
                    if (child / "images").is_dir():
                        yield child / "images"

    def _has_folder(self, name: str) -> bool:
        """Whether the folder that a name is in is there, so that the photo itself is what is missing."""
        parent = PurePosixPath(name).parent
        return any((folder / parent).is_dir() for folder in self.folders) if parent.parts else False

    def _by_spelling(self, name: str) -> FoundPhoto:
        for spelling in _SPELLINGS:
            for folder in self.folders:
                if folder.is_relative_to(self.root):
                    wanted = (folder.relative_to(self.root) / name).as_posix()
                    found = _only(self._paths[spelling].get(spelling(wanted), ()), "spelling")
                    if found.path or found.alike:
                        return found
        return FoundPhoto(None)

    def _by_suffix(self, name: str) -> FoundPhoto:
        """The photo of the same name that was saved in another format after it was annotated: car.png, now car.jpg."""
        pure = PurePosixPath(name)
        if pure.suffix.lower() not in _PICTURES:
            return FoundPhoto(None)
        found: list[Path] = []
        for folder in self.folders:
            for suffix in PHOTO_SUFFIXES:
                path = folder / pure.with_suffix(suffix)
                if path.is_file() and not any(path.samefile(other) for other in found):
                    found.append(path)
        return _only(found, "suffix")

    def _by_base_name(self, base: str, how: str = "base name") -> FoundPhoto:
        for spelling in _SPELLINGS:
            paths = self._names[spelling].get(spelling(base), [])
            if self._subsets:  # another subset's photo of the same name is another photo
                of_subset = [path for path in paths if any(path.is_relative_to(folder) for folder in self._subsets)]
                paths = of_subset or [path for path in paths if path.parent == self.root]
            found = _only(paths, how)
            if found.path or found.alike:
                return found
        return self._by_base_name(_PREFIX.sub("", base), "prefix") if _PREFIX.match(base) else FoundPhoto(None)

    @cached_property
    def _files(self) -> list[Path]:
        return list(walk_files(self.root))

    @cached_property
    def _paths(self) -> dict[Callable[[str], str], dict[str, list[Path]]]:
        return {spelling: self._index(spelling, whole=True) for spelling in _SPELLINGS}

    @cached_property
    def _names(self) -> dict[Callable[[str], str], dict[str, list[Path]]]:
        return {spelling: self._index(spelling, whole=False) for spelling in _SPELLINGS}

    def _index(self, spelling: Callable[[str], str], whole: bool) -> dict[str, list[Path]]:
        index: dict[str, list[Path]] = defaultdict(list)
        for path in self._files:
            index[spelling(path.relative_to(self.root).as_posix() if whole else path.name)].append(path)
        return index


def with_suffix(path: Path) -> Path | None:
    """The only photo that a path without a suffix means; None of another path, or where there is none or several."""
    if path.suffix.lower() in PHOTO_SUFFIXES:
        return None
    suffixes = [form for suffix in PHOTO_SUFFIXES for form in (suffix, suffix.upper())]
    try:
        found = [one for suffix in suffixes if (one := path.with_name(path.name + suffix)).is_file()]
    except (OSError, ValueError):  # a name that no file can have
        return None
    distinct = [one for k, one in enumerate(found) if not any(one.samefile(other) for other in found[:k])]
    return distinct[0] if len(distinct) == 1 else None


def common_root(finders: Iterable[PhotoFinder], found: Iterable[Path]) -> Path:
    """The folder that photos are named relative to: that of the photos if all are in it, else that of the data."""
    first = next(iter(finders))
    return first.root if all(path.is_relative_to(first.root) for path in found) else first.top


def _only(paths: Iterable[Path], how: str) -> FoundPhoto:
    every = tuple(paths)
    return FoundPhoto(every[0], how) if len(every) == 1 else FoundPhoto(None, "", every)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:  # the reader of the data says what is wrong
        return []


def walk_files(folder: Path) -> Iterator[Path]:
    """Files but hidden ones, in order; links to folders are not followed."""
    for here, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))
