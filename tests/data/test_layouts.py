"""Data sets as people and programs leave them: types, splits, boxes and counted lines, a row a layout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.data.boxes import box_iou
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.data.splits import assign_splits
from tests.helpers.drawn_cars import TYPES, make_background
from tests.helpers.layouts import (
    BY_TYPE,
    NAMES,
    SIZE,
    TREE,
    YAML,
    YOLO,
    Build,
    Car,
    cars,
    corners,
    files,
    lists,
    masks,
    numbered,
    one,
    photos,
    table,
    write,
)

GIVEN = {"train": 8, "validation": 4, "test": 4}
NONE = {"": 16}


def junk(folder: Path) -> None:
    for name in ("__MACOSX/suv/._x.jpg", "suv/@eaDir/x.jpg/SYNOPHOTO_THUMB_S.jpg", "$RECYCLE.BIN/x.jpg", "suv/._x.jpg"):
        cars()[0].save(folder / name)
    for name in ("suv/Thumbs.db", "sedan/desktop.ini", ".DS_Store"):
        write(folder / name, b"x")


def odd_suffixes(folder: Path) -> None:
    for k, path in enumerate(sorted(folder.rglob("*.jpg"))):
        path.rename(path.with_suffix((".jpe", ".mpo", "", ".jfif", ".orig")[k % 5]))


def renamed(folder: Path) -> None:
    """Photos and XML files renamed in pairs, the names inside are old and now those of other photos."""
    for car, other in zip(cars(), [*cars()[1:], cars()[0]], strict=True):
        car.save(folder / "JPEGImages" / f"{car.name}.jpg")
        write(folder / "Annotations" / f"{car.name}.xml", car.xml(f"{other.name}.jpg"))


def background(name: str) -> Build:
    return lambda folder: make_background(folder / name, 4, SIZE) and None


def gb2312(car: Car) -> bytes:
    return ('<?xml version="1.0" encoding="GB2312"?>' + car.xml().replace("VOC", "汽车")).encode("gb2312")


NUMBERED = "names: {0: suv, 1: sedan, 2: convertible, 3: minivan}"
IMAGES = "Image;Label;x1;y1;x2;y2"
FRAME, BOX, MASK = "whole frame", "given", "mask"

# name: what is built, CLASSES, photos by split, origin of the boxes, counted lines
READ: dict[str, tuple[list[Build], str, dict[str, int], str, dict[str, int]]] = {
    "type, then split": ([photos("{type}/{split}/{name}.jpg")], "", GIVEN, FRAME, {}),
    "split, then type": ([photos("{split}/{type}/{name}.jpg")], "", GIVEN, FRAME, {}),
    "a split's folder twice": ([photos("seg_{split}/seg_{split}/{type}/{name}.jpg")], "folders", GIVEN, FRAME, {}),
    "a split of no known name": (
        [photos("{split}/{type}/{name}.jpg"), lambda folder: cars()[0].save(folder / "seg_pred" / "x.jpg")],
        "folders",
        GIVEN,
        FRAME,
        {"unknown split": 1},
    ),
    "test_set, train_set": ([photos("{split}_set/{type}/{name}.jpg")], "", GIVEN, FRAME, {}),
    "train2017": ([photos("{split}2017/{type}/{name}.jpg")], "", GIVEN, FRAME, {}),
    "a folder around all": ([photos("my cars/{split}/{type}/{name}.jpg")], "", GIVEN, FRAME, {}),
    "a folder of images": ([photos("images/{type}/{name}.jpg")], "", NONE, FRAME, {}),
    "a folder of images, types by folders": ([photos("images/{type}/{name}.jpg")], "folders", NONE, FRAME, {}),
    "masks beside images": (
        [photos("{type}/images/{name}.jpg"), photos("{type}/masks/{name}.png")],
        "",
        NONE,
        FRAME,
        {"mask pictures": 4},
    ),
    "odd suffixes": ([*BY_TYPE, odd_suffixes], "", NONE, FRAME, {}),
    "junk of systems": ([*BY_TYPE, junk], "", NONE, FRAME, {}),
    "junk of systems, types by folders": ([*BY_TYPE, junk], "folders", NONE, FRAME, {}),
    "notes between photos": (
        [*BY_TYPE, files("{type}/{name}.json", lambda car: "{}"), files("{type}/{name}.md", lambda car: "x")],
        "",
        NONE,
        FRAME,
        {"other file": 2},
    ),
    "an unknown type in the test split alone": (
        [photos("{split}/{type}/{name}.jpg"), lambda folder: cars()[0].save(folder / "test" / "unknown" / "x.jpg")],
        "folders",
        GIVEN,
        FRAME,
        {"other type": 1},
    ),
    "numbers as folders": (
        [numbered],
        "suv=0 sedan=1 convertible=2 minivan=3",
        NONE,
        FRAME,
        {},
    ),
    "background beside types": ([*BY_TYPE, background("background")], "", NONE, FRAME, {}),
    "background below a split": ([photos("{split}/{type}/{name}.jpg"), background("test/none")], "", GIVEN, FRAME, {}),
    "XML beside photos, in splits": (
        [photos("{split}/{name}.jpg"), files("{split}/{name}.xml", Car.xml)],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "XML beside photos, in types": ([*BY_TYPE, files("{type}/{name}.xml", Car.xml)], "", NONE, BOX, {}),
    "XML beside photos, each only a car": (
        [*BY_TYPE, files("{type}/{name}.xml", lambda car: car.xml(name="car"))],
        "",
        NONE,
        BOX,
        {"read otherwise": 1},
    ),
    "XML beside photos, and background": (
        [*BY_TYPE, files("{type}/{name}.xml", Car.xml), background("background")],
        "",
        NONE,
        BOX,
        {},
    ),
    "XML in folders of splits": (
        [photos("{split}/images/{name}.jpg"), files("{split}/annotations/{name}.xml", Car.xml)],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "VOC in subfolders": (
        [photos("JPEGImages/{type}/{name}.jpg"), files("Annotations/{type}/{name}.xml", Car.xml)],
        "",
        NONE,
        BOX,
        {},
    ),
    "VOC, photos in a folder of another name": (
        [photos("pictures/{name}.jpg"), files("Annotations/{name}.xml", Car.xml)],
        "",
        NONE,
        BOX,
        {},
    ),
    "VOC in a folder of an archive": (
        [
            photos("VOCdevkit/VOC2012/JPEGImages/{name}.jpg"),
            files("VOCdevkit/VOC2012/Annotations/{name}.xml", Car.xml),
            lists("VOCdevkit/VOC2012/ImageSets/Main"),
        ],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "VOC lists with suffixes": ([*TREE, lists("ImageSets/Main", "{name}.jpg")], "", GIVEN, BOX, {}),
    "VOC lists with paths": ([*TREE, lists("ImageSets/Main", "/data/JPEGImages/{name}.jpg")], "", GIVEN, BOX, {}),
    "VOC lists with flags": ([*TREE, lists("ImageSets/Main", "{name} -1")], "", GIVEN, BOX, {}),
    "VOC lists in Segmentation": ([*TREE, lists("ImageSets/Segmentation")], "", GIVEN, BOX, {}),
    "VOC lists of names with spaces": (
        [
            photos("JPEGImages/my {name} (2).jpg"),
            files("Annotations/my {name} (2).xml", Car.xml),
            lists("ImageSets/Main", "my {name} (2)"),
        ],
        "",
        GIVEN,
        BOX,
        {},
    ),
    "VOC masks with a palette": ([*TREE, masks()], "", NONE, BOX, {}),
    "VOC masks in colours": ([*TREE, masks(colours=True)], "", NONE, BOX, {}),
    "VOC masks of a few": ([*TREE, masks(4)], "", NONE, BOX, {"masks of some photos": 1}),
    "VOC with a path of Windows inside": (
        [TREE[0], files("Annotations/{name}.xml", lambda car: car.xml(f"D:\\cars\\{car.name}.jpg"))],
        "",
        NONE,
        BOX,
        {},
    ),
    "VOC with corners in another order": (
        [TREE[0], files("Annotations/{name}.xml", lambda car: car.xml(swap=True))],
        "",
        NONE,
        BOX,
        {"read otherwise": 1},
    ),
    "VOC in an encoding of China": ([TREE[0], files("Annotations/{name}.xml", gb2312)], "", NONE, BOX, {}),
    "VOC renamed in pairs": ([renamed], "", NONE, BOX, {"read otherwise": 1}),
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
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_layout_is_read_as_it_is_meant(tmp_path, name):
    builds, types, splits, origin, counted = READ[name]
    folder = tmp_path / "cars"
    for build in builds:
        build(folder)
    catalogue = load_catalogue(folder, ClassMap.parse(types))
    assert catalogue.photos["split"].value_counts().to_dict() == splits
    assert catalogue.counts().sum(axis=1).to_dict() == dict.fromkeys(catalogue.body_types, 4)
    assert sorted(catalogue.body_types) == sorted(TYPES)
    assert catalogue.excluded_counts() == counted
    assert set(catalogue.instances["box_origin"]) == {origin}
    assert len(catalogue.background) == (4 if "background" in name else 0)
    _check_cars(catalogue, origin)
    assert ("masks with" in name or "masks in" in name or "polygons" in name) == catalogue.has_masks
    if "VOC masks" in name and catalogue.has_masks:
        for car in catalogue.instances.itertuples():
            assert mask_iou(decode_mask(car.mask, SIZE[1], SIZE[0]), _truth(car.photo_id).mask) == 1
    counts = assign_splits(catalogue, 0).counts()
    assert (counts > 0).all(axis=None)


def _truth(photo_id: str) -> Car:
    number = re.search(r"\d{5}", Path(photo_id).name)
    assert number is not None
    return cars()[int(number[0]) - 1]


def _check_cars(catalogue: Catalogue, origin: str) -> None:
    """Every car has the type that it was drawn as, and, where the data give its box, that box."""
    split_of = catalogue.photos.set_index("photo_id")["split"]
    for car in catalogue.instances.itertuples():
        truth = _truth(car.photo_id)
        assert car.body_type == truth.body_type
        assert split_of[car.photo_id] in ("", truth.split)
        if origin != FRAME:
            assert box_iou(truth.box, (car.x1, car.y1, car.x2, car.y2)) > 0.999
