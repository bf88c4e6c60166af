"""Stanford Cars (Krause et al. 2013): the body type is the last word of a class's name, "Audi S4 Sedan 2012".

Read as the devkit comes, cars_train_annos.mat, cars_test_annos_withlabels.mat and cars_meta.mat beside cars_train/ and
cars_test/, or as it circulates in CSV tables: cardatasettrain.csv and cardatasettest.csv, or anno_train.csv and
anno_test.csv with names.csv. The folders of the photos may be nested, as archives leave them.

Boxes are the official ones: pixels count from 1 and the last one belongs to the car. A photo's group is the model of
its car, the class's name without the year.
"""

from __future__ import annotations

import csv
import math
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core.classes import ClassMap, normalize_name
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, car_model, name_of, reading
from carseg_lib.data.formats.mat_file import read_mat
from carseg_lib.data.names import inside
from carseg_lib.data.photos import PHOTO_SUFFIXES

# Annotation files of each split, the first that is there is read; those after the mark have no classes.
_FILES = {
    "train": (("cars_train_annos.mat", "anno_train.csv", "cardatasettrain.csv"), ()),
    "test": (("cars_test_annos_withlabels.mat", "anno_test.csv"), ("cars_test_annos.mat", "cardatasettest.csv")),
}
_CLASSES = ("cars_meta.mat", "cars_annos.mat", "names.csv")
_MARKS = tuple(name for labelled, bare in _FILES.values() for name in labelled + bare)
_PHOTO_FOLDERS = {"train": ("cars_train", "train"), "test": ("cars_test", "test")}
_BODY_WORDS = ("suv", "sedan", "convertible", "minivan", "coupe", "hatchback", "wagon", "van", "cab", "supercab")
_DEPTH = 3  # folders below DATA in which files are looked for
_MAX_BYTES = 50_000_000  # of an annotation file
_FIELDS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")


@dataclass(frozen=True)
class _Labelled:
    """One annotation: its place in the file, the photo's name, the number of the class (from 1), the box as written."""

    where: str
    photo: str
    class_number: int
    box: tuple[int, int, int, int]


def annotation_files(data: Path) -> dict[str, Path]:
    """The files of the devkit, or of its tables, below a folder: path by lower-case name."""
    found: dict[str, Path] = {}
    for folder, _, names in _walk(data, _DEPTH):
        for name in names:
            if name.lower() in (*_MARKS, *_CLASSES):
                found.setdefault(name.lower(), folder / name)
    return found if any(name in found for name in _MARKS) else {}


