"""Data sets as people and programs leave them: types, splits, boxes and counted lines, a row a layout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.drawn_cars import make_background
from tests.helpers.layout_check import BOX, FRAME, GIVEN, MASK, NONE, Row, check_layout
from tests.helpers.layouts import (
    BY_TYPE,
    SIZE,
    TREE,
    Build,
    Car,
    cars,
    files,
    lists,
    mask_files,
    masks,
    numbered,
    photos,
    write,
)


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


def numbered_corners(car: Car) -> str:
    """The box and, within the object, a polygon around it with numbered corners."""
    points = "".join(f"<x{k}>{x}</x{k}><y{k}>{y}</y{k}>" for k, (x, y) in enumerate(car.outline, start=1))
    return car.xml().replace("</object>", f"<polygon>{points}</polygon></object>")


def points_alone(car: Car) -> str:
    """A polygon around the car, a <pt> a corner, and no box."""
    points = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in car.outline)
    return re.sub("<bndbox>.*</bndbox>", f"<polygon>{points}<username>me</username></polygon>", car.xml())


def encoded(car: Car) -> bytes:
    """Photos taking turns in encodings that people have."""
    words = {"GB2312": "汽车", "UTF-16": "Käfer 車", "windows-1252": "Käfer – grün", "UTF-8-sig": "Käfer 車"}
    encoding = list(words)[int(car.name) // 4 % 4]
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    return (declared + car.xml().replace("VOC", words[encoding])).encode(encoding)


READ: dict[str, Row] = {
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
    "pictures in a folder of masks": (
        [photos("{type}/images/{name}.jpg"), photos("{type}/masks/{name}.jpg"), photos("{type}/labels/{name}.png")],
        "",
        NONE,
        FRAME,
        {"mask pictures": 8},
    ),
    "masks in a folder beside images": (
        [photos("{type}/images/{name}.jpg"), mask_files("{type}/masks/{name}.png")],
        "",
        NONE,
        MASK,
        {},
    ),
    "masks in a folder below photos, with ends": (
        [photos("{split}/{type}/{name}.jpg"), mask_files("{split}/{type}/Mask/{name}_mask.png")],
        "",
        GIVEN,
        MASK,
        {},
    ),
    "masks in folders of types": (
        [photos("images/{split}/{type}/{name}.jpg"), mask_files("masks/{split}/{type}/{name}.png")],
        "folders",
        GIVEN,
        MASK,
        {},
    ),
    "masks in names of files beside photos": ([*BY_TYPE, mask_files("{type}/{name}_mask.png")], "", NONE, MASK, {}),
    "several pictures of masks beside a photo": (
        [*BY_TYPE, photos("{type}/{name}_mask.png"), photos("{type}/{name}_seg.png"), photos("{type}/GT-{name}.png")],
        "",
        NONE,
        FRAME,
        {"mask pictures": 4},
    ),
    "type and split in one name": ([photos("{type}_{split}/{name}.jpg")], "", GIVEN, FRAME, {}),
    "split and type in one name": ([photos("{split}-{type}s/{name}.jpg")], "", GIVEN, FRAME, {}),
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
    "VOC with polygons of Roboflow": ([TREE[0], files("Annotations/{name}.xml", numbered_corners)], "", NONE, BOX, {}),
    "VOC with polygons of LabelMe": ([TREE[0], files("Annotations/{name}.xml", points_alone)], "", NONE, MASK, {}),
    "VOC masks of a few": ([*TREE, masks(4)], "", NONE, BOX, {"masks of some cars": 1}),
    "VOC masks of most": ([*TREE, masks(10)], "", NONE, BOX, {"masks of some cars": 1}),
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
    "VOC in encodings of four": ([TREE[0], files("Annotations/{name}.xml", encoded)], "", NONE, BOX, {}),
    "VOC renamed in pairs": ([renamed], "", NONE, BOX, {"read otherwise": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_layout_is_read_as_it_is_meant(tmp_path, name):
    check_layout(tmp_path / "cars", READ[name], name)
