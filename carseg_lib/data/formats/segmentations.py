"""COCO segmentations as tools write them, put into COCO's own forms; what is changed is said.

- one flat list of numbers, or a list of points, for one polygon
- parts of one or two points beside proper polygons: strays of a drawing tool, which have no area
- run lengths whose `counts` is the text of Python bytes: "b'...'"
"""

from __future__ import annotations

import ast
from typing import Any

from carseg_lib.data.remarks import FORM, STRAY_PARTS, Remark

_NUMBERS = {int, float}
_LEAST = 6  # numbers of a polygon: three points


def tidy(segmentation: Any) -> tuple[Any, list[Remark]]:
    """A segmentation in COCO's form, and what was changed in it; one that cannot be read is returned as it is.

    Args:
        segmentation: As the file has it.

    Returns:
        The segmentation, of the same pixels; and a remark for each change.
    """
    if isinstance(segmentation, dict):
        return _tidy_run_lengths(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        return segmentation, []
    if len(segmentation) >= _LEAST and are_numbers(segmentation):
        return [segmentation], [Remark(FORM, "one flat list of numbers is read as one polygon")]
    if len(segmentation) >= _LEAST // 2 and all(map(_is_point, segmentation)):
        return [_flat(segmentation)], [Remark(FORM, "a list of points is read as one polygon")]
    parts, remarks = segmentation, []
    if any(map(_is_list_of_points, parts)):
        parts = [_flat(part) if _is_list_of_points(part) else part for part in parts]
        remarks.append(Remark(FORM, "lists of points are read as polygons"))
    proper = [part for part in parts if not _is_stray(part)]
    if proper and len(proper) < len(parts):
        strays = len(parts) - len(proper)
        detail = f"{strays} of {len(parts)} parts of its mask have one or two points and are left out"
        parts, remarks = proper, [*remarks, Remark(STRAY_PARTS, detail)]
    return parts, remarks


def extent(segmentation: Any) -> tuple[float, float, float, float] | None:
    """The smallest (x1, y1, x2, y2) around the polygons of a tidy segmentation, pixels; None of other forms."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    if not all(map(are_numbers, segmentation)):
        return None
    columns = [[part[k::2] for part in segmentation if part[k::2]] for k in (0, 1)]
    if not all(columns):
        return None
    (x1, x2), (y1, y2) = ((float(min(map(min, parts))), float(max(map(max, parts)))) for parts in columns)
    return x1, y1, x2, y2


def are_numbers(part: Any) -> bool:
    """Whether it is a list of numbers, as a polygon is."""
    return isinstance(part, list) and set(map(type, part)) <= _NUMBERS


def _tidy_run_lengths(segmentation: dict[str, Any]) -> tuple[Any, list[Remark]]:
    counts = segmentation.get("counts")
    if isinstance(counts, str) and counts[:2] in ("b'", 'b"'):
        try:
            read = ast.literal_eval(counts)
        except (ValueError, SyntaxError, MemoryError):
            return segmentation, []
        if isinstance(read, bytes) and read.isascii():
            remark = Remark(FORM, "counts, written as the text of Python bytes (b'...'), is read without these marks")
            return segmentation | {"counts": read.decode("ascii")}, [remark]
    return segmentation, []


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and are_numbers(value)


def _is_list_of_points(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(map(_is_point, value))


def _is_stray(part: Any) -> bool:
    return isinstance(part, list) and len(part) in (0, 2, 4) and are_numbers(part)


def _flat(points: list[list[float]]) -> list[float]:
    return [number for point in points for number in point]
