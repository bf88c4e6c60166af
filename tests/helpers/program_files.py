"""The drawn cars of `layouts` as annotation programs write them: labelme, CVAT, Label Studio, VIA, Supervisely.

Each writer takes a form: "box", "polygon" (along the box) or "bitmap" (the mask itself).
"""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.helpers.layouts import SHORT, SIZE, Car, cars, write

WIDTH, HEIGHT = SIZE


def png(mask: np.ndarray) -> bytes:
    """A bitmap as a PNG of one bit a pixel."""
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "PNG")
    return file.getvalue()


def cut(car: Car) -> np.ndarray:
    """The part of a car's mask that is in its box."""
    x1, y1, x2, y2 = map(int, car.box)
    return car.mask[y1:y2, x1:x2]


def runs(mask: np.ndarray) -> list[int]:
    """Lengths of runs, row by row, the first outside."""
    flat = np.concatenate([[False], mask.ravel(), [not mask.ravel()[-1]]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges])).tolist()


def brush(mask: np.ndarray) -> list[int]:
    """Label Studio's code of a mask: runs of one value, and, of every second, values one by one."""
    values = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    bits = f"{len(values):032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    at, number = 0, 0
    for length in runs(values != 0):
        rest, number = length, number + 1
        while rest:
            count = min(rest, 2**16 if number % 2 else 200)
            kind, size = (3, 16) if number % 2 else (2, 8)
            bits += f"{number % 2}{kind:02b}{count - 1:0{size}b}"
            bits += f"{values[at]:08b}" if number % 2 else "".join(f"{value:08b}" for value in values[at : at + count])
            at, rest = at + count, rest - count
    return np.packbits([int(bit) for bit in bits.ljust(-(-len(bits) // 8) * 8, "0")]).tolist()


def labelme(folder: Path, form: str) -> None:
    """A JSON file beside each photo, in folders of splits."""
    for car in cars():
        place = folder / SHORT[car.split]
        car.save(place / f"{car.name}.jpg")
        x1, y1, x2, y2 = car.box
        shape: dict[str, Any] = {"label": car.body_type, "group_id": None, "flags": {}, "mask": None}
        if form == "box":
            shape |= {"shape_type": "rectangle", "points": [[x2, y2], [x1, y1]]}
        elif form == "polygon":
            shape |= {"shape_type": "polygon", "points": car.outline}
        else:
            shape |= {"shape_type": "mask", "points": [[x1, y1], [x2 - 1, y2 - 1]]}
            shape["mask"] = base64.b64encode(png(cut(car))).decode()
        content = {"version": "5.5.0", "flags": {}, "shapes": [shape], "imagePath": f"{car.name}.jpg"}
        content |= {"imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
        write(place / f"{car.name}.json", json.dumps(content))


def cvat_shape(car: Car, form: str, more: str = "") -> str:
    """A shape of CVAT's XML."""
    x1, y1, x2, y2 = car.box
    if form == "box":
        return f'<box label="{car.body_type}" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"{more}/>'
    if form == "polygon":
        points = ";".join(f"{x},{y}" for x, y in car.outline)
        return f'<polygon label="{car.body_type}" points="{points}"{more}/>'
    place = f'left="{x1:.0f}" top="{y1:.0f}" width="{x2 - x1:.0f}" height="{y2 - y1:.0f}"'
    return f'<mask label="{car.body_type}" rle="{", ".join(map(str, runs(cut(car))))}" {place}{more}/>'


def cvat(folder: Path, form: str) -> None:
    """annotations.xml with subsets, beside images/<subset>/."""
    lines = []
    for k, car in enumerate(cars()):
        subset = SHORT[car.split]
        car.save(folder / "images" / subset / f"{car.name}.jpg")
        of = f'id="{k}" name="{car.name}.jpg" subset="{subset}" width="{WIDTH}" height="{HEIGHT}"'
        lines.append(f"<image {of}>{cvat_shape(car, form)}</image>")
    write(folder / "annotations.xml", f"<annotations><version>1.1</version>{''.join(lines)}</annotations>")


def region(car: Car, form: str) -> dict[str, Any]:
    """A result of Label Studio."""
    x1, y1, x2, y2 = car.box
    w, h = 100 / WIDTH, 100 / HEIGHT
    value: dict[str, Any]
    if form == "box":
        kind, value = "rectangle", {"x": x1 * w, "y": y1 * h, "width": (x2 - x1) * w, "height": (y2 - y1) * h}
    elif form == "polygon":
        kind, value = "polygon", {"points": [[x * w, y * h] for x, y in car.outline], "closed": True}
    else:
        kind, value = "brush", {"format": "rle", "rle": brush(car.mask)}
    value[f"{kind}labels"] = [car.body_type]
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": f"{form}{car.name}", "type": f"{kind}labels", "value": value} | size


def task(car: Car, results: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A task of Label Studio, whose photo was uploaded."""
    rows = [{"id": 1, "result": results, "was_cancelled": False, "created_at": "2024-01-01"}]
    return {
        "id": int(car.name),
        "annotations": rows,
        "data": {"image": f"/data/upload/4/0a1b2c3d-{car.name}.jpg"},
    } | more


def label_studio(folder: Path, form: str) -> None:
    """A file of each split, named after it, beside images/."""
    for split, short in SHORT.items():
        if chosen := [car for car in cars() if car.split == split]:
            write(folder / f"{short}.json", json.dumps([task(car, [region(car, form)]) for car in chosen]))
    for car in cars():
        car.save(folder / "images" / f"{car.name}.jpg")


def via_regions(car: Car, form: str) -> list[dict[str, Any]]:
    """The regions of a photo, as VIA has them."""
    x1, y1, x2, y2 = car.box
    shape: dict[str, Any] = {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}
    if form == "polygon":
        xs, ys = zip(*car.outline, strict=True)
        shape = {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}
    return [{"shape_attributes": shape, "region_attributes": {"body": {car.body_type: True}, "side": "left"}}]


def via(folder: Path, form: str, table: bool = False) -> None:
    """A project, or a table, in the folder of each split."""
    for split, short in SHORT.items():
        entries: dict[str, Any] = {}
        rows: list[list[Any]] = [[*("filename", "file_size", "file_attributes"), *("region_count", "region_id")]]
        rows[0] += ["region_shape_attributes", "region_attributes"]
        for car in cars():
            if car.split != split:
                continue
            name = f"{car.name}.jpg"
            car.save(folder / short / name)
            regions = via_regions(car, form)
            entries[f"{name}-1"] = {"filename": name, "size": -1, "regions": regions, "file_attributes": {}}
            pair = [json.dumps(regions[0][key]) for key in ("shape_attributes", "region_attributes")]
            rows.append([name, -1, "{}", 1, 0, *pair])
        if not entries:
            continue
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        project = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}}
        write(folder / short / f"via.{'csv' if table else 'json'}", text.getvalue() if table else json.dumps(project))


def supervisely(folder: Path, form: str) -> None:
    """A project with a dataset a split; the coordinates are those of the first and the last pixel."""
    for car in cars():
        place = folder / SHORT[car.split]
        car.save(place / "img" / f"{car.name}.jpg")
        x1, y1, x2, y2 = map(int, car.box)
        one: dict[str, Any] = {"classTitle": car.body_type, "geometryType": "rectangle"}
        one["points"] = {"exterior": [[x1, y1], [x2 - 1, y2 - 1]], "interior": []}
        if form == "polygon":
            edges = [[min(x, x2 - 1), min(y, y2 - 1)] for x, y in car.outline]
            one |= {"geometryType": "polygon", "points": {"exterior": edges, "interior": []}}
        elif form == "bitmap":
            data = base64.b64encode(zlib.compress(png(cut(car)))).decode()
            one |= {"geometryType": "bitmap", "bitmap": {"data": data, "origin": [x1, y1]}}
        content = {"size": {"width": WIDTH, "height": HEIGHT}, "objects": [one], "tags": []}
        write(place / "ann" / f"{car.name}.jpg.json", json.dumps(content))
    write(folder / "meta.json", '{"classes": []}')


WRITERS = {"labelme": labelme, "cvat": cvat, "label-studio": label_studio, "via": via, "supervisely": supervisely}
