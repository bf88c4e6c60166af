"""The files of a YOLO data set: data.yaml, the names of its classes, its splits, and the label file of a photo."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import SPLITS
from carseg_lib.data.formats.base import as_text, is_junk, reading
from carseg_lib.data.formats.folder_advice import class_names, names_in
from carseg_lib.data.names import split_of, too_long

_MAX_BYTES = 1_000_000  # of a YAML file
_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_NUMBERS = rb"(?:[ \t,;]+[-+0-9.eE]+)"
# a class and its numbers; or what `rows_of` refuses: the name of a class, commas
_ROW = re.compile(rb"\s*(?:\d+(?:\.0*)?" + _NUMBERS + rb"{4,}|[^\W\d][\w-]*" + _NUMBERS + rb"{4,5})\s*")


@dataclass
class Description:
    """What a data.yaml says.

    Attributes:
        path: The file; None without one.
        names: Of the classes, the first for number 0; none where nothing names them.
        places: Splits of folders and photos, as paths inside the data set.
        twice: Folders that are given for two splits.
    """

    path: Path | None = None
    names: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)


def first_labels(data: Path) -> str:
    """The first label file of YOLO in a folder, relative to it; "" if there is none.

    It is a .txt file beside a photo, or in a folder labels beside one of photos, with rows of numbers.
    """
    for folder, subfolders, names in os.walk(data):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        here = Path(folder)
        labels = "labels" in (part.casefold() for part in here.relative_to(data).parts)
        stems = {Path(name).stem for name in names if not name.lower().endswith(".txt")}
        for name in sorted(names):
            if name.lower().endswith(".txt") and (labels or Path(name).stem in stems) and _has_rows(here / name):
                return (here / name).relative_to(data).as_posix()
    return ""


def names_classes(folder: Path) -> bool:
    """Whether a file in a folder names classes, as a data.yaml or a list does."""
    named = any((folder / name).is_file() for name in _YAML) or _only_yaml(folder) or _darknet(folder)
    return bool(named or class_names(folder))


def describe(data: Path) -> Description:
    """What the data.yaml of a folder says, or its list of classes, whatever there is.

    Raises:
        CarsegError: A data.yaml that cannot be read, is not YAML, or names its classes or folders otherwise than YOLO
            does, or that is of points of a pose.
    """
    path = next((data / name for name in _YAML if (data / name).is_file()), None) or _only_yaml(data) or _darknet(data)
    if path is None:
        found = Description(names=_listed_names(data))
        for list_path in sorted(data.glob("*.txt")):  # as CVAT and darknet have them
            if split := split_of(list_path.stem):
                _add_place(data, split, list_path.name, found)
        return found
    content = _read(path)
    if "kpt_shape" in content:
        raise CarsegError(f"{path}: it has kpt_shape, points of a pose, which are not read; export boxes or polygons")
    names = content.get("names")
    if isinstance(names, str):  # darknet's obj.data, or a YAML file with the path of a list
        names = _names_in(data, path, names)
    found = Description(path, _names(path, names))
    for key in ("train", "val", "valid", "validation", "test"):
        values = content.get(key)
        for value in values if isinstance(values, list) else [values]:
            split = split_of(key) or ""
            if value is not None:
                _add_place(data, split, str(value), found)
    found.names = found.names or _listed_names(data)
    return found


def label_file(data: Path, photo_id: str) -> Path | None:
    """The label file of a photo: in labels/ in the place of the last images/, or beside it; None without one."""
    pure = PurePosixPath(photo_id).with_suffix(".txt")
    places = [pure]
    for k in reversed(range(len(pure.parts) - 1)):
        if pure.parts[k].casefold() in ("images", "image", "imgs", "jpegimages"):
            for labels in ("labels", "Labels", "label"):
                places.insert(0, PurePosixPath(*pure.parts[:k], labels, *pure.parts[k + 1 :]))
            break
    places += [PurePosixPath("labels", *pure.parts[k:]) for k in range(len(pure.parts))]
    return next((data / place for place in places if (data / place).is_file()), None)


def rows_of(path: Path) -> Iterator[tuple[int, list[float]]]:
    """The rows of a label file with their numbers: a class, then a box (4 numbers) or a polygon (6 or more).

    Raises:
        CarsegError: It cannot be read, or a row is neither; its number and what is wrong.
    """
    with reading(path, "not UTF-8 text; export the labels again", ValueError):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    for number, line in enumerate(lines, start=1):
        cells = line.split()
        if not cells:
            continue
        where = f"{path} row {number}"
        if "," in line or ";" in line:
            raise CarsegError(
                f"{where}: {as_text(line.strip())[:60]!r} has commas or semicolons; YOLO has spaces between numbers, "
                "and points in them"
            )
        if not cells[0][:1].isdigit() and len(cells) in (5, 6):
            raise CarsegError(
                f"{where}: the class is named, {as_text(cells[0])[:40]!r}; YOLO has its number, 0 for the first name "
                "of data.yaml or classes.txt"
            )
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            raise CarsegError(
                f"{where}: {as_text(line.strip())[:60]!r} is not numbers; export the labels again"
            ) from None
        if len(values) == 6:
            raise CarsegError(
                f"{where}: 6 numbers, as a prediction with its score has; remove the score: class, x, y, width, height"
            )
        if len(values) < 5 or len(values) % 2 == 0:
            raise CarsegError(
                f"{where}: {len(values)} numbers; a box has 5 (class, x, y, width, height), a polygon a class and x, y "
                "of three points or more"
            )
        if values[0] < 0 or not values[0].is_integer():
            raise CarsegError(f"{where}: the class {cells[0]} is not a whole number from 0; export the labels again")
        outside = [cell for cell, value in zip(cells[1:], values[1:], strict=True) if not -0.5 <= value <= 1.5]
        if outside:
            raise CarsegError(
                f"{where}: {outside[0]} is no share of the photo's side, 0 to 1; divide pixels by its width or height"
            )
        yield number, values


def _has_rows(path: Path) -> bool:
    """Whether a text file's first row is one of YOLO's."""
    try:
        with path.open("rb") as file:
            first = file.read(100_000).removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
    except OSError:
        return False
    return _ROW.fullmatch(first) is not None


def _only_yaml(data: Path) -> Path | None:
    """The only YAML file of a folder, if it names classes."""
    paths = [path for path in sorted(data.glob("*.y*ml")) if not is_junk(path.name)]
    try:
        return paths[0] if len(paths) == 1 and re.search(r"^names\s*:", paths[0].read_text(), re.MULTILINE) else None
    except (OSError, ValueError):
        return None


def _darknet(data: Path) -> Path | None:
    """The only .data file of darknet in a folder or in one of its folders, which names lists of classes and photos."""
    paths = [path for path in [*data.glob("*.data"), *data.glob("*/*.data")] if not is_junk(path.name)]
    try:
        return paths[0] if len(paths) == 1 and re.search(r"^names\s*=", paths[0].read_text(), re.MULTILINE) else None
    except (OSError, ValueError):
        return None


def _names_in(data: Path, path: Path, written: str) -> list[str]:
    """The classes in a list that a file names by its path on another machine."""
    place = _end_that_is_here(data, written, Path.is_file)
    names = names_in(data / place) if place else []
    if not names:
        raise CarsegError(f"{path}: the list of classes {as_text(written)} is not in {data}; put it there")
    return names


def _listed_names(data: Path) -> list[str]:
    """The names of the classes in a list in the folder, or in those of the labels; none without one.

    Raises:
        CarsegError: Two lists differ.
    """
    if names := class_names(data):
        return names
    found: dict[tuple[str, ...], str] = {}
    for folder, subfolders, _ in os.walk(data):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        if names := class_names(Path(folder)):
            found.setdefault(tuple(names), folder)
    if len(found) > 1:
        one, other, *_ = found.values()
        raise CarsegError(f"{data}: the classes listed in {one} and in {other} differ; give them one data.yaml or list")
    return list(next(iter(found), ()))


def _read(path: Path) -> dict[str, Any]:
    if path.suffix.lower() == ".data":
        with reading(path, "not UTF-8 text; save it as UTF-8", ValueError):
            lines = [line.partition("=") for line in path.read_text(encoding="utf-8-sig").splitlines()]
        return {name.strip(): value.strip() for name, sign, value in lines if sign}
    with reading(path, "not valid YAML ({}); write it again", yaml.YAMLError, ValueError, RecursionError):
        if path.stat().st_size > _MAX_BYTES:
            raise CarsegError(f"{path}: larger than {_MAX_BYTES:,} bytes, not a description of a data set")
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    if not isinstance(content, dict):
        raise CarsegError(f"{path}: not a description of a YOLO data set; it holds names, train and val")
    return content


def _names(path: Path, names: Any) -> list[str]:
    if names is None:
        return []
    if isinstance(names, dict) and all(type(key) is int and 0 <= key < 10_000 for key in names):
        return [str(names.get(key, key)) for key in range(max(names, default=-1) + 1)]
    if isinstance(names, list):
        return [str(name) for name in names]
    raise CarsegError(f"{path}: names is neither a list nor names of numbers; write names: [suv, sedan]")


def _add_place(data: Path, split: str, value: str, found: Description) -> None:
    """Note the split of a folder, or of the photos in a list, that a data.yaml names.

    Its paths are those of the machine that trained: of each, the longest end that is here counts.
    """
    place = _end_that_is_here(data, value, Path.exists)
    if not place:
        return  # an empty split, or one that was not exported
    names = [place]
    if (data / place).is_file():
        with reading(data / place, "not UTF-8 text; save it as UTF-8", ValueError):
            lines = (data / place).read_text(encoding="utf-8-sig").split("\n")
        names = [name for line in lines if (name := _end_that_is_here(data, line.strip(), Path.is_file))]
    for name in names:
        if found.places.setdefault(name, split) != split:
            found.twice.append(name)
            if SPLITS.index(split) > SPLITS.index(found.places[name]):
                continue
            found.places[name] = split


def _end_that_is_here(data: Path, written: str, is_here: Callable[[Path], bool]) -> str:
    """The longest end of a path of another machine that is in the data; "" if there is none."""
    parts = [part for part in written.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    ends = ("/".join(parts[k:]) for k in range(len(parts)))
    return next((end for end in ends if not too_long(end) and is_here(data / end)), "")