def _walk(top: Path, depth: int) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`, in the order of names, down to a depth; hidden folders are left out."""
    for folder, subfolders, names in os.walk(top):
        left = depth - len(Path(folder).relative_to(top).parts)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".")) if left > 0 else []
        yield Path(folder), subfolders, sorted(names)


def read_stanford_cars(data: Path, types: ClassMap) -> Listing:
    """List the photos of Stanford Cars whose class names end in one of the types.

    Every class of another body, or without a word for one, is noted in `ignored` with its photos; so are photos whose
    class is not given.

    Raises:
        CarsegError: A file or folder is missing or broken, an annotation lacks a field, names a class that there is
            not or a photo that another names, or no class is of the types.
    """
    files = annotation_files(data)
    listing = Listing(name=name_of(data), root=data, types=types)
    chosen = {split: _choose(listing, files, split) for split in _FILES}
    if not any(chosen.values()):
        given = ", ".join(files)
        raise CarsegError(f"{data}: {given} name no classes; add cars_train_annos.mat or anno_train.csv")
    classes = _class_names(data, files)
    left: Counter[tuple[int, str]] = Counter()
    for split, path in chosen.items():
        if path is None:
            continue
        photos = _Photos(data, split)
        seen: dict[str, str] = {}
        for row in _read_table(path) if path.suffix.lower() == ".csv" else _read_mat(path):
            if (first := seen.setdefault(row.photo, row.where)) != row.where:
                raise CarsegError(f"{row.where}: {row.photo!r} is in {first} too; list every photo once")
            if not 1 <= row.class_number <= len(classes):
                raise CarsegError(f"{row.where}: class {row.class_number} is none of 1 to {len(classes)}")
            class_name = classes[row.class_number - 1]
            body_type = _type_of(class_name, types)
            if body_type is None:
                left[row.class_number, split] += 1
                continue
            x1, y1, x2, y2 = row.box
            text = f"x1 {x1}, y1 {y1}, x2 {x2}, y2 {y2}"
            corners = (x1 - 1.0, y1 - 1.0, float(x2), float(y2))
            annotation = Annotation(body_type, None, corners, text, group=as_text(car_model(class_name)))
            listing.photos.append(ImageRecord(photos.path_of(row), split, [annotation]))
    _note_left_out(listing, classes, left)
    if not listing.photos:
        raise CarsegError(
            f"{data}: no class of Stanford Cars is {types.sentence}; give the last words of its classes as CLASSES"
        )
    return listing


def _choose(listing: Listing, files: dict[str, Path], split: str) -> Path | None:
    """The annotation file of a split; what else there is of it is noted."""
    labelled, bare = ([name for name in names if name in files] for names in _FILES[split])
    for name in labelled[1:]:
        listing.ignore(files[name].name, "other file", f"{labelled[0]} is read", split)
    for name in bare if not labelled else []:
        listing.ignore(files[name].name, "no classes", "its photos have boxes, but no class", split)
    return files[labelled[0]] if labelled else None


def _class_names(data: Path, files: dict[str, Path]) -> list[str]:
    """Names of the classes 1, 2, ..."""
    path = next((files[name] for name in _CLASSES if name in files), None)
    if path is None:
        raise CarsegError(f"{data}: the classes have numbers, but no names; add cars_meta.mat or names.csv")
    if path.suffix.lower() == ".csv":
        names = [cells[0].strip() for _, cells in _rows(path)]
    else:
        names = _loaded(path, "class_names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise CarsegError(f"{path}: not a list of the classes' names; take the original file again")
    return names


def _type_of(class_name: str, types: ClassMap) -> str | None:
    """The type named by the last words of a class's name: "crew cab" before "cab"."""
    words = car_model(class_name).split()
    ends = (" ".join(words[k:]) for k in range(len(words)))
    return next((body_type for end in ends if (body_type := types.resolve(end))), None)


def _note_left_out(listing: Listing, classes: list[str], left: Counter[tuple[int, str]]) -> None:
    """A row for each class that is not used, in the order of the classes."""
    for number in sorted({number for number, _ in left}):
        name = classes[number - 1]
        last = car_model(name).split()[-1]
        body = normalize_name(last) if normalize_name(last) in _BODY_WORDS else "no body word"
        counts = ", ".join(f"{n} {split}" for split in _FILES if (n := left[number, split]))
        listing.ignore(name, listing.types.exclusion_reason(last), f"{body}: {counts} photos")


class _Photos:
    """The photos of a split by file name."""

    def __init__(self, data: Path, split: str):
        self.folder = self._outermost(data, split)
        self.paths: dict[str, str] = {}
        for folder, subfolders, names in os.walk(self.folder):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in sorted(names):
                if Path(name).suffix.lower() in PHOTO_SUFFIXES and not name.startswith("."):
                    path = Path(folder, name).relative_to(data).as_posix()
                    if self.paths.setdefault(name, path) != path:
                        raise CarsegError(f"{data}: {name} lies in {self.paths[name]} and {path}; keep one of them")
        self.expected = self.folder.relative_to(data).as_posix()

    @staticmethod
    def _outermost(data: Path, split: str) -> Path:
        for folder, subfolders, _ in _walk(data, _DEPTH):
            if name := next((name for name in _PHOTO_FOLDERS[split] if name in subfolders), None):
                return folder / name
        raise CarsegError(f"{data}: there is no folder {' or '.join(_PHOTO_FOLDERS[split])}; add the {split} photos")

    def path_of(self, row: _Labelled) -> str:
        """The photo's path below the data set's folder; of a photo that is not there, where it should be."""
        name = inside(row.photo)
        if name is None or "/" in name:
            raise CarsegError(f"{row.where}: {row.photo!r} is not the name of a photo")
        return self.paths.get(name, f"{self.expected}/{name}")


def _loaded(path: Path, variable: str) -> Any:
    """A variable of a MATLAB file, structs as dicts."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CarsegError(f"{path}: larger than {_MAX_BYTES:,} bytes, not the devkit's")
        content = read_mat(path, variable)
    except (OSError, ValueError) as error:
        raise CarsegError(
            f"{path}: not a MATLAB file ({as_text(str(error).strip())[:80]}); take the original file again"
        ) from None
    if variable not in content:
        raise CarsegError(f"{path}: there is no {variable!r} in it; take the original file again")
    return content[variable]


def _read_mat(path: Path) -> Iterator[_Labelled]:
    """The annotations of a devkit's file."""
    rows = _loaded(path, "annotations")
    for number, row in enumerate([rows] if isinstance(rows, dict) else rows, start=1):
        where = f"{path} annotations({number})"
        if not isinstance(row, dict) or (missing := [name for name in _FIELDS if name not in row]):
            raise CarsegError(f"{where}: has no {missing[0] if isinstance(row, dict) else 'fields'}")
        yield _labelled(where, row["fname"], [row[name] for name in _FIELDS[:5]])


def _read_table(path: Path) -> Iterator[_Labelled]:
    """The annotations of a CSV table: with a header that has x1, y1, x2, y2, Class, image; or name, box, class."""
    columns = [0, 1, 2, 3, 4, 5]
    for index, (number, cells) in enumerate(_rows(path)):
        where = f"{path} row {number}"
        header = [cell.strip().lower() for cell in cells]
        if index == 0 and "x1" in header:
            wanted = ("image", "x1", "y1", "x2", "y2", "class")
            if missing := [name for name in wanted if name not in header]:
                raise CarsegError(f"{where}: there is no column {missing[0]!r} (found: {', '.join(header)})")
            columns = [header.index(name) for name in wanted]
            continue
        if len(cells) <= max(columns):
            raise CarsegError(f"{where}: {len(cells)} cells, {max(columns) + 1} are needed")
        name, *numbers = (cells[k].strip() for k in columns)
        yield _labelled(where, name, numbers)


def _labelled(where: str, photo: Any, numbers: list[Any]) -> _Labelled:
    try:
        values = [float(number) for number in numbers]
    except (TypeError, ValueError):
        values = [math.nan]
    if not all(value.is_integer() for value in values):
        raise CarsegError(f"{where}: box and class are not five whole numbers")
    x1, y1, x2, y2, class_number = map(int, values)
    if not isinstance(photo, str) or not photo:
        raise CarsegError(f"{where}: has no name of a photo")
    return _Labelled(where, photo, class_number, (x1, y1, x2, y2))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, with their numbers."""
    with reading(path, "not a CSV table ({}); take the original file again", ValueError, csv.Error):
        reader = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True)
        yield from ((reader.line_num, cells) for cells in reader if any(cells))
