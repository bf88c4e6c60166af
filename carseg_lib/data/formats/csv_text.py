"""CSV as people and tools leave it: its encoding, its separator, the names of its columns, rows that end early.

Light, so that the fingerprint of a table's photos can use it.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

EDGES = ("x1", "y1", "x2", "y2")
COLUMNS = ("photo", "type", *EDGES, "box", "mask", "split", "group", "width", "height")
# Other names of columns, of TensorFlow's and Roboflow's tables and of people; without case, spaces, "_" and "-".
_ALIASES = {
    "photo": "filename file filepath image imagename imagepath imagefile img imgname imgpath path fname photopath",
    "type": "class label labelname category classname bodytype bodystyle cartype vehicletype",
    "x1": "xmin left bboxx1",
    "y1": "ymin top bboxy1",
    "x2": "xmax right bboxx2",
    "y2": "ymax bottom bboxy2",
    "box": "bbox boundingbox",
    "mask": "maskpath maskfile maskname",
    "split": "subset partition",
    "width": "imagewidth imgwidth imgw imagew",
    "height": "imageheight imgheight imgh imageh",
}
_IDS = {"id", "imageid", "imgid", "photoid"}  # of the photo, where no other column names it
_NO, _YES = {"0", "0.0", "0.", "false", ""}, {"1", "1.0", "1.", "true"}  # cells of a column that is a type
_HEAD = 4_000  # bytes of a file that tell whether it is a table
SUBMISSION = "sample_submission.csv"  # Kaggle's form for answers, whose labels are made up
_MEANING = {alias: column for column, aliases in _ALIASES.items() for alias in aliases.split()}


class BadTableError(ValueError):
    """What is wrong with a table, and what to do, in words; `row` says where, 0 in the header."""

    def __init__(self, message: str, row: int = 0) -> None:
        super().__init__(message)
        self.row = row


@dataclass
class Table:
    """The rows of a CSV file.

    Attributes:
        rows: (number in the file, cells by the names in COLUMNS; "" where there is none).
        columns: Columns that are there, by their names in COLUMNS.
        unknown: Names of columns that are not read.
        short: Rows that end before the last column.
        by_id: Whether photos are named by an id.
        classes: Types with a column each, of which a row has 1 in its own; none where a column names the type.
        separator: Of the columns.
    """

    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    columns: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    short: int = 0
    separator: str = ","
    by_id: bool = False
    classes: list[str] = field(default_factory=list)


def decode(content: bytes) -> str:
    """The text of a file: UTF-8, with or without a mark, or UTF-16 with one, as Excel writes it.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def parse(text: str) -> Table:
    """Read a table.

    Raises:
        BadTableError: Not CSV, no column of the photos or the types, a column given twice, or a row that does not fit.
    """
    separator = _separator(text.partition("\n")[0])
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, skipinitialspace=True, strict=True)
    lines = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise BadTableError(f"not CSV ({error}); write it again", reader.line_num) from None
    header, body = (lines[0][1] if lines else []), lines[1:]
    table = Table(separator=separator)
    places = _places(header, body, table)
    of_class = {name: header.index(name) for name in table.classes}
    for number, cells in body:
        if any(cells[len(header) :]):
            raise BadTableError(f"{len(cells)} cells, the header has {len(header)}", number)
        if len(cells) < len(header):
            if max(places["photo"], *(of_class or {"type": places["type"]}).values()) >= len(cells):
                raise BadTableError(f"{len(cells)} cells, the header has {len(header)}", number)
            table.short += 1
        filled = [*cells, *[""] * (len(header) - len(cells))]
        row = dict.fromkeys(COLUMNS, "") | {column: filled[k] for column, k in places.items()}
        if of_class:
            row["type"] = " + ".join(name for name, k in of_class.items() if filled[k].casefold() in _YES)
        if separator != ",":  # where ; separates, a comma is the decimal sign
            row |= {edge: row[edge].replace(",", ".") for edge in EDGES}
        table.rows.append((number, row))
    used = {
        *places.values(),
        *of_class.values(),
        *(k for k, name in enumerate(header) if not name and not _any_cell(body, k)),
    }
    table.unknown = [name or f"column {k + 1}, without a name" for k, name in enumerate(header) if k not in used]
    return table


