"""The photos that an annotation file names, by its form alone: for the fingerprints of data sets, which are light."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from carseg_lib.data.formats.csv_text import BadTableError, decode, paths_named
from carseg_lib.data.formats.json_files import read_json
from carseg_lib.data.names import outside
from carseg_lib.data.photo_names import PhotoFinder, with_suffix

_WRONG = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, ParseError, DefusedXmlException)


def photos_of(annotations: Path) -> dict[str, Path]:
    """The files that an annotation file names, inside the folder of the data; none if it is no such file.

    Args:
        annotations: A table, or a file of COCO, CVAT, Label Studio or VIA.

    Returns:
        Names as they are written, with /, and the files.
    """
    try:
        if annotations.suffix.lower() == ".csv" and (names := _of_table(annotations)) is not None:
            places = {name: annotations.parent / name for name in names if not outside(name)}
            return {name: path if os.path.lexists(path) else with_suffix(path) or path for name, path in places.items()}
        finders: dict[str, PhotoFinder] = {}
        found: dict[str, Path] = {}
        for name, subset in _names(annotations):
            finder = finders.setdefault(subset, PhotoFinder(annotations, annotations, subset))
            if path := finder.find(name).path:
                found[f"{subset}/{name}".lstrip("/").replace("\\", "/") if subset else name.replace("\\", "/")] = path
        return found
    except _WRONG:
        return {}  # the reader of the data says what is wrong with it


def _of_table(path: Path) -> set[str] | None:
    """The files that a table names; None of VIA's."""
    text = decode(path.read_bytes())
    if "region_shape_attributes" in text.partition("\n")[0]:
        return None
    try:
        return {name.replace("\\", "/") for name in paths_named(text)}
    except BadTableError:
        return set()


def _names(path: Path) -> Iterator[tuple[str, str]]:
    """Names of photos, and of the subset of each, "" without one."""
    if path.suffix.lower() == ".csv":
        rows = csv.DictReader(io.StringIO(decode(path.read_bytes())))
        yield from ((row.get("filename") or row["#filename"], "") for row in rows)
    elif path.suffix.lower() == ".xml":
        for _, element in iterparse(str(path), events=("end",), forbid_dtd=True):
            if element.tag == "image":
                yield element.get("name", ""), element.get("subset", "")
            element.clear()
    else:
        yield from ((name, "") for name in _of_json(read_json(path)))


def _of_json(content: Any) -> Iterator[str]:
    if isinstance(content, list):  # tasks of Label Studio: the texts of their data
        yield from (text for task in content for text in task["data"].values() if isinstance(text, str) and text)
    elif "images" in content:
        yield from (row["file_name"] for row in content["images"])
    else:
        yield from (row["filename"] for row in content.get("_via_img_metadata", content).values())
