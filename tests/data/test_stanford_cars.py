"""Stanford Cars: the devkit's MATLAB files and the CSV tables that circulate give the same catalogue."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.formats.stanford_cars import _type_of
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import box_of_mask
from carseg_lib.data.splits import assign_splits, shared_groups
from tests.helpers.dataset_formats import CLASSES, DEVKIT, annotations, drawn, make_devkit, stanford_rows, write_csv
from tests.helpers.drawn_cars import TYPES

LEFT_OUT = [
    ["Audi TTS Coupe 2012", "other type", "coupe: 3 train, 3 test photos"],
    ["Acura TL Type-S 2008", "other type", "no body word: 3 train, 3 test photos"],
    ["Chevrolet Silverado 1500 Extended Cab 2012", "other type", "cab: 3 train, 3 test photos"],
    ["Ford E-Series Wagon Van 2012", "other type", "van: 3 train, 3 test photos"],
]


@pytest.fixture(scope="module")
def devkit(tmp_path_factory):
    return make_devkit(tmp_path_factory.mktemp("stanford") / "cars")


def excluded(catalogue: Catalogue) -> list[list[str]]:
    return catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist()


def test_the_devkit(devkit):
    catalogue = load_catalogue(devkit)
    assert (catalogue.name, detect_and_list(devkit).source) == ("cars", "Stanford Cars")
    counts = catalogue.counts()
    assert counts["train"].tolist() == counts["test"].tolist() == [3] * 4
    assert set(catalogue.instances["box_origin"]) == {"given"}
    assert not catalogue.has_masks
    assert excluded(catalogue) == LEFT_OUT
    assert catalogue.photos["photo_id"].iloc[0] == "cars_test/00001.jpg"
    # a photo's group is its car's model, which Stanford Cars has in training and test alike
    assert catalogue.photos.groupby("body_type")["group"].unique().map(list).to_dict() == {
        "suv": ["AM General Hummer SUV"],
        "sedan": ["Acura RL Sedan"],
        "convertible": ["Audi S5 Convertible"],
        "minivan": ["Dodge Caravan Minivan"],
    }
    assert shared_groups(catalogue.photos) == 4
    divided = assign_splits(catalogue, 0)  # validation is cut from the official training photos
    assert divided.counts().loc["suv"].tolist() == [2, 1, 3]


def test_official_boxes_count_from_1_and_end_inside(devkit, tmp_path):
    cars = tmp_path / "cars"
    shutil.copytree(devkit, cars)
    rows = [(1, 1, 60, 40, 1, "00001.jpg"), *((39, 11, 56, 37, k, f"{k:05d}.jpg") for k in range(2, 13))]
    rows = [(*row[:4], (row[4] - 1) % 4 + 1, row[5]) for row in rows]
    savemat(cars / "devkit" / "cars_train_annos.mat", {"annotations": annotations(rows, DEVKIT)})
    boxes = load_catalogue(cars).instances.set_index("photo_id")[["x1", "y1", "x2", "y2"]]
    assert boxes.loc["cars_train/00001.jpg"].tolist() == [0, 0, 60, 40]
    assert boxes.loc["cars_train/00002.jpg"].tolist() == [38, 10, 56, 37]


@pytest.mark.parametrize("form", ["nested", "beside", "anno", "cardataset"])
def test_every_form_in_which_it_circulates_gives_the_same(devkit, tmp_path, form):
    expected = load_catalogue(devkit)
    cars = tmp_path / "cars"
    if form == "nested":
        make_devkit(cars, nested=True)
    elif form == "beside":
        shutil.copytree(devkit, cars)
        for path in list((cars / "devkit").iterdir()):
            shutil.move(path, cars / path.name)
    else:
        folders = {"train": "car_data/car_data/train/{name}", "test": "car_data/car_data/test/{name}"}
        if form == "cardataset":
            folders = {"train": "cars_train/cars_train", "test": "cars_test/cars_test"}
        for split in folders:
            rows = stanford_rows(cars, folders, split, 3)
            if form == "anno":
                write_csv(cars / f"anno_{split}.csv", [(row[5], *row[:5]) for row in rows])
            elif split == "train":
                head = ["", "x1", "y1", "x2", "y2", "Class", "image"]
                write_csv(cars / "cardatasettrain.csv", [head, *([k, *row] for k, row in enumerate(rows))])
            else:
                head = ["", "x1", "y1", "x2", "y2", "image"]
                write_csv(cars / "cardatasettest.csv", [head, *([k, *row[:4], row[5]] for k, row in enumerate(rows))])
        write_csv(cars / "names.csv", [[name] for name in CLASSES])
    catalogue = load_catalogue(cars)
    columns = ["split", "body_type", "file_sha256", "x1", "y1", "x2", "y2"]

    def rows_of(one: Catalogue) -> pd.DataFrame:
        merged = one.photos.merge(one.instances.drop(columns="body_type"), on="photo_id")
        merged = merged if form != "cardataset" else merged[merged["split"] == "train"]
        return merged[columns].sort_values("file_sha256", ignore_index=True)

    pd.testing.assert_frame_equal(rows_of(catalogue), rows_of(expected))
    if form == "cardataset":
        assert ["cardatasettest.csv", "no classes", "its photos have boxes, but no class"] in excluded(catalogue)
    else:
        assert excluded(catalogue) == LEFT_OUT


def test_the_studys_types_decide_which_classes_are_used(devkit):
    listing = detect_and_list(devkit, ClassMap.parse("pickup='extended cab' open=convertible closed=coupe,sedan"))
    assert {a.body_type for photo in listing.photos for a in photo.annotations} == {"pickup", "open", "closed"}
    assert [row["photo_id"] for row in listing.ignored] == [CLASSES[k] for k in (0, 3, 5, 7)]
    listing = detect_and_list(devkit, ClassMap(("suv", "sedan"), ((), ()), ("van", "coupe")))
    reasons = {row["photo_id"]: row["reason"] for row in listing.ignored}
    assert reasons[CLASSES[7]] == reasons[CLASSES[4]] == "left out"
    assert reasons[CLASSES[5]] == "other type"


@given(
    st.sampled_from(["SUV", "Sedan", "Convertible", "Minivan"]),
    st.integers(1990, 2020),
    st.text("AbSUV-14 ", max_size=20),
)
def test_the_last_word_before_the_year_is_the_type(word, year, make):
    assert _type_of(f"{make} {word} {year}", ClassMap()) == word.lower()
    assert _type_of(f"{word} {make} Coupe {year}", ClassMap()) is None


def test_two_annotation_files_of_a_split_are_told(devkit, tmp_path):
    cars = tmp_path / "cars"
    shutil.copytree(devkit, cars)
    write_csv(cars / "anno_train.csv", [("00001.jpg", 1, 1, 5, 5, 1)])
    assert ["anno_train.csv", "other file", "cars_train_annos.mat is read"] in excluded(load_catalogue(cars))


def test_a_test_split_without_classes_leaves_the_training_photos(devkit, tmp_path):
    cars = tmp_path / "cars"
    shutil.copytree(devkit, cars)
    (cars / "devkit" / "cars_test_annos_withlabels.mat").rename(cars / "devkit" / "cars_test_annos.mat")
    catalogue = load_catalogue(cars)
    assert set(catalogue.photos["split"]) == {"train"}
    assert excluded(catalogue)[0] == ["cars_test_annos.mat", "no classes", "its photos have boxes, but no class"]
    (cars / "devkit" / "cars_train_annos.mat").unlink()
    with pytest.raises(CarsegError, match=r"cars_test_annos\.mat name no classes; add cars_train_annos\.mat"):
        detect_and_list(cars)


def test_models_of_stanford_cars_are_kept_in_one_split(tmp_path):
    """Three models of each type, two of them of one name and two years, which are one group; four more are left out."""
    names = [
        f"{make} {word.title()} {2000 + k}" for k, make in enumerate(("Audi S4", "BMW M5", "Kia A")) for word in TYPES
    ]
    names += [f"BMW M5 {word.title()} 2012" for word in TYPES]
    folder = tmp_path / "cars"
    rows = []
    for number in range(32):
        x1, y1, x2, y2 = map(int, box_of_mask(drawn(folder / f"train/{number:05d}.jpg", TYPES[number % 4], number)))
        rows.append((f"{number:05d}.jpg", x1 + 1, y1 + 1, x2, y2, number % 16 + 1))
    write_csv(folder / "anno_train.csv", rows)
    write_csv(folder / "names.csv", [[name] for name in names])
    catalogue = load_catalogue(folder)
    assert catalogue.photos["group"].value_counts().to_dict() == {
        f"{make} {word.title()}": 4 if make == "BMW M5" else 2
        for make in ("Audi S4", "BMW M5", "Kia A")
        for word in TYPES
    }
    divided = assign_splits(catalogue, 0, "group")
    assert shared_groups(divided.photos) == 0
    groups = divided.photos.groupby(["body_type", "split"])["group"].nunique()
    assert groups.tolist() == [1] * 12  # three models of a type: one a split
