"""labelme, CVAT XML, Label Studio, VIA and Supervisely: the drawn cars come back, oddities are counted or refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.fingerprint import content_fingerprint
from carseg_lib.data.formats.detect import FORMATS, detect_and_list
from carseg_lib.data.loader import load_catalogue, read_listing
from carseg_lib.data.masks import box_of_mask, decode_mask, mask_iou, polygons_to_mask
from tests.helpers.layouts import SHORT, SIZE, TREE, cars, write
from tests.helpers.program_files import WRITERS, cvat_shape, region, task, via

WIDTH, HEIGHT = SIZE
FORMS = [(key, form) for key in WRITERS for form in ("box", "polygon", "bitmap") if (key, form) != ("via", "bitmap")]
SAID = {"label-studio": {"name without its prefix": 3}, "via": {"other column": 1}}
SPLITS = {"train": 8, "validation": 4, "test": 4}


def check(catalogue: Catalogue, form: str, splits: dict[str, int] = SPLITS, least: float = 1.0) -> None:
    """Every drawn car is there, with its type, split, box and mask."""
    truth = {car.name: car for car in cars()}
    assert catalogue.photos["split"].value_counts().to_dict() == splits
    assert len(catalogue.instances) == len(truth)
    for row in catalogue.instances.itertuples():
        car = truth[Path(row.photo_id).stem]
        assert row.body_type == car.body_type
        assert np.allclose((row.x1, row.y1, row.x2, row.y2), car.box, atol=1e-9)
        if form == "box":
            assert row.mask == ""
            continue
        whole = polygons_to_mask([[v for point in car.outline for v in point]], HEIGHT, WIDTH)
        wanted = whole if form == "polygon" else car.mask
        assert mask_iou(decode_mask(row.mask, HEIGHT, WIDTH), wanted) >= least


@pytest.mark.parametrize(("key", "form"), FORMS)
def test_what_a_program_writes_comes_back(tmp_path, key, form):
    folder = tmp_path / "cars"
    WRITERS[key](folder, form)
    catalogue = load_catalogue(folder)
    # Supervisely's points are pixels, which all belong to the car: a slanted side has others than the polygon's
    check(catalogue, form, least=0.98 if (key, form) == ("supervisely", "polygon") else 1.0)
    assert catalogue.excluded_counts() == SAID.get(key, {})
    assert load_catalogue(folder, data_format=key).fingerprint == catalogue.fingerprint
    (inner := tmp_path / "archive" / "inner").parent.mkdir()
    shutil.move(folder, inner)
    assert load_catalogue(tmp_path / "archive").fingerprint == catalogue.fingerprint


def test_tables_of_via_come_back(tmp_path):
    via(tmp_path, "polygon", table=True)
    check(load_catalogue(tmp_path), "polygon")


@pytest.mark.parametrize(
    ("key", "name"), [("cvat", "annotations.xml"), ("label-studio", "all.json"), ("via", "train/via.json")]
)
def test_one_file_as_data_finds_its_photos_and_its_fingerprint_covers_them(tmp_path, key, name):
    WRITERS[key](tmp_path, "box")
    if key == "label-studio":
        tasks = [row for short in SHORT.values() for row in json.loads((tmp_path / f"{short}.json").read_text())]
        write(tmp_path / name, json.dumps(tasks))
    splits = {"cvat": SPLITS, "label-studio": {"": 16}}.get(key)
    listing = detect_and_list(tmp_path / name)
    if splits:
        check(read_listing(listing), "box", splits)
    before = content_fingerprint(tmp_path / name)
    path = listing.root / listing.photos[0].photo_id
    path.write_bytes(path.read_bytes() + b"x")
    assert content_fingerprint(tmp_path / name) != before


# ---------------------------------------------------------------- FORMAT


def test_format_says_which_of_two_is_meant(tmp_path):
    for build in TREE:
        build(tmp_path)
    write(tmp_path / "tasks.json", json.dumps([task(car, [region(car, "polygon")]) for car in cars()]))
    with pytest.raises(CarsegError, match=r"has Label Studio \(tasks.json\) and VOC .* FORMAT=label-studio or"):
        load_catalogue(tmp_path)
    assert load_catalogue(tmp_path, data_format="label-studio").has_masks
    assert not load_catalogue(tmp_path, data_format="voc").has_masks
    with pytest.raises(CarsegError) as caught:
        load_catalogue(tmp_path, data_format="cvat")
    assert str(caught.value) == (
        f"{tmp_path}: FORMAT=cvat, and there are no CVAT for images in it (looked for *.xml of CVAT for images in it, "
        "in annotations/ or in folders of splits); there are Label Studio (tasks.json): FORMAT=label-studio and VOC "
        "annotations (Annotations/*.xml): FORMAT=voc, or leave FORMAT out"
    )
    with pytest.raises(CarsegError, match=r"tasks.json: FORMAT=via, and the file is of Label Studio"):
        detect_and_list(tmp_path / "tasks.json", data_format="via")
    with pytest.raises(CarsegError, match=r"FORMAT=voc is for a folder; give the folder of the photos as DATA"):
        detect_and_list(tmp_path / "tasks.json", data_format="voc")


@pytest.mark.parametrize("key", sorted({one.key for one in FORMATS} - {"folders"}))
def test_every_format_refuses_a_folder_that_is_not_of_it(tmp_path, key):
    cars()[0].save(tmp_path / "x.jpg")
    with pytest.raises(CarsegError, match=f"FORMAT={key}, and there are no .*no annotations of another"):
        detect_and_list(tmp_path, data_format=key)


# ---------------------------------------------------------------- what people draw


def tasks_of(folder: Path, change: Any) -> Catalogue:
    """The catalogue of tasks, two results each, that `change` makes of a car."""
    for car in cars():
        car.save(folder / "images" / f"{car.name}.jpg")
    write(folder / "tasks.json", json.dumps([change(car) for car in cars()]))
    return load_catalogue(folder)


def test_a_box_and_a_polygon_of_one_car_are_one_car(tmp_path):
    catalogue = tasks_of(tmp_path, lambda car: task(car, [region(car, "box"), region(car, "polygon")]))
    check(catalogue, "polygon", {"": 16})
    notes = catalogue.excluded.loc[catalogue.excluded["reason"] == "read otherwise", "detail"].tolist()
    assert notes == ["16 boxes are of cars whose mask has a label of its own, of one class: the masks are taken"]


def test_of_several_annotations_the_ground_truth_counts_else_the_last(tmp_path):
    def change(car):
        made = task(car, [region(car, "box")])
        wrong = [region(cars()[0], "box")]
        first = {"id": 2, "result": wrong, "created_at": "2023-01-01"}
        skipped = {"id": 3, "result": wrong, "created_at": "2025-01-01", "was_cancelled": True}
        later = {"id": 4, "result": wrong, "created_at": "2025-01-01"}
        made["annotations"] += [first, skipped]
        if int(car.name) % 2:
            made["annotations"][0]["ground_truth"] = True
            made["annotations"].append(later)
        return made

    check(tasks_of(tmp_path, change), "box", {"": 16})


def test_without_a_stated_size_percent_are_of_the_photo_and_choices_name_the_type(tmp_path):
    def change(car):
        drawn = region(car, "box") | {"original_width": None}
        drawn["value"]["rectanglelabels"] = ["car"]
        return task(car, [drawn, {"id": "c", "type": "choices", "value": {"choices": ["day", car.body_type]}}])

    catalogue = tasks_of(tmp_path, change)
    assert np.allclose(catalogue.instances[["x1", "y1", "x2", "y2"]], [car.box for car in cars()], atol=1e-6)
    assert catalogue.instances["body_type"].tolist() == [car.body_type for car in cars()]


def test_photos_that_are_turned_in_the_program_and_broken_brushes_are_left_out(tmp_path):
    for row in (region(cars()[0], "polygon") | {"image_rotation": 90}, region(cars()[0], "bitmap")):
        if row["image_rotation"] == 0:
            row["value"]["rle"] = row["value"]["rle"][:-3]
        write(tmp_path / "tasks.json", json.dumps([task(cars()[0], [row])]))
        cars()[0].save(tmp_path / "00001.jpg")
        excluded = read_listing(detect_and_list(tmp_path)).excluded
        assert excluded["reason"].tolist()[0] == "bad mask"


def cvat_of(folder: Path, shapes: str, more: str = "") -> Catalogue:
    """A catalogue of one photo with shapes of CVAT."""
    cars()[0].save(folder / "00001.jpg")
    write(folder / "a.xml", f'<annotations><image id="0" name="00001.jpg"{more}>{shapes}</image></annotations>')
    return read_listing(detect_and_list(folder))


def test_shapes_of_one_group_are_one_car(tmp_path):
    first = cars()[0]
    far = '<polygon label="suv" points="0,0;4,0;4,4;0,4" group_id="1"/>'
    grouped = cvat_of(tmp_path, cvat_shape(first, "bitmap", ' group_id="1"') + far)
    mask = first.mask.copy()
    mask[:4, :4] = True
    assert (decode_mask(grouped.instances["mask"].iloc[0], HEIGHT, WIDTH) == mask).all()
    other = '<box label="suv" xtl="2" ytl="2" xbr="20" ybr="20" group_id="1"/>'
    assert len(cvat_of(tmp_path, cvat_shape(first, "box", ' group_id="1"') + other).instances) == 2


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<box label="suv" xtl="10" ytl="10" xbr="30" ybr="20" rotation="90"/>', (15, 5, 25, 25)),
        ('<ellipse label="suv" cx="20" cy="20" rx="10" ry="5" rotation="90"/>', (15, 10, 25, 30)),
        ('<tag label="suv"/>', (0, 0, 60, 40)),
        ('<tag label="suv"/><box label="car" xtl="10" ytl="10" xbr="30" ybr="20"/>', (10, 10, 30, 20)),
    ],
)
def test_turned_boxes_ellipses_and_tags(tmp_path, shape, box):
    row = cvat_of(tmp_path, shape).instances.iloc[0]
    assert np.allclose([row.x1, row.y1, row.x2, row.y2], box, atol=0.01)
    assert row.body_type == "suv"


def test_holes_lines_and_photos_without_an_object(tmp_path):
    for car in cars()[:3]:
        car.save(tmp_path / "ds" / "img" / f"{car.name}.jpg")
    square = [[10, 10], [29, 10], [29, 29], [10, 29]]
    hole = [[15, 15], [20, 15], [20, 20], [15, 20]]
    shapes = [
        [{"classTitle": "suv", "geometryType": "polygon", "points": {"exterior": square, "interior": [hole]}}],
        [{"classTitle": "suv", "geometryType": "line", "points": {"exterior": square[:2], "interior": []}}],
        [],
    ]
    for car, objects in zip(cars(), shapes, strict=False):
        write(tmp_path / "ds" / "ann" / f"{car.name}.jpg.json", json.dumps({"objects": objects}))
    listing = detect_and_list(tmp_path, unlabelled="background")
    assert [photo.photo_id for photo in listing.background] == ["img/00003.jpg"]
    assert [(row["reason"], row["detail"]) for row in listing.ignored] == [
        ("other shape", "suv: 1 objects, drawn as line"),
        ("no labelled car", "no annotation of the body types"),
    ]
    catalogue = read_listing(listing)
    mask = decode_mask(catalogue.instances["mask"].iloc[0], HEIGHT, WIDTH)
    assert box_of_mask(mask) == (10, 10, 30, 30)
    assert mask.sum() == 20 * 20 - 6 * 6


# ---------------------------------------------------------------- refusals

REFUSED = {
    "CVAT without a name": ("a.xml", '<annotations><image id="3"/></annotations>', "a.xml: image 3 has no name"),
    "CVAT without a label": (
        "a.xml",
        '<annotations><image id="3" name="x.jpg"><box/></image></annotations>',
        "a.xml: a box of image 3 has no label",
    ),
    "CVAT with entities": (
        "a.xml",
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations></annotations>',
        "a.xml: holds a document type or entities",
    ),
    "CVAT cut off": ("a.xml", '<annotations><image id="3" name="x.jpg">', "a.xml: not XML ("),
    "tasks without a photo": (
        "t.json",
        '[{"id": 7, "data": {"text": "x"}, "annotations": []}]',
        "t.json: the data of task 7 name no photo",
    ),
    "regions that are none": (
        "t.json",
        '[{"id": 7, "data": {"image": "x.jpg"}, "annotations": [{"result": [1]}]}]',
        "t.json: the result of task 7 is not a list of objects",
    ),
    "other labels": (
        "t.json",
        '[{"id": 7, "data": {"image": "x.jpg"}, "annotations": [{"result": [{"id": "a", "value": {"x": 1, "y": 1,'
        ' "width": 2, "height": 2, "rectanglelabels": ["jeep"]}}]}]}]',
        'no label is suv, sedan, convertible or minivan (found: jeep); rename them in the annotation file, or give '
        'their names in CLASSES, for instance CLASSES="suv=jeep sedan convertible minivan"',
    ),
    "VIA's broken table": (
        "v.csv",
        "filename,file_attributes,region_shape_attributes,region_attributes\nx.jpg,{},{,{}\n",
        "v.csv: row 2: region_shape_attributes is not JSON",
    ),
    "VIA's region": (
        "v.json",
        '{"x": {"filename": "x.jpg", "regions": [{"shape_attributes": 3}]}}',
        "v.json: region 0 of x.jpg is not as VIA 2 writes it",
    ),
    "labelme's points": (
        "x.json",
        '{"shapes": [{"label": "suv", "points": [[1, "a"]], "shape_type": "polygon"}], "imagePath": "x.jpg"}',
        "x.json: shape 1 (suv): its points are not a list of [x, y]",
    ),
    "labelme's rectangle": (
        "x.json",
        '{"shapes": [{"label": "suv", "points": [[1, 2]], "shape_type": "rectangle"}], "imagePath": "x.jpg"}',
        "x.json: shape 1 (suv): a rectangle has two points, it has 1",
    ),
    "Supervisely's title": (
        "ann/x.jpg.json",
        '{"objects": [{"geometryType": "rectangle"}]}',
        "x.jpg.json: object 1 has no classTitle",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_broken_file_is_refused_by_its_name_and_place(tmp_path, name):
    file, content, message = REFUSED[name]
    (tmp_path / "img").mkdir()
    cars()[0].save(tmp_path / "x.jpg")
    write(tmp_path / file, content)
    with pytest.raises(CarsegError) as caught:
        detect_and_list(tmp_path, ClassMap())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
