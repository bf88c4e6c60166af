"""Photos listed in a CSV table, a row a car: photos.csv in a folder of photos, or any .csv file as DATA.

Columns: photo (a path relative to the table), type; and, if known, x1, y1, x2, y2 (pixels of the photo; x2 and y2 are
outside the car), mask (the path of a PNG in which the car is not black), split (train, validation or test), group
(the car's model, or the scene: whatever makes photos depend on each other), and width and height of the photo.
`csv_text` knows other names of columns. A photo with several cars has several rows. A row without type, box and mask is
a photo without a car where `data.unlabelled` is "background", else a mistake.

A folder without photos.csv may have one table of another name, or one in each folder of a split, as Roboflow exports.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
    is_junk,
    name_of,
    reading,
)
from carseg_lib.data.formats.csv_text import (
    EDGES,
    SUBMISSION,
    BadTableError,
    Table,
    decode,
    first_row_names_a_table,
    parse,
)
from carseg_lib.data.formats.folder_advice import advise, by_classes
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.formats.unlisted import note_unlisted
from carseg_lib.data.names import PHOTO_SUFFIXES, inside, split_of
from carseg_lib.data.photo_names import with_suffix
from carseg_lib.data.strange_files import strange

NAME = "photos.csv"  # of the table in a folder

_Row = dict[str, str]


def tables_of(data: Path) -> list[Path]:
    """The tables of a data set: the file, photos.csv, the only other table, or one of each split.

    Those of splits are named after them (train.csv), or lie in folders that are.
    """
    if data.is_file() or (data / NAME).is_file():
        return [data if data.is_file() else data / NAME]
    try:
        folders = [data, *sorted(path for path in data.iterdir() if path.is_dir() and split_of(path.name))]
    except OSError:
        return []
    found = [
        [p for p in sorted(f.glob("*.csv")) if not _is_no_table(p.name) and first_row_names_a_table(p)] for f in folders
    ]
    named = [split_of(table.stem) for table in found[0]]
    if len(named) == 1 or (len(named) > 1 and all(named) and len(set(named)) == len(named)):
        return found[0]
    return [tables[0] for tables in found[1:] if len(tables) == 1] if not found[0] else []


def _is_no_table(name: str) -> bool:
    return is_junk(name) or name.casefold() == SUBMISSION


def names_types(data: Path, types: ClassMap) -> bool:
    """Whether any row of the tables in a folder is of one of the types, and says by name of which photo."""
    tables = [_parsed(path) for path in tables_of(data)]
    return any(types.resolve(row["type"]) for table in tables if not table.by_id for _, row in table.rows)


def read_csv_table(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a .csv file, or of the table in a folder (`tables_of`), in the order of its rows.

    Rows of other types, photos without a car of the types, photos beside the others without a row, and columns of other
    names are noted in `ignored`.

    Args:
        data: The file or folder.
        types: The body types.
        unlabelled: Whether rows without type, box and mask are photos without a car ("background") or mistakes.

    Raises:
        CarsegError: One line that names the row: not a table, a missing column, an empty cell, a path that leads
            outside, a box that is not four numbers, an unknown split, a photo in two splits, a photo with and without a
            car, or no row of the types.
    """
    root = data.parent if data.is_file() else data
    listing = Listing(name=name_of(data), root=root, types=types)
    paths = tables_of(data)
    reader = _Reader(listing, _Photos(root, data.is_dir()), unlabelled)
    for path in paths:
        folder = path.parent.relative_to(root).as_posix().removeprefix(".")
        reader.read(path, folder, split_of(folder if folder else path.stem if len(paths) > 1 else "") or "")
    for path in sorted(root.glob("*.csv")):
        if path.name.casefold() == SUBMISSION and path not in paths:
            listing.ignore(path.name, "other file", "Kaggle's form for answers, not read")
    for name, rows_of_it in sorted(reader.others.items()):
        listing.ignore(paths[0].name, types.exclusion_reason(name), f"{name}: {rows_of_it} rows")
    for photo_id, its_cars in reader.cars.items():
        split = reader.splits[photo_id][0]
        if its_cars:
            boxed = any(car.corners or car.bbox for car in its_cars)
            size = reader.sizes.get(photo_id) if boxed else None
            listing.photos.append(ImageRecord(photo_id, split, its_cars, size))
        else:
            listing.ignore(photo_id, "no labelled car", "no row of the body types", split)
    listing.background = [
        ImageRecord(photo_id, reader.splits[photo_id][0], [], group=group)
        for photo_id, (group, _) in reader.carless.items()
    ]
    if not listing.photos:
        found = ", ".join(as_text(name) for name in sorted(reader.others)[:10]) or "none"
        raise CarsegError(
            f"{paths[0]}: no row is of type {types.sentence} (found: {found}); {by_classes(types, reader.others)}"
        )
    note_unlisted(listing, {*reader.splits, *reader.masks}, "row of the table")
    if reader.photos.without_suffix:
        listing.note(f"{reader.photos.without_suffix} rows name a photo without its suffix")
    if reader.photos.found_by_name:
        listing.note(f"{reader.photos.found_by_name} rows name a photo by another path: found by its name alone")
    single = {name: n for name, n in reader.others.items() if name not in reader.several}
    advise(listing, single, "rows have other types", "rows")
    return listing


