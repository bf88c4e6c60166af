"""photos.csv, or any .csv table as DATA: a row a car, our own coordinates, refusals that name the row."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import SPLITS
from carseg_lib.data.fingerprint import content_fingerprint, stat_fingerprint
from carseg_lib.data.formats.csv_table import _corners
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import box_of_mask, decode_mask
from tests.helpers.dataset_formats import SIZE, make_table, write_csv


def test_boxes_masks_and_splits_are_those_that_were_written(tmp_path):
    folder = make_table(tmp_path / "cars", masks=True, splits=True)
    catalogue = load_catalogue(folder)
    assert (catalogue.name, detect_and_list(folder).source, catalogue.root) == ("cars", "CSV table", folder.resolve())
    assert catalogue.counts().values.tolist() == [[1, 1, 1]] * 4
    assert catalogue.has_masks and catalogue.excluded.empty
    for car in catalogue.instances.itertuples():
        mask = decode_mask(car.mask, SIZE[1], SIZE[0])
        drawn = Image.open(folder / car.photo_id.replace("images", "masks").replace(".jpg", ".png"))
        np.testing.assert_array_equal(mask, np.asarray(drawn) > 0)
        assert (car.x1, car.y1, car.x2, car.y2) == box_of_mask(mask)


def test_the_table_itself_may_be_the_data(tmp_path):
    folder = make_table(tmp_path / "cars", boxes=False)
    (folder / "photos.csv").rename(folder / "mine.csv")
    catalogue = load_catalogue(folder / "mine.csv")
    assert (catalogue.name, len(catalogue.photos), catalogue.has_masks) == ("mine", 12, False)
    assert set(catalogue.instances["box_origin"]) == {"whole frame"}
    assert set(catalogue.photos["split"]) == {""}


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_numbers_are_kept_to_the_last_bit(box):
    row = dict(zip(("x1", "y1", "x2", "y2"), map(repr, box), strict=True))
    corners, text = _corners("row 2", row)
    assert corners == tuple(box)
    assert text == ", ".join(f"{name} {value}" for name, value in row.items())


def test_several_cars_in_a_photo_and_cells_that_are_empty(tmp_path):
    folder = make_table(tmp_path / "cars")
    rows = [["Photo", " TYPE", "x1", "y1", "x2", "y2", "colour"]]
    rows += [[f"images/{k:03d}.jpg", t, "", "", "", "", "red"] for k, t in enumerate(["suv", "Sedans"] * 6)]
    rows += [["images\\000.jpg", "sedan", 1.5, 2, 20.25, 30, "red"], ["images/001.jpg", "bus", 1, 1, 5, 5, ""], []]
    write_csv(folder / "photos.csv", rows)
    catalogue = load_catalogue(folder, ClassMap.parse("suv sedan"))
    first = catalogue.instances[catalogue.instances["photo_id"] == "images/000.jpg"]
    assert first[["body_type", "x1", "y1", "x2", "y2", "box_origin"]].values.tolist() == [
        ["suv", 0.0, 0.0, 60.0, 40.0, "whole frame"],
        ["sedan", 1.5, 2.0, 20.25, 30.0, "given"],
    ]
    assert catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist() == [
        ["photos.csv", "other column", "not read: colour"],
        ["photos.csv", "other type", "bus: 1 rows"],
    ]


def test_a_mask_is_where_the_picture_is_not_black(tmp_path):
    folder = make_table(tmp_path / "cars", boxes=False, masks=True)
    inside = np.zeros((40, 60), dtype=bool)
    inside[10:20, 5:25] = True
    grey = inside.astype(np.uint8)  # 1 of 255 is not black
    forms = {
        0: Image.fromarray(grey),
        1: Image.fromarray(inside),
        2: Image.fromarray(np.stack([grey * 0, grey * 9, grey * 0], axis=2)),
        3: Image.fromarray(np.dstack([grey, grey, grey, np.full_like(grey, 255)])),
        4: Image.fromarray(grey.astype(np.uint16) * 256),
        5: Image.fromarray(np.dstack([grey, np.full_like(grey, 255)]), "LA"),
    }
    for number, picture in forms.items():
        picture.save(folder / "masks" / f"{number:03d}.png")
    cars = load_catalogue(folder).instances.set_index("photo_id")
    for number in forms:
        car = cars.loc[f"images/{number:03d}.jpg"]
        assert (car.x1, car.y1, car.x2, car.y2, car.box_origin) == (5, 10, 25, 20, "mask")
        np.testing.assert_array_equal(decode_mask(car["mask"], 40, 60), inside)


def test_a_mask_drawn_on_a_photo_stored_on_its_side_is_turned_with_it(tmp_path):
    folder = make_table(tmp_path / "cars", masks=True)
    path, mask = folder / "images" / "000.jpg", folder / "masks" / "000.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    Image.open(path).save(path, exif=exif)
    catalogue = load_catalogue(folder)
    car = catalogue.instances.query("photo_id == 'images/000.jpg'").iloc[0]
    turned = np.rot90(np.asarray(Image.open(mask)) > 0, k=-1)
    np.testing.assert_array_equal(decode_mask(car["mask"], 60, 40), turned)
    assert (car.x1, car.y1, car.x2, car.y2) == box_of_mask(turned)


def test_the_signature_of_a_table_covers_its_photos_and_masks_alone(tmp_path):
    folder = make_table(tmp_path / "cars", masks=True)
    table = folder / "photos.csv"
    quick, content = stat_fingerprint(table), content_fingerprint(table)
    (folder / "notes.txt").write_text("x")
    assert (stat_fingerprint(table), content_fingerprint(table)) == (quick, content)
    for name in ("images/003.jpg", "masks/003.png", "photos.csv"):
        os.utime(folder / name, ns=(0, 5))
        assert stat_fingerprint(table) != quick
        quick = stat_fingerprint(table)
    (folder / "masks" / "003.png").write_bytes(b"")
    assert content_fingerprint(table) != content
    table.write_bytes(b"\xff\xfe,")
    assert len({stat_fingerprint(table), content_fingerprint(table)}) == 2


def test_splits_are_kept_and_named_as_usual(tmp_path):
    folder = make_table(tmp_path / "cars", splits=True)
    text = (folder / "photos.csv").read_text().replace(",val", ",Validation").replace(",test", ",testing")
    (folder / "photos.csv").write_text(text)
    assert set(load_catalogue(folder).photos["split"]) == set(SPLITS)


def test_no_row_of_the_types(tmp_path):
    folder = make_table(tmp_path / "cars")
    with pytest.raises(CarsegError) as caught:
        detect_and_list(folder, ClassMap.parse("bus truck"))
    assert str(caught.value) == (
        f"{folder / 'photos.csv'}: no row is of type bus or truck (found: convertible, minivan, sedan, suv); give "
        "their names in CLASSES"
    )


def test_the_group_is_that_of_the_largest_car(tmp_path):
    folder = make_table(tmp_path / "cars", boxes=False)
    rows = [["photo", "type", "x1", "y1", "x2", "y2", "group"]]
    rows += [[f"images/{k:03d}.jpg", t, 5, 5, 50, 35, f" model {k // 4} "] for k, t in enumerate(["suv", "sedan"] * 6)]
    rows += [["images/000.jpg", "sedan", 1, 1, 9, 9, "small"], ["images/001.jpg", "sedan", 0, 0, 59, 39, ""]]
    write_csv(folder / "photos.csv", rows)
    catalogue = load_catalogue(folder, ClassMap.parse("suv sedan"))
    assert catalogue.photos["group"].tolist() == [f"model {k // 4}" if k != 1 else "" for k in range(12)]
    assert catalogue.excluded.empty and catalogue.has_groups
