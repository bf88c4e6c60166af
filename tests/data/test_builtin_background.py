"""The built-in pictures without a car: which data they stand in for, and that they are what the archive holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from carseg_lib.core import files
from carseg_lib.core.classes import are_car_types
from carseg_lib.data.builtin_background import builtin_background, with_background
from carseg_lib.data.catalogue import BACKGROUND_COLUMNS, SPLITS
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.photos import read_photo
from carseg_lib.data.splits import assign_splits


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARSEG_REPORTS", str(tmp_path_factory.mktemp("reports")))
        yield builtin_background()


def test_they_are_the_pictures_of_the_built_in_data_set(pictures):
    table = pictures.background
    assert list(table) == list(BACKGROUND_COLUMNS) and table.photo_id.is_monotonic_increasing
    assert {split: int((table.split == split).sum()) for split in SPLITS} == {
        "train": 124,
        "validation": 72,
        "test": 30,
    }
    first = table.iloc[0]
    assert first.photo_id.startswith("background/test/") and files.sha256(pictures.root / first.photo_id) == (
        first.file_sha256
    )
    assert read_photo(pictures.root / first.photo_id).size == (first.width, first.height) == (240, 160)
    assert not list(pictures.root.glob("*.jpg"))  # the photos of cars stay packed


@pytest.mark.slow
def test_the_reader_of_the_data_set_finds_the_same(pictures):
    read = load_catalogue(locate_photos("rendered")).background
    columns = ["photo_id", "split", "width", "height", "file_sha256"]
    assert read[columns].equals(pictures.background[columns])


def test_they_stand_in_for_cars_alone_and_for_none_that_has_its_own(pictures, synthetic_cars, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(pictures.root.parents[2]))
    cars = assign_splits(load_catalogue(synthetic_cars), 0)
    assert with_background(cars).fingerprint == pictures.fingerprint
    own = replace(cars, background=pictures.background.head(1))
    assert with_background(own) is own
    dogs = replace(cars, body_types=("poodle", "pug"))
    assert with_background(dogs) is dogs


@pytest.mark.parametrize(
    "names, of_cars",
    [
        (("suv", "sedan"), True),
        (("Hatchbacks", "station wagon", "Pick-up"), True),
        (("coupé", "SUV"), True),
        (("suv", "bus"), False),
        (("bicycle",), False),
        (("van", "suv"), False),  # the built-in pictures show lorries
    ],
)
def test_types_of_cars_are_known_by_name(names, of_cars):
    assert are_car_types(names) is of_cars
