"""Damage to VOC folders, CSV tables and Stanford Cars: each kind gets one exact line, or is counted by a reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.loader import load_catalogue
from tests.helpers.dataset_formats import (
    DEVKIT,
    annotations,
    make_devkit,
    make_table,
    make_voc,
    palette_png,
    voc_object,
    voc_xml,
    write_csv,
)

N = 8  # photos a type: one bad photo of 32 is 3.1%, below the limit of 5%
FIRST = "Annotations/000001.xml"
MASK = "SegmentationObject/000001.png"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>'


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("sets")
    stems = [f"{k:06d}" for k in range(1, 4 * N + 1)]
    return {
        "voc": make_voc(base / "voc", N, lists={"train": stems}),
        "table": make_table(base / "table", N, masks=True, splits=True),
        "devkit": make_devkit(base / "devkit", N),
    }


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    """Damage: a file has other contents."""

    def damage(data: Path) -> None:
        (data / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def objects(*them: str, filename: str = "000001.jpg") -> Callable[[Path], None]:
    """Damage: the first XML file has other objects."""
    return write(FIRST, voc_xml(filename, them))


def cell(column: str, value: str, row: int = 2, name: str = "photos.csv") -> Callable[[Path], None]:
    """Damage: another value in one cell of the table; rows count from 1, the header's."""

    def damage(data: Path) -> None:
        rows = [line.split(",") for line in (data / name).read_text().splitlines()]
        rows[row - 1][rows[0].index(column)] = value
        write_csv(data / name, rows)

    return damage


def remove(name: str) -> Callable[[Path], None]:
    """Damage: a file or folder is missing."""

    def damage(data: Path) -> None:
        shutil.rmtree(data / name) if (data / name).is_dir() else (data / name).unlink()

    return damage


def link_out(name: str) -> Callable[[Path], None]:
    """Damage: a file is a link out of the folder."""

    def damage(data: Path) -> None:
        (data / name).rename(data.parent / "outside")
        (data / name).symlink_to(data.parent / "outside")

    return damage


def mask_of(values: np.ndarray, mode: str = "P", name: str = MASK) -> Callable[[Path], None]:
    """Damage: another mask."""

    def damage(data: Path) -> None:
        if mode == "P":
            palette_png(data / name, values)
        else:
            Image.fromarray(values).convert(mode).save(data / name)

    return damage


def devkit_row(number: int, **changes: object) -> Callable[[Path], None]:
    """Damage: one annotation of the devkit's training photos says something else, or lacks a field."""

    def damage(data: Path) -> None:
        rows = []
        for k in range(1, 4 * N + 1):
            row = dict(zip(DEVKIT, (5, 5, 40, 30, (k - 1) % 4 + 1, f"{k:05d}.jpg"), strict=True))
            rows.append(row | (changes if k == number else {}))
        fields = [name for name in DEVKIT if changes.get(name, "") is not None]
        values = [tuple(row[name] for name in fields) for row in rows]
        savemat(data / "devkit" / "cars_train_annos.mat", {"annotations": annotations(values, fields)})

    return damage