def first_row_names_a_table(path: Path) -> bool:
    """Whether a file begins with the names of columns of photos and types."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if len(head) == _HEAD and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            head = head[: head.rfind(b"\n") + 1] or head  # whole lines
        lines = decode(head).splitlines() or [""]
        header, *body = csv.reader(lines, delimiter=_separator(lines[0]), skipinitialspace=True)
    except (OSError, ValueError, csv.Error):
        return False
    header, found = [name.strip() for name in header], {meaning(name) for name in header}
    if "photo" not in found and not _ids(header):
        return False
    return "type" in found or bool(_classes(header, [(0, [cell.strip() for cell in cells]) for cells in body]))


def meaning(name: str) -> str:
    """The name in COLUMNS of a column, or "" if it has another meaning."""
    key = _key(name)
    return key if key in COLUMNS else _MEANING.get(key, "")


def _key(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.casefold())


def paths_named(text: str) -> set[str]:
    """The files that a table names, as photos and masks.

    Raises:
        BadTableError: It is no table.
    """
    rows = [row for _, row in parse(text).rows]
    return {row[column] for row in rows for column in ("photo", "mask") if row[column]}


def _separator(header: str) -> str:
    """A comma, unless the header has none and has semicolons or tabs, as Excel writes in many countries."""
    if "," in header:
        return ","
    return max((";", "\t"), key=header.count) if header.count(";") + header.count("\t") else ","


def _ids(header: Sequence[str]) -> list[int]:
    """Places of the columns with an id of the photo."""
    return [k for k, name in enumerate(header) if _key(name) in _IDS]


def _classes(header: Sequence[str], body: Sequence[tuple[int, list[str]]]) -> list[str]:
    """The columns that are a type each, as Roboflow's _classes.csv has them: two or more of 0 and 1 alone."""
    found = []
    for k, name in enumerate(header):
        cells = {cells[k].casefold() for _, cells in body if k < len(cells)}
        if name and not meaning(name) and k not in _ids(header) and cells and cells <= _NO | _YES and cells - {""}:
            found.append(name)
    return found if len(found) > 1 else []


def _places(header: Sequence[str], body: Sequence[tuple[int, list[str]]], table: Table) -> dict[str, int]:
    """The place of each known column; a column of its own name goes before one of another name."""
    lowered = [name.casefold() for name in header]
    if twice := [name for name in lowered if name and lowered.count(name) > 1]:
        raise BadTableError(f"the column {twice[0]!r} is given twice; keep one of them")
    places: dict[str, int] = {}
    for k, name in enumerate(lowered):
        if name in COLUMNS:
            places[name] = k
    for k, name in enumerate(lowered):
        column = meaning(name)
        if not column or name in COLUMNS:
            continue
        if column in places and lowered[places[column]] not in COLUMNS:
            raise BadTableError(
                f"the columns {header[places[column]]!r} and {header[k]!r} can both be {column}; name one {column}"
            )
        places.setdefault(column, k)
    if "photo" not in places and len(ids := _ids(header)) == 1:
        places["photo"], table.by_id = ids[0], True
    if "type" not in places and "photo" in places:
        table.classes = _classes(header, body)
    for name in ("photo", "type"):
        if name not in places and not (name == "type" and table.classes):
            found = ", ".join(header[:10]) or "none"
            hint = "add it"
            if header and PurePosixPath(header[0]).suffix.lower() in (".jpg", ".jpeg", ".png"):
                hint = "the first row is no row of names; write one above it: photo,type or photo,x1,y1,x2,y2,type"
            raise BadTableError(f"there is no column {name!r} (found: {found}); {hint}")
    if 0 < len(edges := [edge for edge in EDGES if edge in places]) < 4:
        raise BadTableError(f"of a box there is only {', '.join(edges)}; give x1, y1, x2 and y2, or none")
    if edges and "box" in places:
        raise BadTableError(
            f"boxes are in the column {header[places['box']]!r} and in x1, y1, x2, y2; keep one of them"
        )
    if not edges and {"x", "y"} <= set(lowered):
        raise BadTableError(
            "boxes by the columns x and y, with a width and a height, are not read; give x1, y1, x2 and y2"
        )
    table.columns = set(places)
    return places


def _any_cell(rows: Sequence[tuple[int, list[str]]], place: int) -> bool:
    return any(place < len(cells) and cells[place] for _, cells in rows)
