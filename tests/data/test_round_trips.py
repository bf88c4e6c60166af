"""Labels of the built-in data set through every writer and its reader, and honest sets without a warning."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_archive
from carseg_lib.data.catalogue import REJECTED_COLUMNS, table
from carseg_lib.data.export import FORMATS, export
from carseg_lib.data.formats.base import Annotation, ImageRecord
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.formats.instances import CheckedLabels
from carseg_lib.data.loader import load_catalogue, read_listing
from carseg_lib.data.masks import box_of_mask, decode_mask
from carseg_lib.data.outlines import mask_outlines
from carseg_lib.data.photos import ImageError, ImageInfo
from carseg_lib.data.remarks import REASONS
from tests.helpers import layouts, program_files
from tests.helpers.drawn_cars import SPLITS, make_car_photos
from tests.helpers.layouts import Build, Car, corners

WIDTH, HEIGHT = 240, 160


@cache
def labels() -> list[tuple[str, str, str, str]]:
    """Number, type, split and coded mask of the largest car of each built-in photo."""
    found = []
    with zipfile.ZipFile(builtin_archive()) as archive:
        for split in SPLITS:
            content = json.loads(archive.read(f"annotations/{split}.json"))
            kinds = {row["id"]: row["name"] for row in content["categories"]}
            largest: dict[int, dict[str, Any]] = {}
            for row in content["annotations"]:
                if row["area"] > largest.get(row["image_id"], {"area": 0})["area"]:
                    largest[row["image_id"]] = row
            for image in content["images"]:
                if row := largest.get(image["id"], {}):
                    counts = row["segmentation"]["counts"]
                    found.append((Path(image["file_name"]).stem, kinds[row["category_id"]], split, counts))
    return found


def chosen(numbers: set[int]) -> list[Car]:
    cars = []
    with zipfile.ZipFile(builtin_archive()) as archive:
        for number in sorted(numbers):
            name, body_type, split, counts = labels()[number]
            photo = Image.open(io.BytesIO(archive.read(f"images/{name}.jpg"))).convert("RGB")
            cars.append(Car(name, body_type, photo, decode_mask(counts, HEIGHT, WIDTH), split))
    return cars


def csv(folder: Path) -> None:
    layouts.photos("{name}.jpg")(folder)
    layouts.mask_files("masks/{name}.png")(folder)
    header = "photo,type,x1,y1,x2,y2,mask,split"
    layouts.table(lambda c: f"{c.name}.jpg,{c.body_type},{corners(c)},masks/{c.name}.png,{c.split}", header)(folder)


def voc(folder: Path) -> None:
    for build in (*layouts.TREE, layouts.masks(99), layouts.lists("ImageSets/Main")):
        build(folder)


def yolo(folder: Path) -> None:
    for build in (*layouts.YOLO, layouts.one("data.yaml", layouts.NAMES)):
        build(folder)


def exported(form: str) -> Build:
    """The export of a run on the photos of `csv`."""

    def build(folder: Path) -> None:
        csv(folder / "source")
        catalogue = read_listing(detect_and_list(folder / "source"))
        catalogue.save(folder / "dataset")
        files.write_csv(folder / "rejected.csv", table([], REJECTED_COLUMNS))
        export(folder / "dataset", folder / "rejected.csv", folder / "export", form)

    return build


def written(key: str, form: str) -> Build:
    return lambda folder: program_files.WRITERS[key](folder, form)


# what writes, whether there are masks, how far a number may be off
WRITERS: dict[str, tuple[Build, bool, float]] = {
    "table": (csv, True, 0),
    "VOC": (voc, True, 0),
    "YOLO": (yolo, False, 1e-3),
    **{f"export {form}": (exported(form), form != "yolo-boxes", 0.011) for form in FORMATS},
    **{
        f"{key}, {form}": (written(key, form), form == "bitmap", 1e-9)
        for key in program_files.WRITERS
        for form in ("box", "bitmap")
        if (key, form) != ("via", "bitmap")
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=2, deadline=None)
@given(numbers=st.sets(st.integers(0, 2108), min_size=2, max_size=5))
def test_labels_of_the_built_in_set_come_back_through_every_writer(writer, numbers):
    build, masks, off = WRITERS[writer]
    cars = chosen({number % len(labels()) for number in numbers})
    with (
        tempfile.TemporaryDirectory() as scratch,
        mock.patch.multiple(layouts, cars=lambda: cars, SIZE=(WIDTH, HEIGHT)),
        mock.patch.multiple(program_files, cars=lambda: cars, WIDTH=WIDTH, HEIGHT=HEIGHT),
    ):
        folder = Path(scratch) / "cars"
        build(folder)
        data = folder / "export" if writer.startswith("export") else folder
        catalogue = read_listing(detect_and_list(data))
    bad = catalogue.excluded[~catalogue.excluded["reason"].isin(REASONS | {"other column"})]
    assert bad.empty and len(catalogue.instances) == len(catalogue.photos) == len(cars)
    rows = {Path(row.photo_id).stem: row for row in catalogue.instances.itertuples()}
    splits = {Path(row.photo_id).stem: row.split for row in catalogue.photos.itertuples()}
    for car in cars:
        row = rows[car.name]
        assert row.body_type == car.body_type and splits[car.name] == car.split
        assert np.allclose((row.x1, row.y1, row.x2, row.y2), car.box, atol=off, rtol=0)
        if masks:
            assert (decode_mask(row.mask, HEIGHT, WIDTH) == car.mask).all()
        else:
            assert row.mask == ""


# ---------------------------------------------------------------- a photo that is another than its labels are of


def renamed_to_another(folder: Path) -> None:
    photo(folder, 2).replace(photo(folder, 3))


def under_two_types(folder: Path) -> None:
    photo(folder, 2).write_bytes(photo(folder, 3).read_bytes())


def turned(orientation: int) -> Callable[[Path], None]:
    """As a program stores it that turns by EXIF alone."""

    def change(folder: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.open(photo(folder, 3)).save(photo(folder, 3), exif=exif)

    return change


def made_smaller(folder: Path) -> None:
    Image.open(photo(folder, 3)).resize((60, 40)).save(photo(folder, 3))


def photo(folder: Path, number: int) -> Path:
    return next((folder / "images").rglob(f"{number:05d}.jpg"))


@pytest.mark.parametrize(
    ("change", "reasons", "left"),
    [
        (renamed_to_another, ["missing file"], 23),
        (under_two_types, ["same pixels under two types"] * 2, 22),
        (turned(6), ["labels turned with the photo"], 24),
        (turned(3), ["upside down or mirrored"], 24),
        (made_smaller, ["size mismatch"], 23),
    ],
)
def test_a_photo_that_is_not_that_of_its_labels_is_counted(tmp_path, change, reasons, left):
    make_car_photos(tmp_path / "cars", 6, (120, 80))
    change(tmp_path / "cars")
    catalogue = read_listing(detect_and_list(tmp_path / "cars"))
    assert catalogue.excluded["reason"].tolist() == reasons
    assert len(catalogue.photos) == left


def test_photos_under_two_types_are_refused_where_they_are_many(tmp_path):
    for name in ("suv", "sedan", "convertible", "minivan"):
        layouts.photos(f"{name}/{{name}}.jpg")(tmp_path)
    with pytest.raises(CarsegError, match=r"64 same pixels under two types; first: .*same pixels as .* of type"):
        load_catalogue(tmp_path)


# ---------------------------------------------------------------- honest sets


def warned_of(seed: int) -> list[str]:
    """What is said of a set of honest labels, drawn at random: some photos, boxes or masks or both, boxes by hand."""
    rng = np.random.default_rng([20, seed])
    form = ("boxes", "masks", "both", "polygons")[seed % 4]
    read = []
    for number in rng.choice(len(labels()), int(rng.integers(20, 60)), replace=False):
        name, body_type, split, counts = labels()[number]
        mask = decode_mask(counts, HEIGHT, WIDTH)
        by_hand = np.asarray(box_of_mask(mask)) + rng.normal(0, 1, 4).clip(-2, 2)
        x1, y1, x2, y2 = by_hand.clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT])  # programs draw no farther
        drawn = {"polygons": lambda mask=mask: mask_outlines(mask), "boxes": lambda: None}
        segmentation = drawn.get(form, lambda counts=counts: {"size": [HEIGHT, WIDTH], "counts": counts})()
        box = [float(value) for value in (x1, y1, x2 - x1, y2 - y1)]
        annotation = Annotation(body_type, box if form != "masks" else None, segmentation=segmentation)
        read.append(
            (
                ImageRecord(f"{name}.jpg", split, [annotation], (WIDTH, HEIGHT)),
                ImageInfo(WIDTH, HEIGHT, 1, 0.5, "", name, "0" * 16),
            )
        )
    checked = CheckedLabels(read)
    said = [reason for reason, _ in checked.lines()]
    for record, info in read:
        try:
            said += [remark.reason for remark in checked.of(record, info)[1]]
        except ImageError as error:
            said.append(f"{error.reason}: {error.detail}")
    return said


@pytest.mark.slow
def test_honest_sets_are_not_warned_of():
    assert {seed: said for seed in range(60) if (said := warned_of(seed))} == {}