class _Photos:
    """Finds the photos that rows name, where a path is another than theirs: as on the machine that wrote the table."""

    def __init__(self, root: Path, search: bool):
        self.root = root
        self.search = search  # in other folders: where DATA is a file, its fingerprint would not know what is found
        self.found_by_name = 0
        self.without_suffix = 0
        self._by_last: dict[str, list[str]] | None = None

    def find(self, folder: str, written: str) -> str | None:
        """The path of a photo relative to the root; None if it leads outside, and no one photo has its name."""
        name = inside(written)
        here = f"{folder}/{name}" if folder and name else name
        if here and os.path.lexists(self.root / here):
            return here
        if here and (found_beside := with_suffix(self.root / here)):
            self.without_suffix += 1
            return found_beside.relative_to(self.root).as_posix()
        if not self.search:
            return here
        if self._by_last is None:
            self._by_last = defaultdict(list)
            for place, subfolders, names in os.walk(self.root):
                subfolders[:] = [one for one in subfolders if not is_junk(one)]
                for one in names:
                    path = Path(place, one).relative_to(self.root).as_posix()
                    self._by_last[one].append(path)
                    if (stem := PurePosixPath(one)).suffix.lower() in PHOTO_SUFFIXES:
                        self._by_last[stem.stem].append(path)
        found = self._by_last.get(PurePosixPath(written.replace("\\", "/")).name, [])
        if folder:
            found = [one for one in found if one.startswith(f"{folder}/")] or found
        if len(found) != 1:
            return here
        self.without_suffix += PurePosixPath(found[0]).name != PurePosixPath(written.replace("\\", "/")).name
        self.found_by_name += 1
        return found[0]


