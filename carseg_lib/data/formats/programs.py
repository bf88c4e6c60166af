"""Which program wrote an annotation file, by what is in it; and, of those that are not read, how each exports COCO."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from carseg_lib.data.formats.base import is_junk, read_annotations
from carseg_lib.data.formats.json_files import read_json

COCO, CVAT, LABELME, LABEL_STUDIO = "COCO", "CVAT for images", "labelme", "Label Studio"
SUPERVISELY, VIA = "Supervisely", "VGG Image Annotator (VIA)"

_HEAD = 65_536  # bytes of a file that are looked at
_LOOKED_AT = 2_000  # files of a data set
_THEN = "then give its folder, or the file, as DATA"
# What a program writes: its name, and a pattern of the beginning of a file.
_JSON = (
    ("Labelbox", r'"data_row"\s*:\s*\{|"Labeled Data"\s*:'),
    ("V7 Darwin", r'"item"\s*:\s*\{.*"slots"\s*:|"workview_url"\s*:'),
    ("SuperAnnotate", r'"instances"\s*:.*"className"\s*:'),
    ("VIA 3", r'"project"\s*:.*"pid"\s*:|"_via_3|"vid_list"\s*:'),
    (LABELME, r'"shapes"\s*:\s*\[|"imageData"\s*:|"imagePath"\s*:'),
    (VIA, r'"_via_|"shape_attributes"|"regions"\s*:'),
    (SUPERVISELY, r'"classTitle"|"classId"|"objects"\s*:\s*\[|"classes"\s*:\s*\[\s*\{[^}]*"shape"\s*:'),
    (
        "Label Studio, JSON_MIN",
        r'^\s*\[\s*\{(?!.*"(?:annotations|completions|predictions)"\s*:).*"(?:rectangle|polygon|brush)labels"',
    ),
    (LABEL_STUDIO, r'^\s*\[\s*\{.*"(?:annotations|completions|predictions)"\s*:.*"data"\s*:'),
    (LABEL_STUDIO, r'^\s*\[\s*\{.*"data"\s*:.*"(?:annotations|completions|predictions)"'),
    ("CreateML", r'^\s*\[\s*\{.*"(?:label|coordinates)"\s*:'),
    ("Datumaro", r'"dm_format_version"|"infos"\s*:.*"categories"\s*:.*"label_categories"|"items"\s*:\s*\['),
)
_LINES = (*_JSON, ("Hugging Face's image folders", r'^\s*\{[^\n]*"(?:file_name|image)"\s*:'))
_NUMBER = r"-?\d+(?:\.\d+)?"
_TEXT = (
    ("KITTI", rf"^\S+ {_NUMBER} -?\d(?: {_NUMBER}){{12,13}}\s"),  # a name first, and 14 numbers or 15
    ("a list of photos as text", r"(?i)^[^\n]*\.(?:jpe?g|png|bmp|webp)[\"']?[ \t,;|:]+\S"),
)
# What rows of COCO have that are no objects, and what it is.
_HELD = {"caption": "captions", "segments_info": "panoptic segments", "keypoints": "key points"}
_XML = (("CVAT for video", r"<annotations\b.*<track\b"), (CVAT, r"<annotations\b"))
_KINDS = {".json": _JSON, ".ndjson": _LINES, ".jsonl": _LINES, ".xml": _XML, ".txt": _TEXT}
_FORMATS = {
    COCO: "coco",
    CVAT: "cvat",
    LABELME: "labelme",
    LABEL_STUDIO: "label-studio",
    SUPERVISELY: "supervisely",
    VIA: "via",
}  # what FORMAT calls those that are read
# How the programs whose files are not read export such that are.
_REMEDIES = {
    "VIA 3": "export the annotations as COCO, or draw photos in VIA 2",
    "Label Studio, JSON_MIN": "choose Export, JSON",
    "CreateML": "export it as COCO or Pascal VOC from your program",
    "Datumaro": "run datum convert -f coco_instances",
    "Labelbox": "convert it to COCO, or to a table with the columns photo,x1,y1,x2,y2,type",
    "V7 Darwin": "export it as COCO",
    "SuperAnnotate": "export it as COCO",
    "Hugging Face's image folders": "write it as a table photos.csv with the columns photo,x1,y1,x2,y2,type",
    "KITTI": "run datum convert -if kitti -f coco_instances",
    "a list of photos as text": "save it as photos.csv, with commas and a first line photo,type",
    "CVAT for video": "choose Export task dataset, format CVAT for images 1.1",
}


def named_format(data: Path) -> str:
    """A message that names the format of a folder or a file that is known and not read, and how to export it; else "".

    Args:
        data: A folder, searched with its subfolders, or a file.
    """
    for path in [data] if data.is_file() else _files(data):
        if (program := of_file(path)) in _REMEDIES:
            where = "" if path == data else f" ({path.relative_to(data).as_posix()})"
            return f"{data}: annotations of {program}{where}, which are not read; {_REMEDIES[program]}, {_THEN}"
    return ""


def remedy(path: Path) -> str:
    """What to do with a file that is of another format than its folder; "" if its program is not known."""
    program = of_file(path)
    if program is None:
        return ""
    return f"annotations of {program}: {_REMEDIES.get(program) or f'FORMAT={_FORMATS[program]} reads them'}"


def of_file(path: Path) -> str | None:
    """The program, or format, that an annotation file is of, by its beginning; None of COCO, or if it is not known."""
    kinds = _KINDS.get(path.suffix.lower(), ())
    if not kinds:
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_HEAD)
    except OSError:
        return None
    head = content.decode(json.detect_encoding(content), errors="replace")
    if kinds is _JSON and not head.lstrip().startswith("[") and re.search(r'"images"\s*:\s*\[', head):
        return None  # COCO
    return next((name for name, pattern in kinds if re.search(pattern, head, re.DOTALL)), None)


def names_instances(path: Path) -> bool:
    """Whether a file has the name that COCO and CVAT give to instances: instances_default.json."""
    return path.name.casefold().lstrip("_").startswith("instances")


def held_instead(content: Any) -> str:
    """What a file in COCO's form holds in place of labelled objects, in words; "" of objects, or of another form."""
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        return ""
    rows = content.get("annotations")
    if not rows:
        return "names of photos without annotations"
    first = rows[0] if isinstance(rows, list) and isinstance(rows[0], dict) else {}
    return next((words for key, words in _HELD.items() if key in first), "")


