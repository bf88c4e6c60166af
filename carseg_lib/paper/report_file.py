"""Reads a printed classification report from a file: a CSV table, or scikit-learn's printed text.

The numbers stay as they are printed, so that their digits are known. `pd.DataFrame(classification_report(...,
output_dict=True)).T.to_csv(...)` is such a table, too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from carseg_lib.core.cli import whole_number
from carseg_lib.core.errors import CarsegError
from carseg_lib.paper.printed import ROUNDINGS, Printed, Rounding
from carseg_lib.paper.report import Cell, Report

COLUMNS = {
    "precision": "precision",
    "ppv": "precision",
    "recall": "recall",
    "sensitivity": "recall",
    "f1": "f1",
    "f1 score": "f1",
    "f score": "f1",
    "accuracy": "accuracy",
    "acc": "accuracy",
    "support": "support",
    "count": "support",
}  # names of columns, in small letters and without signs
AVERAGES = {
    "macro": "macro",
    "macro avg": "macro",
    "macro average": "macro",
    "weighted": "weighted",
    "weighted avg": "weighted",
    "weighted average": "weighted",
    "avg total": "weighted",
    "micro": "micro",
    "micro avg": "micro",
    "micro average": "micro",
}  # names of rows
ACCURACY = "accuracy"
MISSING = ("", "-", "–", "—", "nan", "n/a", "na")
OPTIONS = ("rounding", "digits", "counts", "rows")
OTHERS = "other classes"  # the row of those that the table leaves out


def read_report(path: Path, photos: str = "", headline: str = "", options: str = "") -> Report:
    """Read a report from a file, with what is known beside it.

    Args:
        path: A CSV file (comma, semicolon or tab) with a row for each class, or scikit-learn's printed report.
        photos: The number of photos, as text; "" if not known.
        headline: Averages of a kind that is not said, as text: "accuracy=91.2% f1=89.6%".
        options: How it is printed, as text: "rounding=down" (`ROUNDINGS`), "digits=3" (decimals that every number has
            at least, if the table has lost trailing zeros), "counts=259,140,55,136" (photos of each class), "rows=some"
            (there are more classes than rows).

    Raises:
        CarsegError: The file, a number or an option cannot be read; the message names its row, column and value.
    """
    chosen = _pairs(options, OPTIONS, "SET")
    rule = chosen.get("rounding", "nearest")
    if rule not in ROUNDINGS:
        raise CarsegError(f"SET: rounding={rule}: must be one of {', '.join(ROUNDINGS)}")
    rounding = Rounding(rule, whole_number(chosen.get("digits", "0"), "digits"))
    table = _Table(path, rounding)
    if not table.cells:
        raise CarsegError(f"{path}: no precision, recall, f1 or accuracy of a class")
    support = table.support
    if "counts" in chosen:
        support = tuple(whole_number(count, "counts") for count in chosen["counts"].split(","))
    if support and len(support) != len(table.names):
        raise CarsegError(f"{path}: {len(support)} counts for {len(table.names)} classes")
    if support and not sum(support):
        raise CarsegError(f"{path}: the classes have no photos")
    if chosen.get("rows", "all") not in ("all", "some"):
        raise CarsegError(f"SET: rows={chosen['rows']}: must be all or some")
    names = tuple(table.names)
    total = whole_number(photos, "N") if photos else None
    if total == 0:
        raise CarsegError("N=0: must be 1 or more")
    if chosen.get("rows") == "some":
        names = (*names, OTHERS)
        if support and (total is None or total < sum(support)):
            raise CarsegError(f"{path}: with rows=some, N must be the photos of all classes, {sum(support):,} or more")
        support = (*support, total - sum(support)) if support and total else ()
    figures = _pairs(headline, ("accuracy", "precision", "recall", "f1"), "HEADLINE")
    return Report(
        names,
        table.cells,
        support=support,
        averages=table.averages,
        accuracy=table.accuracy,
        headline={metric: _read(text, rounding, f"HEADLINE: {metric}") for metric, text in figures.items()},
        photos=total,
        place=str(path),
    )


def _pairs(text: str, known: Sequence[str], where: str) -> dict[str, str]:
    """Words "name=value" by name."""
    found: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if not (equals and value) or name not in known:
            raise CarsegError(f"{where}: '{word}' must be name=value, the name one of {', '.join(known)}")
        if name in found:
            raise CarsegError(f"{where}: {name} is given twice")
        found[name] = value
    return found


def _read(text: str, rounding: Rounding, where: str, *, percent: bool = False) -> Printed:
    try:
        return rounding.read(text, percent=percent)
    except CarsegError as error:
        raise CarsegError(f"{where}: {error}") from None


class _Table:
    """The numbers of a file: rows of classes, of averages, of the overall accuracy."""

    def __init__(self, path: Path, rounding: Rounding) -> None:
        self._path, self._rounding = path, rounding
        self.names: list[str] = []
        self.cells: dict[Cell, Printed] = {}
        self.averages: dict[str, dict[str, Printed]] = {}
        self.accuracy: Printed | None = None
        self._counts: dict[str, int] = {}
        header, *rows = _lines(path)
        columns = [self._column(name) for name in header[1:]]
        if twice := next((name for name, _ in columns if [n for n, _ in columns].count(name) > 1), None):
            raise CarsegError(f"{path}: two columns are {twice}")
        seen: set[str] = set()
        for row in rows:
            name, *values = (value.strip() for value in row)
            if len(values) != len(columns):
                raise CarsegError(f"{path}: row '{name}' has {len(values)} values for {len(columns)} columns")
            if name in seen:
                raise CarsegError(f"{path}: two rows are named '{name}'")
            seen.add(name)
            self._add(name, columns, values)

    @property
    def support(self) -> tuple[int, ...]:
        """Photos of each class; empty if a row has none."""
        known = [self._counts.get(name) for name in self.names]
        return tuple(count for count in known if count is not None) if None not in known else ()

    def _column(self, name: str) -> tuple[str, bool]:
        """The column of a name, and whether its numbers are percentages."""
        plain = " ".join(re.sub(r"[^a-z0-9 ]", " ", name.lower()).split())
        if plain not in COLUMNS:
            known = ", ".join(dict.fromkeys(COLUMNS.values()))
            raise CarsegError(
                f"{self._path}: unknown column '{name.strip()}': rename it or leave it out; known: {known}"
            )
        return COLUMNS[plain], "%" in name

    def _add(self, name: str, columns: Sequence[tuple[str, bool]], values: Sequence[str]) -> None:
        kind = " ".join(re.sub(r"[^a-z0-9 ]", " ", name.lower()).split())
        if "," in name:
            raise CarsegError(f"{self._path}: row '{name}': a name with a comma; write it without")
        if kind == "samples avg":
            raise CarsegError(f"{self._path}: row '{name}': a photo of several classes at once cannot be checked")
        numbers: dict[str, Printed] = {}
        for (column, percent), text in zip(columns, values, strict=True):
            if text.lower() in MISSING:
                continue
            where = f"{self._path}: row '{name}', column {column}"
            if column != "support":
                numbers[column] = _read(text, self._rounding, where, percent=percent)
            elif kind not in AVERAGES and kind != ACCURACY:
                self._counts[name] = _count(text, where)
        if kind == ACCURACY:  # one number, in one column or in all of them
            if len({number.text for number in numbers.values()}) != 1:
                raise CarsegError(f"{self._path}: row '{name}' must have one number, the overall accuracy")
            self.accuracy = next(iter(numbers.values()))
        elif kind in AVERAGES:
            self.averages[AVERAGES[kind]] = numbers
        else:
            self.names.append(name)
            self.cells |= {(name, column): number for column, number in numbers.items()}


def _count(text: str, where: str) -> int:
    number = text.replace(",", "").removesuffix(".0")
    if not number.isdecimal() or len(number) > 9:
        raise CarsegError(f"{where}: '{text}' is no number of photos")
    return int(number)


def _lines(path: Path) -> list[list[str]]:
    """The rows of a file as texts, its header first."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CarsegError(f"{path}: there is no such file") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise CarsegError(f"{path}: is no text file") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise CarsegError(f"{path}: is empty")
    separator = next((sign for sign in (",", ";", "\t") if sign in lines[0]), None)
    if separator:
        try:
            return list(csv.reader(lines, delimiter=separator))
        except csv.Error as error:
            raise CarsegError(f"{path}: not a CSV table ({error})") from None
    # Printed text: columns stand two spaces apart; the row of the accuracy leaves some out.
    header = ["", *re.split(r"\s{2,}", lines[0].strip())]
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[1:]]
    return [header, *(_filled(row, len(header)) for row in rows)]


def _filled(row: list[str], width: int) -> list[str]:
    """A row of printed text with empty texts for what it leaves out: the last numbers are of the last columns."""
    return [row[0], *[""] * (width - len(row)), *row[1:]]


def described(report: Report) -> str:
    """What was read, in a line."""
    parts = [
        f"{len(report.names)} classes ({', '.join(report.names)})",
        f"columns {', '.join(report.columns) or 'none'}",
        f"averages {', '.join(report.averages)}" if report.averages else "",
        f"accuracy {report.accuracy.text}" if report.accuracy else "",
        "headline " + ", ".join(f"{m} {number.text}" for m, number in report.headline.items())
        if report.headline
        else "",
        f"{report.total:,} photos" if report.total else "number of photos not known",
    ]
    return f"{report.place}: " + "; ".join(part for part in parts if part)
