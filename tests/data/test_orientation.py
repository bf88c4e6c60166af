"""Labels of photos that are stored on their side, mirrored or upside down: turned as Pillow turns the photo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import box_of_mask, decode_mask, encode_mask
from carseg_lib.data.orientation import turn_box, turn_mask
from tests.helpers.drawn_cars import TYPES, draw_car

SIZE = (60, 40)


def stored_as(photo: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The pixels of which the orientation makes the photo again, and the metadata that say so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = {6: 8, 8: 6}.get(orientation, orientation)
    turned = photo.copy()
    turned.getexif()[0x0112] = back
    return ImageOps.exif_transpose(turned), exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_and_boxes_turn_as_pillow_turns_the_photo(orientation):
    mask = np.zeros(SIZE[::-1], bool)
    mask[3:11, 5:28] = mask[3:6, 28:50] = True
    stored = np.asarray(stored_as(Image.fromarray(mask.view(np.uint8)), orientation)[0]).astype(bool)
    assert np.array_equal(turn_mask(stored, orientation), mask)
    assert turn_box(box_of_mask(stored), stored.shape[::-1], orientation) == box_of_mask(mask)


def coco(folder: Path, orientations: list[int], drawn_on: str) -> list[np.ndarray]:
    """COCO photos with EXIF orientations, labelled on the stored or the upright picture; the true masks, upright."""
    (folder / "images").mkdir(parents=True)
    table: dict[str, list] = {"categories": [{"id": k, "name": name} for k, name in enumerate(TYPES)]}
    table |= {"images": [], "annotations": []}
    true = []
    for number, orientation in enumerate(orientations):
        photo, mask = draw_car(TYPES[number % 4], SIZE, np.random.default_rng(number))
        stored, exif = stored_as(photo, orientation)
        stored.save(folder / "images" / f"{number:02d}.jpg", exif=exif)
        drawn = np.asarray(stored_as(Image.fromarray(mask.view(np.uint8)), orientation)[0]).astype(bool)
        drawn = drawn if drawn_on == "stored" else mask
        x1, y1, x2, y2 = box_of_mask(drawn)
        table["images"].append({"id": number, "file_name": f"{number:02d}.jpg"})
        annotation = {"id": number, "image_id": number, "category_id": number % 4, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        annotation["segmentation"] = {"size": list(drawn.shape), "counts": encode_mask(drawn)}
        table["annotations"].append(annotation)
        true.append(mask)
    (folder / "annotations").mkdir()
    (folder / "annotations" / "all.json").write_text(json.dumps(table))
    return true


@pytest.mark.parametrize("drawn_on", ["stored", "upright"])
def test_photos_on_their_side_prove_how_those_of_one_size_are_labelled(tmp_path, drawn_on):
    orientations = [6, 8, 1, 1] * 3 + [2, 3, 4, 1]
    true = coco(tmp_path / "cars", orientations, drawn_on)
    catalogue = load_catalogue(tmp_path / "cars")
    for car, mask in zip(catalogue.instances.itertuples(), true, strict=True):
        assert np.array_equal(decode_mask(car.mask, *mask.shape), mask)
        assert (car.x1, car.y1, car.x2, car.y2) == box_of_mask(mask)
    lines = catalogue.excluded.set_index("reason")["detail"]
    if drawn_on == "stored":
        assert lines.index.tolist() == ["labels turned with the photo"] and lines.iloc[0].startswith("9 photos;")
    else:
        assert lines["labels of the upright photo"].startswith("6 photos;")
        assert lines["upside down or mirrored"] == (
            "3 photos; the first: 12.jpg, EXIF orientation 2: stored and upright it has the same size; its labels are "
            "taken as drawn on the upright one, as those of 6 other photos are"
        )


def test_photos_of_one_size_alone_are_taken_as_upright(tmp_path):
    true = coco(tmp_path / "cars", [3, 2, 4] * 4, "upright")
    catalogue = load_catalogue(tmp_path / "cars")
    assert [decode_mask(m, *t.shape).sum() for m, t in zip(catalogue.instances["mask"], true, strict=True)] == [
        t.sum() for t in true
    ]
    assert catalogue.excluded["detail"].item().endswith("drawn on the upright one, which nothing proves")
