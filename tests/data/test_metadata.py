"""parameters.csv of a COCO folder: read, typed, held against the photos, or refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.metadata import read_parameters
from tests.helpers.metadata import add_parameters


@pytest.fixture
def cars(synthetic_cars, tmp_path) -> Path:
    """The drawn cars with a table of parameters, to be changed."""
    folder = Path(shutil.copytree(synthetic_cars, tmp_path / "cars"))
    add_parameters(folder, strips=False)
    return folder


def change(folder: Path, **columns) -> None:
    path = folder / "parameters.csv"
    pd.read_csv(path, keep_default_na=False).assign(**columns).to_csv(path, index=False)


def test_the_table_is_read_sorted_and_typed(cars, synthetic_cars):
    catalogue = load_catalogue(cars)
    known = catalogue.parameters
    assert known["photo_id"].tolist() == catalogue.photos["photo_id"].tolist()
    assert str(known["view"].dtype) == "str"
    assert {str(known[name].dtype) for name in ("view_angle", "other_cars", "shape_length")} == {"float64"}
    assert set(known["occluder"]) == {"none", "pole"}
    plain = load_catalogue(synthetic_cars)
    assert plain.parameters.empty and list(plain.parameters.columns) == ["photo_id"]
    assert catalogue.fingerprint != plain.fingerprint
    pd.testing.assert_frame_equal(catalogue.photos, plain.photos)


def test_empty_cells_are_kept_as_not_known(cars):
    n = len(pd.read_csv(cars / "parameters.csv"))
    change(cars, noise=["", *["2"] * (n - 1)], light=["", *["NA"] * (n - 1)], nothing=[""] * n)
    known = load_catalogue(cars).parameters
    assert known["noise"].isna().sum() == 1 and known["noise"].dtype == "float64"
    assert sorted(set(known["light"])) == ["", "NA"]
    assert set(known["nothing"]) == {""}


def test_rows_of_photos_that_are_not_used_are_no_mistake(cars):
    photo = sorted((cars / "images").rglob("*.jpg"))[0]
    photo.write_bytes(b"")  # 1 of 24 photos is less than 5%
    catalogue = load_catalogue(cars)
    assert len(catalogue.parameters) == len(catalogue.photos) == 23
    table = pd.read_csv(cars / "parameters.csv")
    extra = table.iloc[[0, 1]].assign(photo_id=["y.jpg", "z.jpg"])
    pd.concat([table, extra]).to_csv(cars / "parameters.csv", index=False)
    catalogue = load_catalogue(cars)
    row = catalogue.excluded[catalogue.excluded["photo_id"] == "parameters.csv"].iloc[0]
    assert (row["reason"], row["detail"]) == ("no such photo", "2 rows, the first: y.jpg")


def test_a_coco_file_alone_takes_no_table(cars):
    shutil.copy(cars / "annotations" / "train.json", cars / "mine.json")
    assert load_catalogue(cars / "mine.json").parameters.empty


def test_a_photo_without_a_row_is_named(cars):
    path = cars / "parameters.csv"
    table = pd.read_csv(path)
    table.iloc[2:].to_csv(path, index=False)
    with pytest.raises(CarsegError, match=r"parameters\.csv: 2 photos .* have no row, the first: '") as raised:
        load_catalogue(cars)
    assert "\n" not in str(raised.value)
    table.iloc[:0].to_csv(path, index=False)
    with pytest.raises(CarsegError, match="24 photos"):
        load_catalogue(cars)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\xff\xfe,a\n1,2\n", "not a CSV table"),
        (b"photo_id,a\nx.jpg,1,2,3\n", "not a CSV table"),
        (b"photo,a\nx.jpg,1\n", "no column photo_id among photo, a"),
        (b"photo_id,a,a\nx.jpg,1,2\n", "the column 'a' is unnamed or named twice"),
        (b"photo_id,\nx.jpg,1\n", "the column '' is unnamed or named twice"),
        (b"photo_id,a\nx.jpg,1\nx.jpg,2\n", r"the photo 'x\.jpg' has two rows"),
        (b"photo_id,a\nx.jpg,1\ny.jpg,inf\n", "the column 'a' has a number that is not finite"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path, content, message):
    (tmp_path / "parameters.csv").write_bytes(content)
    with pytest.raises(CarsegError, match=message) as raised:
        read_parameters(tmp_path)
    assert str(tmp_path) in str(raised.value) and "\n" not in str(raised.value)


def test_a_column_is_numbers_only_if_all_of_it_is(tmp_path):
    (tmp_path / "parameters.csv").write_text("photo_id,a,b,c\n2,1,1,nan\n1,,x,1\n")
    known = read_parameters(tmp_path)
    assert known["photo_id"].tolist() == ["1", "2"]
    assert np.isnan(known["a"][0]) and known["a"][1] == 1
    assert known["b"].tolist() == ["x", "1"] and known["c"].tolist() == ["1", "nan"]


def test_photos_without_a_labelled_car_may_have_a_row(cars):
    path = cars / "annotations" / "train.json"
    content = json.loads(path.read_text())
    content["annotations"].pop(0)
    path.write_text(json.dumps(content))
    catalogue = load_catalogue(cars)
    assert catalogue.excluded_counts() == {"no labelled car": 1}
    assert len(catalogue.parameters) == len(catalogue.photos) == 23