@dataclass
class _Reader:
    """Reads the rows of tables, and keeps what each photo is."""

    listing: Listing
    photos: _Photos
    unlabelled: Unlabelled

    def __post_init__(self) -> None:
        self.cars: dict[str, list[Annotation]] = {}
        self.splits: dict[str, tuple[str, int]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.carless: dict[str, tuple[str, int]] = {}
        self.masks: set[str] = set()  # pictures
        self.others: Counter[str] = Counter()
        self.several: set[str] = set()  # types together, of rows that have several
        self._first_split: tuple[bool, int] | None = None

    def read(self, path: Path, folder: str, split: str) -> None:
        """Read a table; its paths are relative to a folder in the root, its rows of a split unless they name theirs."""
        table = _parsed(path)
        if table.unknown:
            self.listing.ignore(path.name, "other column", f"not read: {', '.join(map(as_text, table.unknown))}")
        if table.short:
            self.listing.note(f"{table.short} rows of {path.name} end early: their last cells are empty")
        if table.separator != ",":
            name = "tabs" if table.separator == "\t" else "semicolons"
            self.listing.note(f"the columns of {path.name} are separated by {name}, in {len(table.rows)} rows")
        if table.classes:
            names = ", ".join(map(as_text, table.classes))
            self.listing.note(
                f"a 1 in one of the columns {names} of {path.name} is the type, in {len(table.rows)} rows"
            )
        if "box" in table.columns:
            self.listing.note(f"boxes in {path.name} are read as x, y, width and height, in {len(table.rows)} rows")
        for number, row in table.rows:
            if table.classes and " + " in row["type"]:
                self.several.add(row["type"])
            row = {**row, "split": row["split"] or split}
            self._read_row(f"{path} row {number}", number, folder, row, bool(table.classes))

    def _read_row(self, where: str, number: int, folder: str, row: _Row, by_columns: bool) -> None:
        root, types = self.listing.root, self.listing.types
        photo_id = self._path(where, folder, row, "photo")
        split = self._split(where, number, row)
        if self.splits.setdefault(photo_id, (split, number))[0] != split:
            raise CarsegError(
                f"{where}: {photo_id!r} is in {split}, in row {self.splits[photo_id][1]} in "
                f"{self.splits[photo_id][0]}; a photo belongs to one split"
            )
        is_carless = _is_carless(row, self.unlabelled)
        if photo_id in self.carless or (photo_id in self.cars and is_carless):
            first = self.carless[photo_id][1] if photo_id in self.carless else self.splits[photo_id][1]
            raise CarsegError(
                f"{where}: {photo_id!r} is in row {first} too, and one of the two says that it shows no car; keep one"
            )
        if is_carless:
            self.carless[photo_id] = as_text(row["group"]), number
            return
        if not row["type"] and by_columns:
            self.listing.add_unlabelled(photo_id, split, "exclude")
            return
        if not row["type"]:
            hint = "" if any(row[name] for name in (*EDGES, "box", "mask")) else f"; {AS_BACKGROUND}"
            raise CarsegError(f"{where}: the type of {photo_id!r} is empty; name it, or remove the row{hint}")
        corners, text = _corners(where, row)
        bbox = _bbox(where, row["box"]) if row["box"] else None
        mask = MaskPng(root, self._path(where, folder, row, "mask")) if row["mask"] else None
        self.masks |= {mask.name} if mask else set()
        annotations = self.cars.setdefault(photo_id, [])
        if row["width"].isdecimal() and row["height"].isdecimal() and int(row["width"]) * int(row["height"]):
            self.sizes[photo_id] = int(row["width"]), int(row["height"])
        body_type = types.resolve(row["type"])
        if body_type is None:
            self.others[row["type"]] += 1
        else:
            annotations.append(Annotation(body_type, bbox, corners, text, mask, as_text(row["group"])))

    def _split(self, where: str, number: int, row: _Row) -> str:
        split = split_of(row["split"]) if row["split"] else ""
        if split is None:
            raise CarsegError(f"{where}: the split {row['split']!r} is none of train, validation, test")
        first = self._first_split = self._first_split or (bool(split), number)
        if bool(split) != first[0]:
            raise CarsegError(
                f"{where}: {'a' if split else 'no'} split, unlike row {first[1]}; give all photos one, or none"
            )
        return split

    def _path(self, where: str, folder: str, row: _Row, column: str) -> str:
        if not row[column]:
            raise CarsegError(f"{where}: the {column} is empty; name it, or remove the row")
        if column == "photo":
            name = self.photos.find(folder, row[column])
        elif (name := inside(row[column])) and folder:
            name = f"{folder}/{name}"
        if name is None:
            raise CarsegError(
                f"{where}: the {column} {row[column]!r} leads outside of {self.listing.root}; paths must be relative "
                "to that folder"
            )
        return name


def _is_carless(row: _Row, unlabelled: Unlabelled) -> bool:
    """Whether a row is a photo without a car."""
    return unlabelled == "background" and not any(row[name] for name in ("type", *EDGES, "box", "mask"))


def _parsed(path: Path) -> Table:
    with reading(path, "not UTF-8 text; save it as CSV in UTF-8", UnicodeDecodeError):
        text = decode(path.read_bytes())
    try:
        return parse(text)
    except BadTableError as error:
        if what := strange(path):
            raise CarsegError(f"{path}: {what}") from None
        row = f" row {error.row}" if error.row else ""
        raise CarsegError(f"{path}{row}: {as_text(str(error))}") from None


def _bbox(where: str, cell: str) -> list[float]:
    """The four numbers of a cell as COCO has them: "[x, y, width, height]", brackets and commas or not."""
    try:
        numbers = [float(number) for number in re.split(r"[\s,;]+", cell.strip("[]() "))]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise CarsegError(f"{where}: the box {as_text(cell)[:60]!r} is not [x, y, width, height]; complete it")
    return numbers


def _corners(where: str, row: _Row) -> tuple[Box | None, str]:
    """The box of a row as numbers and as it is written; None if its four cells are empty."""
    cells = [row[edge] for edge in EDGES]
    if not any(cells):
        return None, ""
    text = ", ".join(f"{edge} {cell or 'missing'}" for edge, cell in zip(EDGES, cells, strict=True))
    try:
        x1, y1, x2, y2 = map(float, cells)
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise CarsegError(f"{where}: the box ({text}) is not four numbers; complete it, or leave all four empty")
    return (x1, y1, x2, y2), text
