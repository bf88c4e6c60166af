"""Which photos the readers of each format take for photos without a car."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import DataConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.export import export
from carseg_lib.data.formats.image_folder import is_carless
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.data.summary import print_summary
from tests.helpers.dataset_formats import make_table, make_voc, voc_object, voc_xml, write_csv
from tests.helpers.drawn_cars import make_background, make_car_photos

HINT = "SET=unlabelled=background takes it as a photo without a car"


def carless(catalogue: Catalogue) -> list[tuple[str, str]]:
    return list(catalogue.background[["photo_id", "split"]].itertuples(index=False, name=None))


def left_out(catalogue: Catalogue) -> list[tuple[str, str]]:
    return list(catalogue.excluded[["photo_id", "reason"]].itertuples(index=False, name=None))


# Folders


@pytest.mark.parametrize(
    "name", ["background", "Backgrounds", "none", "negative", "NEGATIVES", "no_car", "no-car", "No Cars", "nocar"]
)
def test_names_of_folders_without_cars(name):
    assert is_carless(name, ClassMap())
    assert not is_carless(name, ClassMap.parse(f"suv sedan=limousine,{name!r}"))


@pytest.mark.parametrize("name", ["car", "suv", "nothing", "negation", "background2", "s", "test"])
def test_other_names_are_not_those_of_folders_without_cars(name):
    assert not is_carless(name, ClassMap())


def test_a_type_left_out_on_purpose_is_no_background(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text("types: [suv, sedan]\nleave_out: [none]\n")
    assert not is_carless("none", ClassMap.parse(str(path)))


def test_a_folder_beside_type_folders_holds_photos_without_a_car(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 4, (24, 16), layout="folder")
    make_background(folder / "No-Car" / "streets", 2, (24, 16))
    make_background(folder / "bikes", 1, (24, 16), seed=7)
    catalogue = load_catalogue(folder)
    assert carless(catalogue) == [("No-Car/streets/road-00.jpg", ""), ("No-Car/streets/road-01.jpg", "")]
    assert len(catalogue.photos) == len(catalogue.instances) == 16
    assert left_out(catalogue) == [("bikes/", "other type")]


def test_folders_in_splits_give_photos_without_a_car_their_split(tmp_path):
    folder = make_car_photos(
        tmp_path / "cars", {"train": 2, "validation": 1, "test": 1}, (24, 16), layout="folder-splits"
    )
    make_background(folder / "train" / "background", 1, (24, 16), seed=1)
    make_background(folder / "test" / "negatives", 1, (24, 16), seed=2)
    make_background(folder / "none", 1, (24, 16), seed=3)  # beside the splits: without one
    catalogue = load_catalogue(folder)
    expected = [
        ("none/road-00.jpg", ""), ("test/negatives/road-00.jpg", "test"), ("train/background/road-00.jpg", "train"),
    ]  # fmt: skip
    assert carless(catalogue) == expected
    assert assign_splits(catalogue, 0).counts_with_background().loc["background"].sum() == 3


def test_a_type_of_that_name_is_a_type_and_folders_name_no_such_type(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 4, (24, 16), layout="folder")
    make_background(folder / "negative", 3, (24, 16))
    typed = load_catalogue(folder, ClassMap.parse("suv sedan negative"))
    assert typed.background.empty and typed.counts().sum(axis=1).to_dict() == {"suv": 4, "sedan": 4, "negative": 3}
    named = load_catalogue(folder, ClassMap.parse("folders"))
    assert named.body_types == ("convertible", "minivan", "sedan", "suv") and len(named.background) == 3


def test_a_photo_of_a_car_is_no_background_and_a_broken_one_is_counted(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 20, (24, 16), layout="folder")
    make_background(folder / "none", 2, (24, 16))
    shutil.copy(folder / "suv" / "00001.jpg", folder / "none" / "car.jpg")
    (folder / "none" / "broken.jpg").write_bytes(b"")
    catalogue = load_catalogue(folder)
    assert carless(catalogue) == [("none/road-00.jpg", ""), ("none/road-01.jpg", "")]
    assert left_out(catalogue) == [("none/broken.jpg", "empty file"), ("none/car.jpg", "car in a background photo")]
    assert catalogue.excluded["detail"].iloc[1] == "same pixels as suv/00001.jpg"
    assert catalogue.excluded["body_type"].tolist() == ["", ""] and len(catalogue.photos) == 80
    for k in range(4):
        (folder / "none" / f"broken-{k}.jpg").write_bytes(b"")
    with pytest.raises(
        CarsegError, match=r"6 of 88 photos \(6.8%, more than 5%\) cannot be used: 5 empty file, 1 car in"
    ):
        load_catalogue(folder)


# Annotations


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """A COCO folder whose training file also lists: no annotation, one of a bicycle, a crowd."""
    folder = make_car_photos(tmp_path / "cars", 4, (24, 16))
    make_background(folder / "images" / "roads", 3, (24, 16))
    path = folder / "annotations" / "train.json"
    content = json.loads(path.read_text())
    content["categories"].append({"id": 9, "name": "bicycle"})
    content["images"] += [{"id": 900 + k, "file_name": f"roads/road-{k:02d}.jpg"} for k in range(3)]
    box = {"bbox": [1, 1, 5, 5], "iscrowd": 0}
    content["annotations"] += [
        {"id": 901, "image_id": 901, "category_id": 9} | box, {"id": 902, "image_id": 902, "category_id": 1} | box
    ]  # fmt: skip
    content["annotations"][-1]["iscrowd"] = 1
    path.write_text(json.dumps(content))
    return folder


def test_coco_photos_without_an_annotation_are_background_if_asked_for(coco):
    catalogue = load_catalogue(coco)
    assert catalogue.background.empty
    rows = catalogue.excluded[catalogue.excluded["reason"] == "no labelled car"].set_index("photo_id")["detail"]
    assert rows.to_dict() == {
        "roads/road-00.jpg": f"no annotation at all; {HINT}",
        "roads/road-01.jpg": "no annotation of the body types",
        "roads/road-02.jpg": "no annotation of the body types",
    }
    asked = load_catalogue(coco, unlabelled="background")
    assert carless(asked) == [("roads/road-00.jpg", "train")] and len(asked.photos) == 16
    assert asked.excluded_counts()["no labelled car"] == 2
    assert asked.without_background().fingerprint == catalogue.fingerprint


def test_a_folder_among_coco_photos_holds_photos_without_a_car(coco):
    make_background(coco / "images" / "background" / "val", 2, (24, 16))
    make_background(coco / "images" / "No car", 1, (24, 16))
    (coco / "images" / "background" / "old.gif").write_bytes(b"GIF89a")
    (coco / "images" / "roads" / "road-01.jpg").rename(coco / "images" / "background" / "road-01.jpg")
    path = coco / "annotations" / "train.json"
    path.write_text(path.read_text().replace("roads/road-01.jpg", "background/road-01.jpg"))  # a bicycle's
    catalogue = load_catalogue(coco)
    assert carless(catalogue) == [
        ("No car/road-00.jpg", ""),
        ("background/val/road-00.jpg", "validation"),
        ("background/val/road-01.jpg", "validation"),
    ]
    ignored = catalogue.excluded.set_index("photo_id")["reason"]
    assert ignored["background/old.gif"] == "other format"
    assert ignored["background/road-01.jpg"] == "no labelled car"  # the annotations' word counts
    assert len(catalogue.photos) == 16


def test_an_export_holds_photos_without_a_car_and_is_read_back_with_them(coco, tmp_path):
    dataset = assign_splits(load_catalogue(coco, unlabelled="background"), 0)
    run = tmp_path / "reports" / "run"
    dataset.save(run / "dataset")
    rejected = run / "rejected_masks.csv"
    rejected.write_text("photo_id,body_type,x1,y1,x2,y2,mask,box_origin,mask_origin,mask_quality,split,reason,detail\n")
    export(run / "dataset", rejected, tmp_path / "export", "coco")
    again = load_catalogue(tmp_path / "export", unlabelled="background")
    assert carless(again) == carless(dataset) and again.counts().equals(dataset.counts())


def test_voc_files_without_an_object_are_background_if_asked_for(tmp_path):
    stems = [f"{k:06d}" for k in range(1, 13)]
    lists = {"train": [*stems[:8], "road-00"], "test": [*stems[8:], "road-01"]}
    folder = make_voc(tmp_path / "voc", masks=False, lists=lists)
    make_background(folder / "JPEGImages", 3, (60, 40))
    for stem, objects in (("road-00", []), ("road-01", [voc_object("bus", (1, 1, 9, 9))]), ("road-02", [])):
        (folder / "Annotations" / f"{stem}.xml").write_text(voc_xml(f"{stem}.jpg", objects))
    catalogue = load_catalogue(folder)
    assert catalogue.background.empty
    details = catalogue.excluded.set_index("photo_id")["detail"]
    assert details["road-00.jpg"] == f"no annotation at all; {HINT}"
    asked = load_catalogue(folder, unlabelled="background")
    assert carless(asked) == [("road-00.jpg", "train")]
    assert ("road-01.jpg", "no labelled car") in left_out(asked) and ("road-02.jpg", "in no split") in left_out(asked)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with photos.csv, boxes and masks, and two photos that no row names."""
    folder = make_table(tmp_path / "cars", masks=True)
    make_background(folder / "images", 2, (60, 40))
    return folder


