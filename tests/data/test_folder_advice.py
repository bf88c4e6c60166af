"""Names that are spelled like a type's: counted, with the CLASSES that reads them, in every format alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.loader import load_catalogue
from tests.helpers.layouts import Car, cars, corners, write

# the last photos of two types, spelled otherwise
MEANT = {"00013": "S.U.V.", "00014": "Sedann", "00015": "Convertable", "00016": "truck"}


def labelled() -> list[Car]:
    return [replace(car, body_type=MEANT.get(car.name, car.body_type)) for car in cars()]


def coco(folder: Path) -> None:
    names = sorted({car.body_type for car in labelled()})
    rows = [(k, car, *car.box) for k, car in enumerate(labelled())]
    images = [{"id": k, "file_name": f"{car.name}.jpg"} for k, car, *_ in rows]
    boxes = [
        {"id": k, "image_id": k, "category_id": names.index(car.body_type), "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for k, car, x1, y1, x2, y2 in rows
    ]
    categories = [{"id": k, "name": name} for k, name in enumerate(names)]
    write(folder / "all.json", json.dumps({"images": images, "annotations": boxes, "categories": categories}))


def table(folder: Path) -> None:
    rows = [f"{car.name}.jpg,{car.body_type},{corners(car)}" for car in labelled()]
    write(folder / "photos.csv", "\n".join(["photo,type,x1,y1,x2,y2", *rows]))


def yolo(folder: Path) -> None:
    names = sorted({car.body_type for car in labelled()})
    for car, meant in zip(cars(), labelled(), strict=True):
        write(folder / f"{car.name}.txt", str(names.index(meant.body_type)) + car.yolo()[1:])
    write(folder / "classes.txt", "\n".join(names))


def voc(folder: Path) -> None:
    for car in labelled():
        write(folder / f"{car.name}.xml", car.xml())


def build(folder: Path, annotate: Callable[[Path], None] | None) -> None:
    for car in labelled():
        car.save(folder / (car.body_type if annotate is None else "") / f"{car.name}.jpg")
    if annotate:
        annotate(folder)


@pytest.mark.parametrize(
    ("annotate", "unit"), [(coco, "annotations"), (table, "rows"), (yolo, "labels"), (voc, "objects"), (None, "photos")]
)
def test_names_spelled_like_a_type_are_counted_with_the_classes_that_read_them(tmp_path, annotate, unit):
    build(tmp_path / "cars", annotate)
    catalogue = load_catalogue(tmp_path / "cars")
    assert catalogue.counts().sum(axis=1).to_dict() == {"suv": 3, "sedan": 3, "convertible": 3, "minivan": 3}
    (said,) = [detail for detail in catalogue.excluded["detail"] if "spelled" in detail]
    told = f"Convertable (1 {unit}), S.U.V. (1 {unit}), Sedann (1 {unit}) are spelled like a type: CLASSES="
    assert said.startswith(told)
    typed = re.search(r'CLASSES="(.*)" reads', said)
    assert typed is not None and typed[1] == "suv=S.U.V. sedan=Sedann convertible=Convertable minivan"
    again = load_catalogue(tmp_path / "cars", ClassMap.parse(typed[1]))
    assert again.counts().sum(axis=1).tolist() == [4, 4, 4, 3]
    assert not again.excluded["detail"].str.contains("spelled").any()


def test_a_type_with_too_few_photos_is_told_of_its_other_spelling(tmp_path):
    build(tmp_path, table)
    rows = (tmp_path / "photos.csv").read_text().replace("00001.jpg,suv", "00001.jpg,S.U.V.")
    write(tmp_path / "photos.csv", rows)
    with pytest.raises(CarsegError, match=r"suv has 2 photos, .*; .*S.U.V. \(2 rows\), .* spelled like a type"):
        load_catalogue(tmp_path)
    write(tmp_path / "photos.csv", re.sub(",(suv|sedan|convertible|minivan),", ",my \\1,", rows))
    with pytest.raises(CarsegError, match=r'no row is of type .*; give their names in CLASSES, for instance CLASSES="'):
        load_catalogue(tmp_path)
