"""Pascal VOC: boxes counted from 1, masks in palettes, splits in lists, names through the body types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.formats.pascal_voc import _corners, read_pascal_voc
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import box_of_mask, decode_mask
from tests.helpers.dataset_formats import SIZE, make_voc, palette_png, voc_object, voc_xml


@pytest.fixture
def voc(tmp_path):
    return make_voc(tmp_path / "my-voc")


def excluded(catalogue: Catalogue) -> list[list[str]]:
    return catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist()


def test_boxes_masks_and_types_are_those_that_were_drawn(voc):
    catalogue = load_catalogue(voc)
    assert (catalogue.name, detect_and_list(voc).source) == ("my-voc", "VOC annotations")
    assert catalogue.root == (voc / "JPEGImages").resolve()
    assert catalogue.counts().sum(axis=1).to_dict() == dict.fromkeys(catalogue.body_types, 3)
    assert catalogue.has_masks and catalogue.excluded.empty
    assert set(catalogue.photos["split"]) == {""}
    for car in catalogue.instances.itertuples():
        mask = decode_mask(car.mask, SIZE[1], SIZE[0])
        drawn = np.asarray(Image.open(voc / "SegmentationObject" / car.photo_id.replace(".jpg", ".png")))
        np.testing.assert_array_equal(mask, drawn == 1)
        assert (car.x1, car.y1, car.x2, car.y2) == box_of_mask(mask)
        assert (car.box_origin, car.mask_origin) == ("given", "given")


@given(st.tuples(st.integers(1, 500), st.integers(1, 500)), st.tuples(st.integers(0, 300), st.integers(0, 300)))
def test_a_box_of_voc_covers_the_pixels_that_it_names(first, more):
    """xmin to xmax, both counted from 1 and both inside."""
    from xml.etree.ElementTree import fromstring

    (x, y), (w, h) = first, more
    corners, text = _corners(fromstring(voc_object("suv", (x, y, x + w, y + h))))
    mask = np.zeros((801, 801), dtype=bool)
    mask[y - 1 : y + h, x - 1 : x + w] = True
    assert corners == box_of_mask(mask)
    assert text == f"xmin {x}, ymin {y}, xmax {x + w}, ymax {y + h}"


def test_the_palette_tells_cars_apart_and_counts_objects_of_other_types(voc):
    objects = [
        voc_object("person", (1, 1, 5, 5)),
        voc_object("SUVs", (11, 11, 30, 30), "<part><name>wheel</name></part>"),
        voc_object("sedan", (41, 11, 60, 20)),
    ]
    (voc / "Annotations" / "000001.xml").write_text(voc_xml("000001.jpg", objects))
    numbers = np.zeros((40, 60), dtype=np.uint8)
    numbers[:5, :5], numbers[10:30, 10:30], numbers[10:20, 40:60] = 1, 2, 3
    numbers[9, 10:30] = 255
    palette_png(voc / "SegmentationObject" / "000001.png", numbers)
    catalogue = load_catalogue(voc)
    cars = catalogue.instances.query("photo_id == '000001.jpg'")
    assert cars["body_type"].tolist() == ["suv", "sedan"]
    for car, number in zip(cars.itertuples(), (2, 3), strict=True):
        np.testing.assert_array_equal(decode_mask(car.mask, 40, 60), numbers == number)
    assert catalogue.photos.set_index("photo_id").loc["000001.jpg", "body_type"] == "suv"
    assert excluded(catalogue) == [["Annotations/", "other type", "person: 1 objects"]]


def test_lists_give_the_splits_and_trainval_fills_what_is_left(tmp_path):
    stems = [f"{k:06d}" for k in range(1, 21)]
    lists = {"train": stems[:8], "val": stems[8:12], "trainval": stems[:14], "test": [*stems[14:18], "000099"]}
    voc = make_voc(tmp_path / "voc", 5, lists=lists)
    catalogue = load_catalogue(voc)
    splits = catalogue.photos.set_index("photo_id")["split"].to_dict()
    assert splits["000008.jpg"] == splits["000013.jpg"] == "train"
    assert [splits[f"{stem}.jpg"] for stem in stems[8:12]] == ["validation"] * 4
    assert catalogue.photos["split"].value_counts().to_dict() == {"train": 10, "validation": 4, "test": 4}
    assert excluded(catalogue) == [
        ["000019.jpg", "in no split", "no list in ImageSets/Main names it"],
        ["000020.jpg", "in no split", "no list in ImageSets/Main names it"],
        ["ImageSets/Main/", "no annotation", "1 names without an XML file, the first: 000099"],
    ]


def test_two_lists_may_not_have_one_photo(tmp_path):
    voc = make_voc(tmp_path / "voc", lists={"train": ["000001", "000002"], "test": ["000002"]})
    with pytest.raises(CarsegError, match=r"train\.txt: '000002' is in test\.txt too; a photo belongs to one split"):
        detect_and_list(voc)


def test_other_folders_names_and_photos_are_understood_or_listed(voc):
    (voc / "Annotations").rename(voc / "annotations")
    (voc / "JPEGImages").rename(voc / "images")
    (voc / "images" / "000002.jpg").rename(voc / "images" / "000002.JPEG")
    xml = voc / "annotations" / "000003.xml"
    xml.write_text(xml.read_text().replace("<filename>000003.jpg</filename>", ""))
    Image.new("RGB", SIZE).save(voc / "images" / "000099.jpg")
    catalogue = load_catalogue(voc)
    assert {"000002.JPEG", "000003.jpg"} <= set(catalogue.photos["photo_id"])
    assert excluded(catalogue) == [["images/", "no annotation", "1 photos without an XML file, the first: 000099.jpg"]]


def test_a_size_of_zero_is_no_size(voc):
    for path in (voc / "Annotations").iterdir():
        path.write_text(path.read_text().replace("<width>60</width>", "<width>0</width>"))
    assert len(load_catalogue(voc).photos) == 12


def test_without_boxes_masks_give_them_and_without_either_the_frame(tmp_path):
    for masks, origin in ((True, "mask"), (False, "whole frame")):
        voc = make_voc(tmp_path / origin, masks=masks)
        for path in (voc / "Annotations").iterdir():
            text = path.read_text()
            start, end = text.index("<bndbox>"), text.index("</bndbox>") + 9
            path.write_text(text[:start] + text[end:])
        assert set(load_catalogue(voc).instances["box_origin"]) == {origin}


def test_types_are_those_of_the_study(voc):
    types = ClassMap.parse("pkw=sedan,convertible kasten=suv,minivan")
    listing = read_pascal_voc(voc, types)
    assert {a.body_type for photo in listing.photos for a in photo.annotations} == {"pkw", "kasten"}
    with pytest.raises(CarsegError, match=r"no object is truck or bus \(found: convertible, minivan, sedan, suv\)"):
        read_pascal_voc(voc, ClassMap.parse("truck bus"))
