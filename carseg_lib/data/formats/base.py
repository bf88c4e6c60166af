"""The common result of all readers of data sets: photos and their annotations, before any photo is opened."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.catalogue import PARAMETER_COLUMNS, table
from carseg_lib.data.formats.json_files import read_json
from carseg_lib.data.formats.mask_png import MaskPng
from carseg_lib.data.formats.placed_masks import PlacedMask
from carseg_lib.data.names import NOT_TEXT
from carseg_lib.data.strange_files import strange

# Folders and files that systems and programs leave between photos; those that begin with a dot are hidden besides.
_JUNK = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__"}
_JUNK |= {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@recycle", "recycler"}
AS_BACKGROUND = "SET=unlabelled=background takes it as a photo without a car"


@dataclass(frozen=True)
class Annotation:
    """A labelled car as the data set gives it, not checked yet.

    Attributes:
        body_type: One of the body types.
        bbox: [x, y, width, height] in pixels as COCO gives it, or None.
        corners: (x1, y1, x2, y2) in pixels, x2 and y2 outside the car, or None; instead of `bbox`.
        box_text: The box as the data set writes it, for messages; `bbox` itself if empty.
        segmentation: Polygons or run lengths as COCO gives them, a PNG file, a bitmap of a part of the photo, or None.
        group: What makes the photo depend on others: the car's model, or the scene; "" if it is not known.
    """

    body_type: str
    bbox: Any = None
    corners: Box | None = None
    box_text: str = ""
    segmentation: Any | MaskPng | PlacedMask = None
    group: str = ""


@dataclass(frozen=True)
class ImageRecord:
    """A photo that a data set lists.

    Attributes:
        photo_id: Path relative to the root, with "/".
        split: One of SPLITS, or "".
        annotations: Its labelled cars; none of a photo that is known to show no car.
        stated_size: (width, height) in pixels if the data set states it.
        group: Of a photo without a car, as `Annotation.group`; a photo of cars has that of its largest.
    """

    photo_id: str
    split: str
    annotations: list[Annotation]
    stated_size: tuple[int, int] | None = None
    group: str = ""


@dataclass
class Listing:
    """The photos of a data set.

    Attributes:
        name: Name of the data set.
        root: Folder of the photos.
        source: Name of the format, in words.
        hint: What to do where a type has too few photos; "" to add photos of it.
        types: The body types; those of the type folders, where these name them.
        photos: The photos with a labelled car, in the order of the data set.
        background: The photos that are known to show no car, in the order of the data set.
        ignored: Rows for the catalogue's `excluded`: parts of the data set that are not used.
        parameters: The catalogue's `parameters`, a row for each photo; no rows where the data set has none.
    """

    name: str
    root: Path
    source: str = ""
    hint: str = ""
    types: ClassMap = field(default_factory=ClassMap)
    photos: list[ImageRecord] = field(default_factory=list)
    background: list[ImageRecord] = field(default_factory=list)
    ignored: list[dict[str, str]] = field(default_factory=list)
    parameters: pd.DataFrame = field(default_factory=lambda: table([], PARAMETER_COLUMNS))

    def ignore(self, photo_id: str, reason: str, detail: str, split: str = "", body_type: str = "") -> None:
        """Note a part that is left out; not counted as a bad photo."""
        self.ignored.append(excluded_row(photo_id, reason, detail, split, body_type))

    def car_counts(self) -> Counter[str]:
        """Labelled cars by type."""
        return Counter(one.body_type for photo in self.photos for one in photo.annotations)

    def note(self, what: str) -> None:
        """Note what is used, but understood otherwise than it is written: how many boxes, rows or files, and how."""
        self.ignore("./", "read otherwise", what)

    def add_unlabelled(self, photo_id: str, split: str, unlabelled: Unlabelled) -> None:
        """List a photo without any annotation as background, or note that it is left out and what would take it."""
        if unlabelled == "background":
            self.background.append(ImageRecord(photo_id, split, []))
        else:
            self.ignore(photo_id, "no labelled car", f"no annotation at all; {AS_BACKGROUND}", split)


def excluded_row(photo_id: str, reason: str, detail: str, split: str, body_type: str) -> dict[str, str]:
    """A row of the catalogue's `excluded`."""
    row = {"photo_id": photo_id, "split": split, "body_type": body_type, "reason": reason, "detail": detail}
    return {column: as_text(value) for column, value in row.items()}


@contextmanager
def reading(path: Path, broken: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn the errors of reading a file into one line.

    Args:
        path: The file.
        broken: What it is not, and what to do; {} stands for the error.
        kinds: The errors of a file that can be read, but is not what it should be.
    """
    try:
        yield
    except OSError as error:
        raise CarsegError(f"{path}: cannot be read ({error.strerror})") from None
    except kinds as error:
        if what := strange(path):
            raise CarsegError(f"{path}: {what}") from None
        raise CarsegError(f"{path}: {broken.format(as_text(str(error).strip()))}") from None


def read_annotations(path: Path, advice: str = "export the annotations again") -> Any:
    """What a JSON file of annotations holds, not to be changed.

    Args:
        path: The file.
        advice: What to do where it is no JSON.

    Raises:
        CarsegError: It cannot be read, or is no JSON.
    """
    with reading(path, f"not JSON ({{}}); {advice}", ValueError, RecursionError):
        return read_json(path)


def objects_of(content: Any, name: str) -> list[dict[str, Any]] | None:
    """The list of objects that a JSON object has by a name; None where it is none, or holds anything else."""
    rows = content.get(name) if isinstance(content, dict) else None
    return rows if isinstance(rows, list) and all(isinstance(row, dict) for row in rows) else None


def name_of(data: Path) -> str:
    """The name of a data set: of its folder or file; "slug@3" for kagglehub's .../datasets/owner/slug/versions/3."""
    path = data.resolve()
    for folder in (path, *path.parents):
        parts = folder.parts
        if len(parts) > 5 and parts[-2] == "versions" and parts[-5] == "datasets" and parts[-1].isdigit():
            return f"{parts[-3]}@{parts[-1]}"
    return data.stem if data.is_file() else path.name


def car_model(name: str) -> str:
    """A model's name without its year: "Audi S4 Sedan" for "Audi S4 Sedan 2012".

    Two years of a model are one group: they are of one make, and often look alike.
    """
    return re.sub(r"\s+\d{4}$", "", name.strip())


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or one that systems leave between photos: no part of a data set."""
    return name.startswith(".") or name.casefold() in _JUNK


def as_text(name: str) -> str:
    """A name with the hexadecimal code of every character that cannot be in a table."""
    return "".join(f"\\x{ord(c):02x}" if unicodedata.category(c) in NOT_TEXT else c for c in name)
