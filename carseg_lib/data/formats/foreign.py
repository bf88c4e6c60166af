"""Formats that are known and not read: what a data set is, and how its program exports one that is read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from carseg_lib.data.formats.base import is_junk

_HEAD = 65_536  # bytes of a file that are looked at
_LOOKED_AT = 2_000  # files of a data set
_COCO = "then give its folder, or the .json file, as DATA"
# What a program writes: its name, a pattern of the beginning of a file, and what to do in it.
_JSON = (
    ("labelme", r'"shapes"\s*:\s*\[', "convert it with labelme2coco, labelme's own script in examples/"),
    (
        "VGG Image Annotator (VIA)",
        r'"_via_|"shape_attributes"|"regions"\s*:',
        "choose Annotation, Export as COCO format",
    ),
    ("Supervisely", r'"classTitle"|"classId"', "choose Export to COCO in its ecosystem of apps"),
    ("Label Studio", r'^\s*\[\s*\{.*"(?:annotations|completions|predictions)"\s*:.*"data"\s*:', "choose Export, COCO"),
    ("Label Studio", r'^\s*\[\s*\{.*"data"\s*:.*"(?:annotations|completions|predictions)"', "choose Export, COCO"),
    ("CreateML", r'^\s*\[\s*\{.*"(?:label|coordinates)"\s*:', "export it as COCO or Pascal VOC from your program"),
    (
        "Datumaro",
        r'"dm_format_version"|"infos"\s*:.*"categories"\s*:.*"label_categories"|"items"\s*:\s*\[',
        "run datum convert -f coco_instances",
    ),
)
_XML = (("CVAT for images", r"<annotations\b", "choose Export task dataset, format COCO 1.0"),)


def named_format(data: Path) -> str:
    """A message that names the format of a folder or a file that is known and not read, and how to export it; else "".

    Args:
        data: A folder, searched with its subfolders, or a .json or .xml file.
    """
    for path in [data] if data.is_file() else _files(data):
        if name_and_remedy := of_file(path):
            name, remedy = name_and_remedy
            where = "" if path == data else f" ({path.name})"
            return f"{data}: annotations of {name}{where}, which are not read; {remedy}, {_COCO}"
    return ""


def of_file(path: Path) -> tuple[str, str] | None:
    """The name of the program that wrote a .json or .xml file, and how it exports COCO; None if it is not known."""
    kinds = {".json": _JSON, ".xml": _XML}.get(path.suffix.lower(), ())
    if not kinds:
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError:
        return None
    if kinds is _JSON and not head.lstrip().startswith("[") and re.search(r'"images"\s*:\s*\[', head):
        return None  # COCO
    return next(((name, what) for name, pattern, what in kinds if re.search(pattern, head, re.DOTALL)), None)


def _files(data: Path) -> list[Path]:
    """The first annotation files of a folder, at most one suffix a folder."""
    found: list[Path] = []
    seen = 0
    for folder, subfolders, names in os.walk(data):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        seen += len(names)
        for suffix in (".json", ".xml"):
            of_suffix = sorted(name for name in names if name.lower().endswith(suffix) and not is_junk(name))
            found += [Path(folder, name) for name in of_suffix[:3]]
        if seen > _LOOKED_AT and found:
            break
    return found
