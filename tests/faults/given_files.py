"""Files that anybody may have written: annotations, settings, printed reports, photos and masks."""

from __future__ import annotations

import base64
import functools
import json
import random
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from tests.faults.reader import PHOTOS, Call


@contextmanager
def few_cars() -> Iterator[None]:
    """The helpers' data sets with a photo a type: a file of one is broken, however many there are."""
    from tests.helpers import layouts, program_files

    few = layouts.cars(PHOTOS // 4)
    with mock.patch.object(layouts, "cars", lambda *_: few), mock.patch.object(program_files, "cars", lambda *_: few):
        yield


WHOLE = 0.05  # of the calls go the whole way, from the detection of the format to a catalogue


def listed(folder: Path, key: str) -> Call:
    """Lists a data set's photos and checks every label; photos are opened once, by whatever name.

    Of each subfolder, which is a data set, or of its annotation file. The one whose file is broken is as good as any.
    """
    from carseg_lib.core.classes import ClassMap
    from carseg_lib.data import loader
    from carseg_lib.data.formats.detect import FORMATS, detect_and_list
    from carseg_lib.data.formats.instances import CheckedLabels
    from carseg_lib.data.formats.json_files import parsed_once
    from carseg_lib.data.photos import ImageError, inspect_image

    root, known = str(folder.resolve()), {}
    form = next(one for one in FORMATS if one.key == key)
    types, rng = ClassMap(), random.Random(0)

    def inspect_once(path: Path) -> Any:
        if path not in known:
            if not str(Path(path).resolve()).startswith(root):
                raise AssertionError(f"opened outside of the data: {path}")
            known[path] = inspect_image(path)  # raises for a path that is no photo, each time
        return known[path]

    def call(changed: Path) -> None:
        with mock.patch.object(loader, "inspect_image", inspect_once):
            read_as_it_is(changed)

    def read_as_it_is(changed: Path) -> None:
        data = next(one for one in (changed, *changed.parents) if one.parent == folder)
        if key == "csv" or (form.file is not None and rng.random() < 0.3):
            data = changed
        if rng.random() < WHOLE:
            loader.read_listing(detect_and_list(data, unlabelled="background"))
            return
        with parsed_once():
            listing = form.read(data, types, "background")
        bad: list[dict[str, str]] = []
        read = list(loader._opened(listing.root, [*listing.photos, *listing.background], bad, None))
        labels = CheckedLabels(read)
        for record, info in read:
            with suppress(ImageError):
                labels.of(record, info)
        labels.lines()

    return call


def program(key: str, *forms: str, **options: Any) -> Callable[[Path], Call]:
    def build(folder: Path) -> Call:
        from tests.helpers import program_files

        with few_cars():
            for form in forms:
                program_files.WRITERS[key](folder / form, form, **options)
        return listed(folder, key)

    return build


def layout(key: str, parts: Callable[[], dict[str, Callable[[], list[Any]]]]) -> Callable[[Path], Call]:
    def build(folder: Path) -> Call:
        with few_cars():
            for name, builders in parts().items():
                for one in builders():
                    one(folder / name)
        return listed(folder, key)

    return build


def coco(folder: Path) -> Call:
    from tests.helpers.drawn_cars import make_car_photos

    make_car_photos(folder / "runs", {"train": 1, "validation": 1, "test": 1}, size=(60, 40))
    path = folder / "polygons"
    make_car_photos(path, {"train": 1, "validation": 0, "test": 0}, size=(60, 40))
    for file in (path / "annotations").glob("*.json"):
        content = json.loads(file.read_text())
        for one in content["annotations"]:
            x, y, w, h = one["bbox"]
            one |= {"segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]], "iscrowd": 0, "area": w * h}
        file.write_text(json.dumps(content))
    counts = folder / "counts"
    make_car_photos(counts, {"train": 1, "validation": 0, "test": 0}, size=(60, 40))
    for file in (counts / "annotations").glob("*.json"):
        content = json.loads(file.read_text())
        for one in content["annotations"]:
            one["segmentation"] = {"size": [40, 60], "counts": [100, 20, 20, 20, 2240]}
        file.write_text(json.dumps(content))
    return listed(folder, "coco")


def voc() -> dict[str, Callable[[], list[Any]]]:
    from tests.helpers import layouts as made

    return {
        "tree": lambda: [*made.TREE, made.lists("ImageSets/Main"), made.masks()],
        "beside": lambda: [made.photos("{split}/{name}.jpg"), made.files("{split}/{name}.xml", made.Car.xml)],
    }


def yolo() -> dict[str, Callable[[], list[Any]]]:
    from tests.helpers import layouts as made

    polygons = made.files("{split}/labels/{name}.txt", made.Car.yolo_polygon)
    return {
        "boxes": lambda: [*made.YOLO, made.one("data.yaml", made.NAMES)],
        "polygons": lambda: [made.photos("{split}/images/{name}.jpg"), polygons, made.one("data.yaml", made.YAML)],
    }


def csv() -> dict[str, Callable[[], list[Any]]]:
    from tests.helpers import layouts as made

    def row(car: Any) -> str:
        return f"{car.name}.jpg,{car.body_type},{made.corners(car)},{car.split}"

    def other(car: Any) -> str:
        return f"{car.name}.jpg;60;40;{car.body_type};{made.corners(car, ';')}"

    return {
        "photos": lambda: [made.photos("{name}.jpg"), made.table(row, "photo,type,x1,y1,x2,y2,split")],
        "other": lambda: [
            made.photos("{name}.jpg"),
            made.table(other, "filename;width;height;class;xmin;ymin;xmax;ymax", "labels.csv", "utf-16"),
        ],
    }


def stanford(folder: Path) -> Call:
    from tests.helpers.dataset_formats import make_devkit

    make_devkit(folder / "devkit", per_class=1)
    return listed(folder, "stanford-cars")


# --- texts of settings and reports -----------------------------------------------------------------------------------


def profile(folder: Path) -> Call:
    from carseg_lib.core import profiles
    from carseg_lib.core.run import Run

    source = profiles.profiles_folder()
    for name in ("smoke", "quick"):
        shutil.copyfile(source / f"{name}.yaml", folder / f"{name}.yaml")
    data = any_photos(folder)

    def call(changed: Path) -> None:
        with mock.patch.object(profiles, "profiles_folder", lambda: folder):
            profiles.read_profile(changed.stem)
            Run.create(profile=changed.stem, data=data)

    return call


def any_photos(folder: Path) -> Path:
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").touch()
    return folder / "photos"


def classes(folder: Path) -> Call:
    from carseg_lib.core.classes import ClassMap

    (folder / "types.yaml").write_text("types:\n  suv: [jeep, 4x4]\n  sedan: []\n  van: [mini van]\nleave_out: [bus]\n")
    (folder / "list.yaml").write_text("types: [suv, 'sedan', coupé]\n")
    (folder / "classes.txt").write_text("suv=jeep,4x4 sedan='mini van'=van,x wagon")

    def call(changed: Path) -> None:
        text = changed.suffix == ".txt"
        ClassMap.parse(changed.read_bytes().decode("utf-8", "surrogateescape") if text else str(changed))

    return call


def overrides(folder: Path) -> Call:
    from carseg_lib.core import profiles, run
    from carseg_lib.core.run import Run

    (folder / "set.txt").write_text(
        "epochs=3 train.lr=0.001 inputs.augmentation=none tta=hflip height=96 max_rotation=1"
    )
    any_photos(folder)
    run.read_profile = functools.cache(profiles.read_profile)  # it takes most of the time, and does not change

    def call(changed: Path) -> None:
        values = profiles.parse_overrides(changed.read_bytes().decode("utf-8", "surrogateescape"))
        Run.create(profile="smoke", data=folder / "photos", overrides=values)

    return call


def report(folder: Path) -> Call:
    from carseg_lib.paper.report_file import read_report

    rows = ["class,precision,recall,f1-score,support", "suv,0.91,0.90,0.905,10", "sedan,0.8,0.85,0.82,20"]
    (folder / "table.csv").write_text("\n".join([*rows, "macro avg,0.85,0.87,0.86,30"]))
    text = "              precision    recall  f1-score   support\n\n"
    text += "         suv       0.91      0.90      0.91        10\n"
    text += "       sedan       0.80      0.85      0.82        20\n\n"
    text += "    accuracy                           0.86        30\n"
    (folder / "printed.txt").write_text(text + "   macro avg       0.86      0.88      0.87        30\n")
    return lambda changed: read_report(changed)


# --- photos ----------------------------------------------------------------------------------------------------------


def photos(folder: Path, side: int) -> None:
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 256, (side, side + 4, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a car"
    pixels.save(folder / "a.jpg", exif=exif, quality=80)
    pixels.convert("CMYK").save(folder / "cmyk.jpg")
    pixels.save(folder / "progressive.jpg", progressive=True)
    pixels.save(folder / "a.png")
    pixels.quantize(16).save(folder / "palette.png", transparency=3)
    Image.fromarray(rng.integers(0, 65536, (side, side), dtype=np.uint16)).save(folder / "grey16.png")
    pixels.save(folder / "a.webp", quality=50)
    pixels.save(folder / "lossless.webp", lossless=True, exif=exif)
    pixels.save(folder / "a.bmp")
    pixels.quantize(8).save(folder / "a.gif", save_all=True, append_images=[pixels.quantize(4)])


def photo(folder: Path) -> Call:
    from carseg_lib.data.photos import inspect_image, picture_format, read_photo

    photos(folder, 24)

    def call(changed: Path) -> None:
        picture_format(changed)
        read_photo(changed, 10)
        inspect_image(changed)

    return call


def header(folder: Path) -> Call:
    from carseg_lib.data.photos import picture_format, upright_size

    photos(folder, 8)

    def call(changed: Path) -> None:
        picture_format(changed)
        size = upright_size(changed)
        assert size is None or (len(size) == 2 and min(size) >= 0)

    return call


def mask_png(folder: Path) -> Call:
    from carseg_lib.data.formats.mask_png import MaskPng
    from tests.helpers.dataset_formats import palette_png

    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 8:20] = 1
    palette_png(folder / "palette.png", mask)
    Image.fromarray(mask * 255).save(folder / "grey.png")
    Image.fromarray(np.dstack([mask * 255] * 4)).save(folder / "rgba.png")

    def call(changed: Path) -> None:
        one = MaskPng(folder, changed.name, 1 if changed.stem == "palette" else None)
        one.size()
        one.read()

    return call


def packed(folder: Path) -> Call:
    """Masks as programs pack them: run lengths, Label Studio's bits, PNGs of labelme and Supervisely."""
    from carseg_lib.data.formats import brushes
    from carseg_lib.data.formats.placed_masks import png_bitmap
    from carseg_lib.data.masks import decode_segmentation, encode_mask
    from tests.helpers.program_files import brush, png, runs

    mask = np.zeros((20, 30), bool)
    mask[5:15, 8:20] = True
    whole: dict[str, Any] = {"coco": encode_mask(mask), "counts": runs(mask), "brush": brush(mask)}
    whole |= {"cvat": ", ".join(map(str, runs(mask))), "polygon": [[8, 5, 20, 5, 20, 15, 8, 15]]}
    whole |= {
        "png": base64.b64encode(png(mask)).decode(),
        "packed": base64.b64encode(zlib.compress(png(mask))).decode(),
    }
    for name, content in whole.items():
        (folder / f"{name}.json").write_text(json.dumps(content))

    def call(changed: Path) -> None:
        try:
            content = json.loads(changed.read_bytes())
        except (ValueError, RecursionError):
            return
        if changed.stem in ("coco", "counts"):
            decode_segmentation({"size": [20, 30], "counts": content}, 20, 30)
        elif changed.stem == "polygon":
            decode_segmentation(content, 20, 30)
        elif changed.stem == "brush":
            brushes.painted(content, 30, 20)
        elif changed.stem == "cvat":
            brushes.run_lengths(str(content), 30, 20)
        else:
            png_bitmap(content, compressed=changed.stem == "packed")

    return call


def zipped(folder: Path) -> Call:
    """A zip of an object store, which is unpacked into a folder of its own."""
    import zipfile

    from carseg_lib.data import remote_archive

    with zipfile.ZipFile(folder / "cars.zip", "w") as packed:
        for name, content in {"suv/a.jpg": b"a" * 300, "suv/b.jpg": bytes(range(256)), "sedan/": b""}.items():
            packed.writestr(name, content, zipfile.ZIP_STORED if name.endswith("b.jpg") else zipfile.ZIP_DEFLATED)

    def call(changed: Path) -> None:
        remote_archive._unpack("s3://bucket/cars.zip", changed, folder / "unpacked" / "cars")

    return call
