"""Data sets of tables and of YOLO as people and programs leave them, a row a layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.drawn_cars import TYPES, make_background
from tests.helpers.layout_check import BOX, FRAME, GIVEN, MASK, NONE, Row, check_layout
from tests.helpers.layouts import (
    BY_TYPE,
    NAMES,
    SHORT,
    SIZE,
    YAML,
    YOLO,
    Build,
    Car,
    cars,
    corners,
    files,
    lists,
    one,
    photos,
    table,
    write,
)

NUMBERED = "names: {0: suv, 1: sedan, 2: convertible, 3: minivan}"
IMAGES = "Image;Label;x1;y1;x2;y2"


def table_of_split(split: str, folder: str = "") -> Build:
    """A table of the photos of a split: named after it, or in a folder that is."""

    def build(data: Path) -> None:
        rows = [f"{car.name}.jpg,{car.body_type}" for car in cars() if car.split == split]
        write(data / folder / ("_annotations.csv" if folder else f"{split}.csv"), "\n".join(["filename,class", *rows]))

    return build


def classes_of_split(split: str) -> Build:
    """A table with a column of 0 and 1 a type, as Roboflow's _classes.csv: in the folder of a split."""

    def build(data: Path) -> None:
        rows = [
            f"{car.name}.jpg, " + ", ".join("01"[car.body_type == one] for one in TYPES)
            for car in cars()
            if car.split == split
        ]
        if split == "train":
            for name, cells in (("none", "0, 0, 0, 0"), ("two", "1, 1, 0, 0")):
                cars()[0].save(data / "train" / f"{name}.jpg")
                rows.append(f"{name}.jpg, {cells}")
        write(data / SHORT[split] / "_classes.csv", "\n".join(["filename, " + ", ".join(TYPES), *rows]))

    return build


def box_cell(car: Car) -> str:
    x1, y1, x2, y2 = car.box
    return str([x1, y1, x2 - x1, y2 - y1])


def oriented(car: Car) -> str:
    """A row of the four corners of a box, as oriented boxes have them."""
    x1, y1, x2, y2 = (edge / SIZE[k % 2] for k, edge in enumerate(car.box))
    return f"{TYPES.index(car.body_type)} {x1:.6f} {y1:.6f} {x2:.6f} {y1:.6f} {x2:.6f} {y2:.6f} {x1:.6f} {y2:.6f}\n"


def few_outlines(car: Car) -> str:
    return car.yolo_polygon() if car.name < "00005" else car.yolo()


def background(name: str) -> Build:
    return lambda folder: bool(make_background(folder / name, 4, SIZE)) and None


