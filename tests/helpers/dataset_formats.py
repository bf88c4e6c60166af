"""Small data sets in the formats that people have: VOC, CSV tables, Stanford Cars, Kaggle's downloads. Drawn cars."""

from __future__ import annotations

import csv
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from carseg_lib.data.masks import box_of_mask
from tests.helpers.drawn_cars import TYPES, draw_car

SIZE = (60, 40)
CLASSES = (  # as Stanford Cars names them
    "AM General Hummer SUV 2000",
    "Acura RL Sedan 2012",
    "Audi S5 Convertible 2012",
    "Dodge Caravan Minivan 1997",
    "Audi TTS Coupe 2012",
    "Acura TL Type-S 2008",
    "Chevrolet Silverado 1500 Extended Cab 2012",
    "Ford E-Series Wagon Van 2012",
)


def drawn(path: Path, body_type: str = "suv", seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Write one photo; returns the mask of its car, bool (height, width)."""
    photo, mask = draw_car(body_type, size, np.random.default_rng(seed))
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path, quality=92)
    return mask


def voc_object(name: str, box: Sequence[object], more: str = "") -> str:
    """An <object> of an XML file; the box as it is to be written."""
    edges = "".join(f"<{e}>{v}</{e}>" for e, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name>{more}<difficult>0</difficult><bndbox>{edges}</bndbox></object>"


def voc_xml(filename: str, objects: Sequence[str], size: tuple[int, int] = SIZE) -> str:
    """An XML file as VOC has it."""
    width, height = size
    shape = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><folder>VOC</folder><filename>{filename}</filename>{shape}{''.join(objects)}</annotation>"


def palette_png(path: Path, numbers: np.ndarray) -> None:
    """Write numbers 0 to 255 as a palette PNG, as VOC's masks are."""
    picture = Image.fromarray(numbers.astype(np.uint8)).convert("P")
    picture.putpalette([v for k in range(256) for v in (k, 255 - k, (37 * k) % 256)])
    picture = Image.frombytes("P", numbers.shape[::-1], numbers.astype(np.uint8).tobytes())
    picture.putpalette([v for k in range(256) for v in (k, 255 - k, (37 * k) % 256)])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def make_voc(
    folder: Path, per_type: int = 3, masks: bool = True, lists: Mapping[str, Sequence[str]] | None = None
) -> Path:
    """A VOC folder: photos 000001.jpg ..., types taking turns, one car each; masks with a border of 255."""
    for number in range(1, 4 * per_type + 1):
        body_type, stem = TYPES[(number - 1) % 4], f"{number:06d}"
        mask = drawn(folder / "JPEGImages" / f"{stem}.jpg", body_type, number)
        x1, y1, x2, y2 = map(int, box_of_mask(mask))
        (folder / "Annotations").mkdir(exist_ok=True)
        xml = voc_xml(f"{stem}.jpg", [voc_object(body_type, (x1 + 1, y1 + 1, x2, y2))])
        (folder / "Annotations" / f"{stem}.xml").write_text(xml)
        if masks:
            numbers = mask.astype(np.uint8)
            numbers[0, :] = 255  # the border belongs to no object
            palette_png(folder / "SegmentationObject" / f"{stem}.png", numbers)
    for name, stems in (lists or {}).items():
        path = folder / "ImageSets" / "Main" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{stem}\n" for stem in stems))
    return folder


def make_table(folder: Path, per_type: int = 3, boxes: bool = True, masks: bool = False, splits: bool = False) -> Path:
    """A folder with photos.csv: a row a photo, types taking turns."""
    columns = ["photo", "type", *(["x1", "y1", "x2", "y2"] if boxes else [])]
    columns += [*(["mask"] if masks else []), *(["split"] if splits else [])]
    rows = []
    for number in range(4 * per_type):
        body_type, name = TYPES[number % 4], f"images/{number:03d}.jpg"
        mask = drawn(folder / name, body_type, number)
        row = [name, body_type, *(box_of_mask(mask) if boxes else [])]
        if masks:
            row.append(f"masks/{number:03d}.png")
            (folder / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / row[-1])
        if splits:
            row.append(("train", "val", "test")[number // 4 % 3])
        rows.append(row)
    write_csv(folder / "photos.csv", [columns, *rows])
    return folder


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def annotations(rows: Sequence[tuple], fields: Sequence[str]) -> np.ndarray:
    """A struct array as the devkit has it: 1 × n, every value a small array of its own."""
    array = np.zeros((1, len(rows)), dtype=[(name, object) for name in fields])
    for k, row in enumerate(rows):
        array[0, k] = tuple(value if isinstance(value, str) else np.uint16(value) for value in row)
    return array


DEVKIT = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")


def stanford_rows(folder: Path, photos: Mapping[str, str], split: str, per_class: int) -> list[tuple]:
    """Draw the photos of a split and give a row for each: x1, y1, x2, y2 (from 1, inclusive), class, name."""
    rows = []
    for number in range(len(CLASSES) * per_class):
        class_number, name = number % len(CLASSES) + 1, f"{number + 1:05d}.jpg"
        body_type = TYPES[(class_number - 1) % 4]
        place = photos[split].format(name=CLASSES[class_number - 1])
        mask = drawn(folder / place / name, body_type, number + 1000 * (split == "test"))
        x1, y1, x2, y2 = map(int, box_of_mask(mask))
        rows.append((x1 + 1, y1 + 1, x2, y2, class_number, name))
    return rows


def make_devkit(folder: Path, per_class: int = 3, nested: bool = False) -> Path:
    """Stanford Cars as the devkit comes; `nested`, with its photos in folders of one name, as Kaggle has them."""
    photos = {split: f"cars_{split}" + f"/cars_{split}" * nested for split in ("train", "test")}
    kit = folder / "devkit"
    kit.mkdir(parents=True)
    savemat(kit / "cars_meta.mat", {"class_names": np.array([list(CLASSES)], dtype=object)})
    for split, name in (("train", "cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = stanford_rows(folder, photos, split, per_class)
        savemat(kit / name, {"annotations": annotations(rows, DEVKIT)})
    return folder


def make_kaggle_hub(monkeypatch: pytest.MonkeyPatch, cache: Path, source: Path | Exception) -> list[str]:
    """Put a stand-in for kagglehub in its place, which copies `source` to where kagglehub keeps a version, or raises.

    Returns:
        The handles that it is asked for, as they come.
    """
    import shutil

    asked: list[str] = []

    def dataset_download(handle, path=None, force_download=False, output_dir=None):
        asked.append(handle)
        if isinstance(source, Exception):
            raise source
        owner, slug, _, version = handle.split("/")
        place = cache / "datasets" / owner / slug / "versions" / version
        if not place.is_dir():
            shutil.copytree(source, place)
        return str(place)

    module = types.ModuleType("kagglehub")
    module.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return asked