PLACES = {"<data>": "", "<xml>": f"/{FIRST}", "<csv>": "/photos.csv", "<mat>": "/devkit/cars_train_annos.mat"}
REFUSED = [
    (
        "voc",
        write(FIRST, "<annotation><object>"),
        "<xml>: not XML (no element found: line 1, column 20); export the annotations again",
    ),
    ("voc", write(FIRST, BOMB), "<xml>: holds a document type or entities, which annotations do not need; remove them"),
    (
        "voc",
        write(FIRST, BOMB.encode("utf-16")),
        "<xml>: holds a document type or entities, which annotations do not need; remove them",
    ),
    (
        "voc",
        write(FIRST, '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'),
        "<xml>: holds a document type or entities, which annotations do not need; remove them",
    ),
    (
        "voc",
        write(FIRST, "<annotation>" + " " * 5_000_000 + "</annotation>"),
        "<xml>: larger than 5,000,000 bytes, not the annotation of a photo",
    ),
    ("voc", write(FIRST, "<html/>"), "<xml>: not a VOC annotation (it holds <html>); remove it"),
    ("voc", objects("<object><bndbox/></object>"), "<xml>: object 1 has no name; name it, or remove it"),
    (
        "voc",
        lambda data: (objects(filename="../../etc/passwd")(data), remove("JPEGImages/000001.jpg")(data)),
        "<xml>: the filename '../../etc/passwd' leads outside of <data>/JPEGImages, and no photo there is named passwd "
        "or 000001; add the photo, or name a file in the folder",
    ),
    (
        "voc",
        lambda data: (objects(filename="000002.jpg")(data), remove("JPEGImages/000001.jpg")(data)),
        "<data>/Annotations/000002.xml: its photo '000002.jpg' is also that of 000001.xml; keep one of them",
    ),
    (
        "voc",
        write("ImageSets/Main/val.txt", "000001\n"),
        "<data>/ImageSets/Main/train.txt: '000001' is in val.txt too; a photo belongs to one split",
    ),
    (
        "voc",
        write("ImageSets/Main/train.txt", b"\xff"),
        "<data>/ImageSets/Main/train.txt: not UTF-8 text; save it as UTF-8",
    ),
    ("voc", remove("JPEGImages"), "<data>: VOC annotations without a folder JPEGImages beside them; add the photos"),
    (
        "table",
        write("photos.csv", "photo|type\na.jpg|suv"),
        "<csv>: there is no column 'photo' (found: photo|type); add it",
    ),
    ("table", write("photos.csv", ""), "<csv>: an empty file; download or export it again"),
    ("table", write("photos.csv", "photo,type,type\n"), "<csv>: the column 'type' is given twice; keep one of them"),
    (
        "table",
        write("photos.csv", "photo,type,x1,y1\n"),
        "<csv>: of a box there is only x1, y1; give x1, y1, x2 and y2, or none",
    ),
    ("table", write("photos.csv", b"photo,type\n\xe9.jpg,suv"), "<csv>: not UTF-8 text; save it as CSV in UTF-8"),
    (
        "table",
        write("photos.csv", 'photo,type\n"a.jpg,suv'),
        "<csv> row 2: not CSV (unexpected end of data); write it again",
    ),
    ("table", write("photos.csv", "photo,type\na.jpg\n"), "<csv> row 2: 1 cells, the header has 2"),
    (
        "table",
        cell("photo", "../a.jpg"),
        "<csv> row 2: the photo '../a.jpg' leads outside of <data>; paths must be relative to that folder",
    ),
    ("table", cell("photo", "", 5), "<csv> row 5: the photo is empty; name it, or remove the row"),
    ("table", cell("type", "", 3), "<csv> row 3: the type of 'images/001.jpg' is empty; name it, or remove the row"),
    (
        "table",
        cell("mask", "/etc/passwd", 4),
        "<csv> row 4: the mask '/etc/passwd' leads outside of <data>; paths must be relative to that folder",
    ),
    (
        "table",
        cell("x2", ""),
        "<csv> row 2: the box (x1 17.0, y1 10.0, x2 missing, y2 31.0) is not four numbers; complete it, or "
        "leave all four empty",
    ),
    (
        "table",
        cell("y2", "nan"),
        "<csv> row 2: the box (x1 17.0, y1 10.0, x2 52.0, y2 nan) is not four numbers; complete it, or "
        "leave all four empty",
    ),
    ("table", cell("split", "dev", 7), "<csv> row 7: the split 'dev' is none of train, validation, test"),
    ("table", cell("split", "", 7), "<csv> row 7: no split, unlike row 2; give all photos one, or none"),
    (
        "table",
        cell("photo", "images/000.jpg", 6),
        "<csv> row 6: 'images/000.jpg' is in validation, in row 2 in train; a photo belongs to one split",
    ),
    (
        "devkit",
        write("devkit/cars_train_annos.mat", b"PK"),
        "<mat>: not a MATLAB file (Mat file appears to be truncated); take the original file again",
    ),
    (
        "devkit",
        lambda data: savemat(data / "devkit" / "cars_train_annos.mat", {"x": 1}),
        "<mat>: there is no 'annotations' in it; take the original file again",
    ),
    (
        "devkit",
        devkit_row(3, fname="00002.jpg"),
        "<mat> annotations(3): '00002.jpg' is in <mat> annotations(2) too; list every photo once",
    ),
    ("devkit", devkit_row(3, bbox_y2=None), "<mat> annotations(1): has no bbox_y2"),
    ("devkit", devkit_row(3, **{"class": 9}), "<mat> annotations(3): class 9 is none of 1 to 8"),
    ("devkit", devkit_row(3, bbox_x1="a"), "<mat> annotations(3): box and class are not five whole numbers"),
    ("devkit", devkit_row(3, fname="../x.jpg"), "<mat> annotations(3): '../x.jpg' is not the name of a photo"),
    (
        "devkit",
        remove("devkit/cars_meta.mat"),
        "<data>: the classes have numbers, but no names; add cars_meta.mat or names.csv",
    ),
    ("devkit", remove("cars_test"), "<data>: there is no folder cars_test or test; add the test photos"),
    ("devkit", remove("cars_train"), "<data>: there is no folder cars_train or train; add the train photos"),
]


def named(rows: list[tuple]) -> list[str]:
    """An id for each row: its set and the beginning of what it says."""
    return [f"{row[0]}-{row[2][:60]}" for row in rows]


