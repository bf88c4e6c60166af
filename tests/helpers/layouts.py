"""Small data sets of drawn cars in the layouts that people and programs leave, with the truth about every car."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from carseg_lib.data.formats.voc_masks import voc_colours
from carseg_lib.data.masks import box_of_mask
from tests.helpers.dataset_formats import palette_png, voc_object, voc_xml
from tests.helpers.drawn_cars import TYPES, draw_car

SIZE = (60, 40)
Build = Callable[[Path], None]  # of a part of a data set
SPLIT_OF = ("train", "train", "validation", "test")  # of the four photos of a type

SHORT = {"train": "train", "validation": "val", "test": "test"}  # names of folders and lists


@dataclass(frozen=True, eq=False)
class Car:
    """A photo of one car: its number as a name, its type, the picture, its mask and the split that it is given."""

    name: str
    body_type: str
    photo: Image.Image
    mask: np.ndarray
    split: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in pixels."""
        return box_of_mask(self.mask)

    @property
    def outline(self) -> list[list[float]]:
        """A polygon along the box, of which a corner is cut off: one of the four corners would be a box."""
        x1, y1, x2, y2 = self.box
        return [[x1 + 4, y1], [x2, y1], [x2, y2], [x1, y2], [x1, y1 + 4]]

    def save(self, path: Path) -> None:
        """Write the photo, in the format of the suffix, else as JPEG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = {".png": "PNG", ".bmp": "BMP", ".webp": "WEBP"}.get(path.suffix, "JPEG")
        self.photo.save(path, kind, quality=92)

    def xml(self, filename: str = "", name: str = "", swap: bool = False) -> str:
        """The annotation as VOC has it."""
        x1, y1, x2, y2 = map(int, self.box)
        edges = (x2, y2, x1 + 1, y1 + 1) if swap else (x1 + 1, y1 + 1, x2, y2)
        return voc_xml(filename or f"{self.name}.jpg", [voc_object(name or self.body_type, edges)], SIZE)

    def yolo(self) -> str:
        """The label as YOLO has it: a box."""
        x1, y1, x2, y2 = self.box
        (w, h), number = SIZE, TYPES.index(self.body_type)
        return f"{number} {(x1 + x2) / 2 / w:.6f} {(y1 + y2) / 2 / h:.6f} {(x2 - x1) / w:.6f} {(y2 - y1) / h:.6f}\n"

    def yolo_polygon(self) -> str:
        """The label as YOLO has it for masks: a polygon along the box."""
        numbers = " ".join(f"{x / SIZE[0]:.6f} {y / SIZE[1]:.6f}" for x, y in self.outline)
        return f"{TYPES.index(self.body_type)} {numbers}\n"


@cache
def cars(per_type: int = 4) -> Sequence[Car]:
    """Photos of all types, types taking turns; the same at every call."""
    made = []
    for k in range(4 * per_type):
        photo, mask = draw_car(TYPES[k % 4], SIZE, np.random.default_rng([7, k]))
        made.append(Car(f"{k + 1:05d}", TYPES[k % 4], photo, mask, SPLIT_OF[k // 4 % 4]))
    return tuple(made)


def write(path: Path, content: str | bytes) -> None:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def photos(place: str) -> Build:
    """Every photo at a place such as "{split}/{type}/{name}.jpg"."""

    def build(folder: Path) -> None:
        for car in cars():
            car.save(folder / place.format(split=SHORT[car.split], type=car.body_type, name=car.name))

    return build


def files(place: str, content: Callable[[Car], str | bytes]) -> Build:
    """A file for every photo."""

    def build(folder: Path) -> None:
        for car in cars():
            name = place.format(split=SHORT[car.split], type=car.body_type, name=car.name)
            write(folder / name, content(car))

    return build


def one(name: str, content: str | bytes) -> Build:
    """One file."""
    return lambda folder: write(folder / name, content)


def lists(folder_of_lists: str, form: str = "{name}") -> Build:
    """Lists of the photos of each split."""

    def build(folder: Path) -> None:
        for split, short in SHORT.items():
            names = [form.format(name=car.name, type=car.body_type) for car in cars() if car.split == split]
            write(folder / folder_of_lists / f"{short}.txt", "".join(f"{name}\n" for name in names))

    return build


def masks(few: int = 16, colours: bool = False) -> Build:
    """SegmentationObject, of the first photos only, with a palette or in VOC's colours."""

    def build(folder: Path) -> None:
        for car in cars()[:few]:
            path = folder / "SegmentationObject" / f"{car.name}.png"
            palette_png(path, car.mask.astype(np.uint8))
            if colours:
                Image.fromarray(voc_colours()[car.mask.astype(np.uint8)]).save(path)

    return build


def mask_files(place: str) -> Build:
    """A black and white picture of the car for every photo."""

    def build(folder: Path) -> None:
        for car in cars():
            path = folder / place.format(split=SHORT[car.split], type=car.body_type, name=car.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(car.mask.astype(np.uint8) * 255).save(path)

    return build


def table(rows: Callable[[Car], str], header: str, name: str = "photos.csv", encoding: str = "utf-8") -> Build:
    """A table with a row a photo."""
    return lambda folder: write(folder / name, "\n".join([header, *(rows(car) for car in cars())]).encode(encoding))


def corners(car: Car, by: str = ",") -> str:
    """A car's box as cells of a table."""
    return by.join(f"{value:g}" for value in car.box)


def numbered(folder: Path) -> None:
    """Photos in folders named 0 to 3."""
    for car in cars():
        car.save(folder / str(TYPES.index(car.body_type)) / f"{car.name}.jpg")


NAMES = "names: [suv, sedan, convertible, minivan]\n"
YAML = "train: ../train/images\nval: ../val/images\ntest: ../test/images\nnc: 4\n" + NAMES
TREE = [photos("JPEGImages/{name}.jpg"), files("Annotations/{name}.xml", Car.xml)]
BY_TYPE = [photos("{type}/{name}.jpg")]
YOLO = [photos("images/{split}/{name}.jpg"), files("labels/{split}/{name}.txt", Car.yolo)]