READ: dict[str, Row] = {
    "a table of TensorFlow": (
        [
            photos("{name}.jpg"),
            table(
                lambda car: f"{car.name}.jpg,60,40,{car.body_type},{corners(car)}",
                "filename,width,height,class,xmin,ymin,xmax,ymax",
            ),
        ],
        "",
        NONE,
        BOX,
        {},
    ),
    "a table of another name, photos in a folder": (
        [
            photos("images/{type}/{name}.jpg"),
            table(lambda car: f"{car.name}.jpg;{car.body_type};{corners(car, ';')}", IMAGES, "a.csv"),
        ],
        "",
        NONE,
        BOX,
        {"read otherwise": 2},
    ),
    "a table of Excel with tabs in UTF-16": (
        [
            photos("{name}.jpg"),
            table(
                lambda car: f"{car.name}.jpg\t{car.body_type}\t{corners(car, chr(9))}",
                "photo\ttype\tx1\ty1\tx2\ty2",
                encoding="utf-16",
            ),
        ],
        "",
        NONE,
        BOX,
        {"read otherwise": 1},
    ),
    "a table with empty columns": (
        [photos("{name}.jpg"), table(lambda car: f"{car.name}.jpg,{car.body_type},,,", "photo,type,,,")],
        "",
        NONE,
        FRAME,
        {},
    ),
    "a table with rows that end early": (
        [
            photos("{name}.jpg"),
            table(lambda car: f"{car.name}.jpg,{car.body_type},{corners(car)}", "photo,type,x1,y1,x2,y2,mask,split"),
        ],
        "",
        NONE,
        BOX,
        {"read otherwise": 1},
    ),
    "a table with spaces before quotes": (
        [photos("{name}.jpg"), table(lambda car: f'"{car.name}.jpg", "{car.body_type}"', '"photo", "type"')],
        "",
        NONE,
        FRAME,
        {},
    ),
    "a table of Roboflow with a column a type": (
        [photos("{split}/{name}.jpg"), *(classes_of_split(split) for split in SHORT)],
        "",
        GIVEN,
        FRAME,
        {"read otherwise": 3, "no labelled car": 2, "other type": 1},
    ),
    "a table of ids, as Kaggle has it": (
        [
            photos("train/{name}.jpg"),
            table(lambda car: f"{car.name},{car.body_type}", "id,label", "train.csv"),
            one("sample_submission.csv", "id,label\n1,suv\n"),
        ],
        "",
        NONE,
        FRAME,
        {"other file": 1, "read otherwise": 2},
    ),
    "a table of ids beside photos": (
        [photos("{name}.JPG"), table(lambda car: f"{car.name},{car.body_type}", "image_id,class")],
        "",
        NONE,
        FRAME,
        {"read otherwise": 1},
    ),
    "a table of ids beside type folders": (
        [*BY_TYPE, table(lambda car: "17,minivan", "id,class", "offers.csv")],
        "",
        NONE,
        FRAME,
        {"other file": 1},
    ),
    "a table with boxes in one column": (
        [
            photos("{name}.jpg"),
            table(
                lambda car: f'{car.name},60,40,"{box_cell(car)}",{car.body_type}', "image_id,width,height,bbox,label"
            ),
        ],
        "",
        NONE,
        BOX,
        {"read otherwise": 2},
    ),
    "YOLO with the files of darknet": (
        [
            photos("data/obj/{name}.jpg"),
            files("data/obj/{name}.txt", Car.yolo),
            one("data/cars.names", "\n".join(TYPES)),
            one("cfg/obj.data", "classes= 4\ntrain  = data/train.txt\nvalid = /x/data/val.txt\n"
                "test=data/test.txt\nnames = data/cars.names\nbackup = backup/"),
            lists("data", "data/obj/{name}.jpg"),
        ],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "YOLO by images and labels": ([*YOLO, one("classes.txt", "\n".join(TYPES))], "", GIVEN, BOX, {}),
    "YOLO by splits": (
        [
            photos("{split}/images/{name}.jpg"),
            files("{split}/labels/{name}.txt", Car.yolo),
            one("data.yaml", YAML),
        ],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "YOLO with names of numbers": (
        [*YOLO, one("d.yaml", "path: /x\ntrain: images/train\nval: images/val\ntest: images/test\n" + NUMBERED)],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "YOLO polygons": (
        [YOLO[0], files("labels/{split}/{name}.txt", Car.yolo_polygon), one("data.yaml", NAMES)],
        "",
        GIVEN,
        MASK,
        {},
    ),
    "YOLO oriented boxes": (
        [YOLO[0], files("labels/{split}/{name}.txt", oriented), one("data.yaml", NAMES)],
        "",
        GIVEN,
        BOX,
        {"boxes in place of masks": 1},
    ),
    "YOLO with a byte order mark": (
        [YOLO[0], files("labels/{split}/{name}.txt", lambda car: "\ufeff" + car.yolo()), one("data.yaml", NAMES)],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "YOLO beside photos, with lists": (
        [
            photos("obj_train_data/{name}.jpg"),
            files("obj_train_data/{name}.txt", Car.yolo),
            one("obj.names", "\n".join(TYPES)),
            lists(".", "data/obj_train_data/{name}.jpg"),
        ],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "YOLO without names": ([*YOLO], "suv=0 sedan=1 convertible=2 minivan=3", GIVEN, BOX, {}),
    "tables of splits": ([photos("{name}.jpg"), *map(table_of_split, SHORT)], "", GIVEN, FRAME, {}),
    "tables in folders of splits": (
        [photos("{split}/{name}.jpg"), *(table_of_split(split, SHORT[split]) for split in SHORT)],
        "",
        GIVEN,
        FRAME,
        {},
    ),
    "a table of makes beside type folders": (
        [*BY_TYPE, table(lambda car: f"{car.name}.jpg,BMW X5", "image,class", "cars.csv")],
        "",
        NONE,
        FRAME,
        {"other file": 1},
    ),
    "YOLO in a folder of an archive": (
        [photos("export/images/{split}/{name}.jpg"), files("export/labels/{split}/{name}.txt", Car.yolo),
         one("export/dataset.yaml", NAMES)],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "YOLO boxes, and few outlines": (
        [YOLO[0], files("labels/{split}/{name}.txt", few_outlines),
         one("data.yaml", NAMES)],
        "",
        GIVEN,
        f"{BOX}, {MASK}",
        {"masks of some cars": 1},
    ),
    "YOLO of any car, in type folders": (
        [*BY_TYPE, files("{type}/{name}.txt", lambda car: "0" + car.yolo()[1:]), one("classes.txt", "car")],
        "",
        NONE,
        BOX,
        {"read otherwise": 1},
    ),
    "YOLO without labels of two, not of cars": (
        [*YOLO, one("data.yaml", NAMES), background("images/train/none")],
        "",
        GIVEN,
        BOX,
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_table_or_labels_of_yolo_are_read_as_it_is_meant(tmp_path, name):
    check_layout(tmp_path / "cars", READ[name], name)