def add_rows(folder: Path, *rows: list[str], group: str = "") -> None:
    lines = [line.split(",") for line in (folder / "photos.csv").read_text().splitlines()]
    head, *old = lines
    widened = [[*row, ""] for row in old]
    filled = [[*row, *[""] * (len(head) - len(row)), group] for row in rows]
    write_csv(folder / "photos.csv", [[*head, "group"], *widened, *filled])


def test_rows_without_type_and_box_are_background_if_asked_for(table):
    add_rows(table, ["images/road-00.jpg", ""], ["images/road-01.jpg", ""], group="street 3")
    asked = load_catalogue(table, unlabelled="background")
    assert carless(asked) == [("images/road-00.jpg", ""), ("images/road-01.jpg", "")]
    assert asked.background["group"].tolist() == ["street 3"] * 2 and len(asked.photos) == 12
    with pytest.raises(CarsegError, match=rf"row 14: the type of 'images/road-00.jpg' is empty.*; {HINT}$"):
        load_catalogue(table)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [["images/road-00.jpg", "", "1", "1", "9", "9"]],
            r"row 14: the type of .* is empty; name it, or remove the row$",
        ),
        (
            [["images/000.jpg", ""]],
            r"row 14: 'images/000.jpg' is in row 2 too, and one of the two says that it shows no",
        ),
        (
            [["images/road-00.jpg", ""], ["images/road-00.jpg", "suv"]],
            r"row 15: .* is in row 14 too, and one of the two",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_refused(table, rows, message):
    add_rows(table, *rows)
    with pytest.raises(CarsegError, match=message) as error:
        load_catalogue(table, unlabelled="background")
    assert "\n" not in str(error.value)


# The summary


def test_the_summary_counts_photos_without_a_car(coco):
    lines: list[str] = []
    config = DataConfig(unlabelled="background")
    print_summary(coco, config, 0, lines.append, lambda done, total: None)
    assert lines[0] == "cars: COCO annotations, 16 photos, 16 labelled cars, 1 photos without a car"
    assert [line.split() for line in lines if line.startswith("background")] == [["background", "1", "0", "0", "1"]]
    assert lines[8].split() == ["all", "9", "4", "4", "17"]
    plain: list[str] = []
    print_summary(coco, DataConfig(), 0, plain.append, lambda done, total: None)
    assert plain[0] == "cars: COCO annotations, 16 photos, 16 labelled cars"
    assert not any(line.startswith("background") for line in plain)
