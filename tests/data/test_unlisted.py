"""Photos beside listed ones that are in no annotation file."""

import shutil
from pathlib import Path

from carseg_lib.core.classes import ClassMap
from carseg_lib.data.formats.base import Listing
from carseg_lib.data.formats.coco import read_coco
from carseg_lib.data.formats.csv_table import read_csv_table
from tests.helpers.dataset_formats import make_table
from tests.helpers.drawn_cars import make_car_photos


def lines(listing: Listing) -> list[str]:
    return [row["detail"] for row in listing.ignored if row["reason"] == "no annotation"]


def test_they_are_counted_in_one_line_and_named(tmp_path: Path) -> None:
    data = make_car_photos(tmp_path / "cars", 3, (60, 40))
    assert lines(read_coco(data, ClassMap())) == []
    listed = next((data / "images" / "train" / "suv").glob("*.jpg"))
    for name in ("zebra.jpg", "alone.PNG", "notes.txt", ".hidden.jpg", "Thumbs.db", f"{listed.stem}_mask.png"):
        shutil.copy(listed, listed.with_name(name))
    elsewhere = data / "images" / "more" / "other.jpg"
    elsewhere.parent.mkdir()
    shutil.copy(listed, elsewhere)
    found = lines(read_coco(data, ClassMap()))
    assert found == ["2 photos beside the others are no image of the annotations, the first: train/suv/alone.PNG"]
    one_split = lines(read_coco(data / "annotations" / "train.json", ClassMap()))
    assert len(one_split) == 1 and one_split[0].startswith("2 photos")


def test_a_table_names_its_photos_and_masks_and_the_others_are_counted(tmp_path: Path) -> None:
    data = make_table(tmp_path / "cars", masks=True)
    assert lines(read_csv_table(data, ClassMap())) == []
    listing = read_csv_table(data, ClassMap())
    photo = data / listing.photos[0].photo_id
    shutil.copy(photo, photo.with_name("zebra.jpg"))
    (found,) = lines(read_csv_table(data, ClassMap()))
    assert found.startswith("1 photos beside the others are no row of the table") and found.endswith("zebra.jpg")
