"""Photos listed in a CSV table, a row a car: photos.csv in a folder of photos, or any .csv file as DATA.

Columns: photo (a path relative to the table), type; and, if known, x1, y1, x2, y2 (pixels of the photo; x2 and y2 are
outside the car), mask (the path of a PNG in which the car is not black), split (train, validation or test) and group
(the car's model, or the scene: whatever makes photos depend on each other). A photo with several cars has several rows.
A row without type, box and mask is a photo without a car where `data.unlabelled` is "background", else a mistake.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import (
    AS_BACKGROUND,
    Annotation,
    ImageRecord,
    Listing,
    as_text,
    inside,
    name_of,
    reading,
    split_of,
)
from carseg_lib.data.formats.mask_png import MaskPng

NAME = "photos.csv"  # of the table in a folder
_EDGES = ("x1", "y1", "x2", "y2")
_COLUMNS = ("photo", "type", *_EDGES, "mask", "split", "group")

_Row = dict[str, str]


def read_csv_table(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a .csv file, or of the photos.csv in a folder, in the order of its rows.

    Rows of other types, photos without a car of the types and columns of other names are noted in `ignored`.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: Whether rows without type, box and mask are photos without a car ("background") or mistakes.

    Raises:
        CarsegError: One line that names the row: not a table, a missing column, an empty cell, a path that leads
            outside, a box that is not four numbers, an unknown split, a photo in two splits, a photo with and without a
            car, or no row of the types.
    """
    path = data if data.is_file() else data / NAME
    root = path.parent
    listing = Listing(name=name_of(data), root=root, types=types)
    names, rows = _read(path)
    if unknown := [name for name in names if name not in _COLUMNS]:
        listing.ignore(path.name, "other column", f"not read: {', '.join(map(as_text, unknown))}")
    cars: dict[str, list[Annotation]] = {}
    splits: dict[str, tuple[str, int]] = {}
    carless: dict[str, tuple[str, int]] = {}
    others: Counter[str] = Counter()
    first_split: tuple[bool, int] | None = None
    for number, row in rows:
        where = f"{path} row {number}"
        photo_id = _inside(where, row, "photo", root)
        split = split_of(row["split"]) if row["split"] else ""
        if split is None:
            raise CarsegError(f"{where}: the split {row['split']!r} is none of train, validation, test")
        first_split = first_split or (bool(split), number)
        if bool(split) != first_split[0]:
            raise CarsegError(
                f"{where}: {'a' if split else 'no'} split, unlike row {first_split[1]}; give all photos one, or none"
            )
        if splits.setdefault(photo_id, (split, number))[0] != split:
            raise CarsegError(
                f"{where}: {photo_id!r} is in {split}, in row {splits[photo_id][1]} in {splits[photo_id][0]}; a photo "
                "belongs to one split"
            )
        if photo_id in carless or (photo_id in cars and _is_carless(row, unlabelled)):
            first = carless[photo_id][1] if photo_id in carless else splits[photo_id][1]
            raise CarsegError(
                f"{where}: {photo_id!r} is in row {first} too, and one of the two says that it shows no car; keep one"
            )
        if _is_carless(row, unlabelled):
            carless[photo_id] = as_text(row["group"]), number
            continue
        if not row["type"]:
            hint = "" if any(row[name] for name in (*_EDGES, "mask")) else f"; {AS_BACKGROUND}"
            raise CarsegError(f"{where}: the type of {photo_id!r} is empty; name it, or remove the row{hint}")
        corners, text = _corners(where, row)
        mask = MaskPng(root, _inside(where, row, "mask", root)) if row["mask"] else None
        annotations = cars.setdefault(photo_id, [])
        body_type = types.resolve(row["type"])
        if body_type is None:
            others[row["type"]] += 1
        else:
            annotations.append(Annotation(body_type, None, corners, text, mask, as_text(row["group"])))
    for name, rows_of_it in sorted(others.items()):
        listing.ignore(path.name, types.exclusion_reason(name), f"{name}: {rows_of_it} rows")
    for photo_id, annotations in cars.items():
        split = splits[photo_id][0]
        if annotations:
            listing.photos.append(ImageRecord(photo_id, split, annotations))
        else:
            listing.ignore(photo_id, "no labelled car", "no row of the body types", split)
    listing.background = [
        ImageRecord(photo_id, splits[photo_id][0], [], group=group) for photo_id, (group, _) in carless.items()
    ]
    if not listing.photos:
        found = ", ".join(as_text(name) for name in sorted(others)[:10]) or "none"
        raise CarsegError(f"{path}: no row is of type {types.sentence} (found: {found}); give their names in CLASSES")
    return listing


def _is_carless(row: _Row, unlabelled: Unlabelled) -> bool:
    """Whether a row is a photo without a car."""
    return unlabelled == "background" and not any(row[name] for name in ("type", *_EDGES, "mask"))


def _read(path: Path) -> tuple[list[str], Iterator[tuple[int, _Row]]]:
    """The names of the columns, and the rows with their numbers in the file; cells that are missing are ""."""
    rows = _rows(path)
    names = [name.strip().lower() for name in next(rows, (0, []))[1]]
    for name in ("photo", "type"):
        if name not in names:
            hint = "separate the columns by commas" if len(names) == 1 and ";" in names[0] else "add it"
            found = ", ".join(map(as_text, names[:10])) or "none"
            raise CarsegError(f"{path}: there is no column {name!r} (found: {found}); {hint}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise CarsegError(f"{path}: the column {as_text(twice[0])!r} is given twice; keep one of them")
    if 0 < len(edges := [edge for edge in _EDGES if edge in names]) < 4:
        raise CarsegError(f"{path}: of a box there is only {', '.join(edges)}; give x1, y1, x2 and y2, or none")

    def read() -> Iterator[tuple[int, _Row]]:
        for number, cells in rows:
            if len(cells) != len(names):
                raise CarsegError(f"{path} row {number}: {len(cells)} cells, the header has {len(names)}")
            yield number, dict.fromkeys(_COLUMNS, "") | dict(zip(names, map(str.strip, cells), strict=True))

    return names, read()


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the number of their line."""
    with reading(path, "not UTF-8 text; save it as CSV in UTF-8", ValueError):
        reader = csv.reader(path.read_text(encoding="utf-8-sig").splitlines(keepends=True), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise CarsegError(f"{path} row {reader.line_num}: not CSV ({error}); write it again") from None


def _inside(where: str, row: _Row, column: str, root: Path) -> str:
    if not row[column]:
        raise CarsegError(f"{where}: the {column} is empty; name it, or remove the row")
    name = inside(row[column])
    if name is None:
        raise CarsegError(
            f"{where}: the {column} {row[column]!r} leads outside of {root}; paths must be relative to that folder"
        )
    return name


def _corners(where: str, row: _Row) -> tuple[Box | None, str]:
    """The box of a row as numbers and as it is written; None if its four cells are empty."""
    cells = [row[edge] for edge in _EDGES]
    if not any(cells):
        return None, ""
    text = ", ".join(f"{edge} {cell or 'missing'}" for edge, cell in zip(_EDGES, cells, strict=True))
    try:
        x1, y1, x2, y2 = map(float, cells)
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise CarsegError(f"{where}: the box ({text}) is not four numbers; complete it, or leave all four empty")
    return (x1, y1, x2, y2), text