def lacks_instances(path: Path, program: str) -> str:
    """Why a .json file beside others is not read, in words; "" of one that holds a program's labelled objects.

    Raises:
        CarsegError: It is no JSON, so that nobody knows what is lost.
    """
    held = held_instead(read_annotations(path)) if program == COCO else ""
    return held or ("" if program_of(path) == program else remedy(path) or f"no annotations of {program}")


def program_of(path: Path) -> str | None:
    """The program that wrote a file which lists many photos, by all that is in it; None if it is not known."""
    if path.suffix.lower() == ".csv":
        return VIA if _is_via_table(path) else None
    if path.suffix.lower() != ".json":
        return of_file(path)
    try:
        content = read_json(path)
    except (OSError, ValueError, RecursionError):  # a file of something else, or of nothing
        return None
    return _program_of_content(content)


def _program_of_content(content: Any) -> str | None:
    if isinstance(content, list):
        return LABEL_STUDIO if any(map(_is_task, content[:100])) else None
    if not isinstance(content, dict):
        return None
    if all(isinstance(content.get(name), list) for name in ("images", "annotations", "categories")):
        return COCO
    rows = content.get("_via_img_metadata", content)
    if rows is not content or (rows and isinstance(rows, dict) and all(map(_is_via_photo, rows.values()))):
        return VIA
    return None


def _is_task(row: Any) -> bool:
    """Whether a row of a list is a task of Label Studio."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("data"), dict)
        and any(isinstance(row.get(name), list) for name in ("annotations", "completions", "predictions"))
    )


def _is_via_photo(row: Any) -> bool:
    return isinstance(row, dict) and "filename" in row and isinstance(row.get("regions"), list | dict)


def _is_via_table(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"region_shape_attributes" in file.read(4_000).partition(b"\n")[0]
    except OSError:
        return False


def _files(data: Path) -> list[Path]:
    """The first annotation files of a folder, at most three of a suffix in each of its folders."""
    found: list[Path] = []
    seen = 0
    for folder, subfolders, names in os.walk(data):
        subfolders[:] = sorted(name for name in subfolders if not is_junk(name))
        seen += len(names)
        for suffix in _KINDS:
            of_suffix = sorted(name for name in names if name.lower().endswith(suffix) and not is_junk(name))
            found += [Path(folder, name) for name in of_suffix[:3]]
        if seen > _LOOKED_AT and found:
            break
    return found
