"""The check of a layout: photos by type and split, boxes and masks as they were drawn, counted lines."""

from __future__ import annotations

import re
from pathlib import Path

from carseg_lib.core.classes import ClassMap
from carseg_lib.data.boxes import box_iou
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.data.splits import assign_splits
from tests.helpers.drawn_cars import TYPES
from tests.helpers.layouts import SIZE, Build, Car, cars

# What is built, CLASSES, photos by split, origins of the boxes, counted lines.
Row = tuple[list[Build], str, dict[str, int], str, dict[str, int]]
GIVEN = {"train": 8, "validation": 4, "test": 4}
NONE = {"": 16}
FRAME, BOX, MASK = "whole frame", "given", "mask"


def check_layout(folder: Path, row: Row, name: str) -> None:
    """Build a layout in a folder and compare what is read with what was drawn."""
    builds, types, splits, origin, counted = row
    for build in builds:
        build(folder)
    catalogue = load_catalogue(folder, ClassMap.parse(types))
    assert catalogue.photos["split"].value_counts().to_dict() == splits
    assert catalogue.counts().sum(axis=1).to_dict() == dict.fromkeys(catalogue.body_types, 4)
    assert sorted(catalogue.body_types) == sorted(TYPES)
    assert catalogue.excluded_counts() == counted
    assert set(catalogue.instances["box_origin"]) == set(origin.split(", "))
    assert len(catalogue.background) == (4 if "background" in name or "not of cars" in name else 0)
    _check_cars(catalogue, origin)
    assert ("masks with" in name or "masks in" in name or "polygons" in name) == catalogue.has_masks
    if "masks" in name and catalogue.has_masks:
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