@pytest.mark.parametrize(("made", "damage", "message"), REFUSED, ids=named(REFUSED))
def test_what_is_broken_as_a_whole_is_refused_in_one_line(sets, tmp_path, made, damage, message):
    data = Path(shutil.copytree(sets[made], tmp_path / "data"))
    damage(data)
    with pytest.raises(CarsegError) as caught:
        load_catalogue(data)
    for word, name in PLACES.items():
        message = message.replace(word, f"{data}{name}")
    assert str(caught.value) == message


SUV = voc_object("suv", (5, 5, 30, 30))
PLAIN = np.zeros((40, 60), dtype=np.uint8)
COUNTED = [
    (
        "voc",
        objects(voc_object("suv", ("a", 5, 30, 30))),
        "bad box",
        "xmin a, ymin 5, xmax 30, ymax 30 is not four numbers",
    ),
    (
        "voc",
        objects(SUV.replace("<ymax>30</ymax>", "")),
        "bad box",
        "xmin 5, ymin 5, xmax 30, ymax missing is not four numbers",
    ),
    (
        "voc",
        objects(voc_object("suv", ("inf", 5, 30, 30))),
        "bad box",
        "xmin inf, ymin 5, xmax 30, ymax 30 is not four numbers",
    ),
    (
        "voc",
        objects(voc_object("suv", (61, 5, 90, 30))),
        "box outside the photo",
        "xmin 61, ymin 5, xmax 90, ymax 30 lies outside of 60×40",
    ),
    (
        "voc",
        write(FIRST, voc_xml("000001.jpg", [SUV], (61, 40))),
        "size mismatch",
        "annotated as 61×40, the photo has 60×40",
    ),
    ("voc", remove("JPEGImages/000001.jpg"), "missing file", "there is no such file"),
    ("voc", link_out("JPEGImages/000001.jpg"), "link", "the link leaves the folder; put a copy in its place (cp -L)"),
    ("voc", link_out(MASK), "bad mask", "SegmentationObject/000001.png: the link leaves the folder"),
    ("voc", write(MASK, "text"), "bad mask", "SegmentationObject/000001.png: not a PNG"),
    ("voc", mask_of(PLAIN), "zero-area mask", "the mask of the suv has no pixels inside"),
    ("voc", mask_of(PLAIN + 255), "zero-area mask", "the mask of the suv has no pixels inside"),
    (
        "voc",
        mask_of(np.ones((41, 60), dtype=np.uint8)),
        "bad mask",
        "SegmentationObject/000001.png: has 60×41 pixels, the photo 60×40",
    ),
    (
        "voc",
        mask_of(PLAIN + 1, "RGB"),
        "bad mask",
        "SegmentationObject/000001.png: has the colour (1, 1, 1), which is not of VOC's colour map, so the objects "
        "have no numbers; save it with a palette",
    ),
    ("table", cell("x1", "70"), "zero-area box", "x1 70, y1 10.0, x2 52.0, y2 31.0 has no width or no height"),
    (
        "table",
        cell("y1", "30.5"),
        "zero-area box",
        "x1 17.0, y1 30.5, x2 52.0, y2 31.0 is less than a pixel wide or high inside the photo",
    ),
    ("table", cell("mask", "masks/gone.png"), "bad mask", "masks/gone.png: there is no such file"),
    ("table", mask_of(PLAIN[:, :59], name="masks/000.png"), "size mismatch", "annotated as 59×40, the photo has 60×40"),
    ("table", cell("photo", "images/gone.jpg"), "missing file", "there is no such file"),
    ("table", write("images/000.jpg", b""), "empty file", "0 bytes"),
    ("devkit", devkit_row(1, bbox_x2=4), "zero-area box", "x1 5, y1 5, x2 4, y2 30 has no width or no height"),
    (
        "devkit",
        devkit_row(1, bbox_x1=61, bbox_x2=80),
        "box outside the photo",
        "x1 61, y1 5, x2 80, y2 30 lies outside of 60×40",
    ),
    ("devkit", devkit_row(1, fname="99999.jpg"), "missing file", "there is no such file"),
    ("devkit", write("cars_train/00001.jpg", b"GIF89a"), "unreadable", "not a JPEG, PNG, WebP, BMP or GIF"),
]


@pytest.mark.parametrize(("made", "damage", "reason", "detail"), COUNTED, ids=named(COUNTED))
def test_what_is_broken_in_one_photo_leaves_that_photo_out(sets, tmp_path, made, damage, reason, detail):
    data = Path(shutil.copytree(sets[made], tmp_path / "data"))
    before = len(load_catalogue(data).photos)
    damage(data)
    catalogue = load_catalogue(data)
    bad = catalogue.excluded[~catalogue.excluded["reason"].isin(["other type", "no annotation"])]
    assert bad[["body_type", "reason", "detail"]].values.tolist() == [["suv", reason, detail]]
    assert len(catalogue.photos) == len(catalogue.instances) == before - 1
    assert catalogue.has_masks == (made != "devkit")
