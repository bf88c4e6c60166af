"""What a source hands over: the photos it names and what it says of them, before any photo is opened."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.catalogue import BODY_TYPES, PARAMETER_COLUMNS, table

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_NOT_TEXT = {
    "Cc",
    "Cs",
    "Zl",
    "Zp",
}  # Unicode: control, surrogate (stands for an undecodable byte), line ends
_TYPE_NAMES = {spelling: t for t in BODY_TYPES for spelling in (t, t + "s")}


@dataclass(frozen=True)
class Annotation:
    """A labelled car as COCO gives it, not checked yet.

    Attributes:
        body_type: One of BODY_TYPES.
        bbox: [x, y, width, height] in pixels, or None.
        segmentation: Polygons or run lengths, or None.
    """

    body_type: str
    bbox: Any = None
    segmentation: Any = None


@dataclass(frozen=True)
class ListedPhoto:
    """A photo that a source names.

    Attributes:
        photo_id: Path relative to the root, with "/".
        split: One of SPLITS, or "".
        annotations: Its labelled cars, at least one.
        stated_size: (width, height) in pixels if the source states it.
    """

    photo_id: str
    split: str
    annotations: list[Annotation]
    stated_size: tuple[int, int] | None = None


@dataclass
class Listing:
    """Everything that a source names.

    Attributes:
        name: Of the data set.
        root: Folder of the photos.
        photos: In the order of the source.
        ignored: Rows for the catalogue's `excluded`: what the source has that the study does not use.
        parameters: The catalogue's `parameters`, a row for each photo; no rows where the source has none.
    """

    name: str
    root: Path
    photos: list[ListedPhoto] = field(default_factory=list)
    ignored: list[dict[str, str]] = field(default_factory=list)
    parameters: pd.DataFrame = field(default_factory=lambda: table([], PARAMETER_COLUMNS))

    def ignore(self, photo_id: str, reason: str, detail: str, split: str = "", body_type: str = "") -> None:
        """Note something that is left out; not counted as a bad photo."""
        row = {
            "photo_id": photo_id,
            "split": split,
            "body_type": body_type,
            "reason": reason,
            "detail": detail,
        }
        self.ignored.append({column: as_text(value) for column, value in row.items()})


def body_type_of(name: str) -> str | None:
    """The body type that a folder or category name means, or None.

    Case, a plural s, and spaces, hyphens and underscores do not matter: "Mini-Vans" is minivan.
    """
    return _TYPE_NAMES.get(_letters(name))


def split_of(name: str) -> str | None:
    """The split that a folder or annotation file name means, or None.

    Besides case and separators, COCO's "instances_train2017" is understood.
    """
    return _SPLIT_NAMES.get(re.sub(r"^instances|\d+$", "", _letters(name)))


def is_text(name: str) -> bool:
    """Whether a name can stand in a table: no control characters or line ends, no bytes that are not UTF-8."""
    return not any(unicodedata.category(c) in _NOT_TEXT for c in name)


def as_text(name: str) -> str:
    """The name with every character that cannot stand in a table spelled as its hexadecimal code."""
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) in _NOT_TEXT else c for c in name)


def _letters(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).lower()
