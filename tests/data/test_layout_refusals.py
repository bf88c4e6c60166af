"""Data sets that cannot be read, or not as a whole: what was found, where, and what to do, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import PngImagePlugin

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.loader import load_catalogue
from tests.helpers.dataset_formats import voc_object, voc_xml
from tests.helpers.drawn_cars import TYPES
from tests.helpers.layouts import (
    NAMES,
    SIZE,
    YOLO,
    Build,
    Car,
    cars,
    corners,
    files,
    numbered,
    one,
    photos,
    table,
    write,
)

OTHER_NAMES = {"suv": "S.U.V.", "sedan": "Sedan cars", "convertible": "Cabriolet", "minivan": "Mini Van"}


def in_other_folders(folder: Path) -> None:
    for car in cars():
        car.save(folder / OTHER_NAMES[car.body_type] / f"{car.name}.jpg")


def in_shares(car: Car) -> str:
    """A row of corners, as shares of the photo's sides."""
    shares = (f"{edge / SIZE[k % 2]:.6f}" for k, edge in enumerate(car.box))
    return f"{TYPES.index(car.body_type)} {' '.join(shares)}\n"


def with_commas(car: Car) -> str:
    return car.yolo().replace(" ", ", ")


def by_name(car: Car) -> str:
    return car.body_type + car.yolo()[1:]


def of_width_and_height(car: Car) -> str:
    """An XML file with x, y, width and height in the place of the edges."""
    x1, y1, x2, y2 = map(int, car.box)
    return voc_xml(f"{car.name}.jpg", [voc_object(car.body_type, (x1, y1, x2 - x1, y2 - y1))], SIZE)


REFUSED: dict[str, tuple[list[Build], str]] = {
    "folders of other names": (
        [in_other_folders],
        "suv has 0 photos, 3 are needed, one for each split (found: suv 0, sedan 0, convertible 0, minivan 4); other "
        "folders hold photos: Cabriolet (4 photos), S.U.V. (4 photos), Sedan cars (4 photos); CLASSES=\"suv=S.U.V. "
        "'sedan=Sedan cars' convertible=Cabriolet minivan\" takes them",
    ),
    "numbers as folders": (
        [
            numbered,
            one("classes.txt", "\n".join(TYPES)),
        ],
        'CLASSES="suv=0 sedan=1 convertible=2 minivan=3" would take these',
    ),
    "a photo in two splits": ([photos("train/{type}/test/{name}.jpg")], "the folder is in train and in test"),
    "two VOC sets": (
        [photos("{split}/JPEGImages/{name}.jpg"), files("{split}/Annotations/{name}.xml", Car.xml),
         one("train/ImageSets/Main/train.txt", "x")],
        "the lists of splits are in",
    ),
    "YOLO without names": (
        [*YOLO],
        'YOLO labels of the classes 0, 1, 2, 3, which nothing names; add data.yaml or classes.txt, or say which '
        'is which, for instance CLASSES="suv=0 sedan=1 convertible=2 minivan=3"',
    ),
    "YOLO of other classes": (
        [*YOLO, one("data.yaml", "names: [jeep, saloon, cabrio, mpv]")],
        'no label is suv, sedan, convertible or minivan (found: cabrio, jeep, mpv, saloon); give their names in '
        'CLASSES, for instance CLASSES="suv=jeep sedan=saloon convertible=cabrio minivan=mpv"',
    ),
    "YOLO in pixels": (
        [YOLO[0], files("labels/{split}/{name}.txt", lambda car: f"0 {corners(car, ' ')}"), one("data.yaml", NAMES)],
        "is no share of the photo's side, 0 to 1; divide pixels by its width or height",
    ),
    "YOLO with corners": (
        [YOLO[0], files("labels/{split}/{name}.txt", in_shares), one("data.yaml", NAMES)],
        "boxes reach beyond their photos, and read as corners all of them fit; a row is class, centre x",
    ),
    "YOLO with commas": (
        [YOLO[0], files("labels/{split}/{name}.txt", with_commas), one("data.yaml", NAMES)],
        "has commas or semicolons; YOLO has spaces between numbers, and points in them",
    ),
    "YOLO with names of classes": (
        [YOLO[0], files("labels/{split}/{name}.txt", by_name), one("data.yaml", NAMES)],
        "the class is named, 'suv'; YOLO has its number, 0 for the first name of data.yaml or classes.txt",
    ),
    "VOC with widths and heights": (
        [photos("JPEGImages/{name}.jpg"), files("Annotations/{name}.xml", of_width_and_height)],
        "boxes fit their photos if xmax and ymax are a width and a height (6 have xmin above xmax or ymin above ymax)",
    ),
    "YOLO predictions": (
        [YOLO[0], files("labels/{split}/{name}.txt", lambda car: car.yolo().strip() + " 0.9"), one("data.yaml", NAMES)],
        "row 1: 6 numbers, as a prediction with its score has; remove the score",
    ),
    "YOLO poses": (
        [*YOLO, one("data.yaml", NAMES + "kpt_shape: [4, 2]")],
        "it has kpt_shape, points of a pose, which are not read",
    ),
    "YOLO with a class too many": (
        [*YOLO, one("data.yaml", "names: [suv, sedan]")],
        "has no name: data.yaml names 2; add its name there",
    ),
    "YAML with a tag": ([*YOLO, one("data.yaml", "names: !!python/object/apply:os.system [x]")], "not valid YAML"),
    "a table without names of columns": (
        [photos("{name}.jpg"), table(lambda car: f"{car.name}.jpg,suv", "00001.jpg,suv")],
        "the first row is no row of names; write one above it",
    ),
    "a table with boxes by width and height": (
        [photos("{name}.jpg"), table(lambda car: f"{car.name}.jpg,suv,1,2,3,4", "photo,type,x,y,width,height")],
        "boxes by the columns x and y, with a width and a height, are not read; give x1, y1, x2 and y2",
    ),
    "a table of photos that were shrunk": (
        [
            photos("{name}.jpg"),
            table(
                lambda car: f"{car.name}.jpg,{car.body_type},{corners(car)},120,80",
                "photo,type,x1,y1,x2,y2,width,height",
            ),
        ],
        "16 size mismatch; first: 00001.jpg (annotated as 120×80, the photo has 60×40",
    ),
    "a table with boxes in two forms": (
        [
            photos("{name}.jpg"),
            table(lambda car: f'{car.name}.jpg,suv,1,1,9,9,"[1, 1, 8, 8]"', "photo,type,x1,y1,x2,y2,bbox"),
        ],
        "boxes are in the column 'bbox' and in x1, y1, x2, y2; keep one of them",
    ),
    "a table with a box that is none": (
        [photos("{name}.jpg"), table(lambda car: f'{car.name}.jpg,suv,"[1, 1]"', "photo,type,bbox")],
        "row 2: the box '[1, 1]' is not [x, y, width, height]; complete it",
    ),
    "a table with corners in a column of boxes": (
        [
            photos("{name}.jpg"),
            table(lambda car: f'{car.name}.jpg,{car.body_type},"{corners(car)}"', "photo,type,bbox"),
        ],
        "read as corners all boxes fit: the last two numbers must be width and height",
    ),
    "VIA 3": (
        [photos("{name}.jpg"), one("via.json", '{"project": {"pid": "1", "vid_list": []}, "metadata": {}}')],
        "annotations of VIA 3 (via.json), which are not read; export the annotations as COCO",
    ),
    "CVAT for video": (
        [photos("images/{name}.jpg"), one("annotations.xml", "<annotations><track id='0'></track></annotations>")],
        "annotations of CVAT for video (annotations.xml), which are not read; choose Export task dataset, format CVAT",
    ),
    "Label Studio, JSON_MIN": (
        [photos("images/{name}.jpg"), one("min.json", '[{"image": "a", "l": [{"rectanglelabels": ["suv"]}]}]')],
        "annotations of Label Studio, JSON_MIN (min.json), which are not read; choose Export, JSON",
    ),
    "Datumaro": (
        [photos("images/{name}.jpg"), one("annotations/train.json", '{"dm_format_version": "1.0", "items": []}')],
        "annotations of Datumaro (annotations/train.json), which are not read; run datum convert -f coco_instances",
    ),
    "Labelbox": (
        [photos("{name}.jpg"), one("export.ndjson", '{"data_row": {"id": "a"}, "projects": {"p": {"objects": []}}}')],
        "annotations of Labelbox (export.ndjson), which are not read; convert it to COCO, or to a table",
    ),
    "V7 Darwin": (
        [photos("images/{name}.jpg"), one("annotations/1.json", '{"item": {"name": "1.jpg", "slots": []}}')],
        "annotations of V7 Darwin (annotations/1.json), which are not read; export it as COCO",
    ),
    "SuperAnnotate": (
        [photos("{name}.jpg"), one("1.jpg___objects.json", '{"instances": [{"type": "bbox", "className": "suv"}]}')],
        "annotations of SuperAnnotate (1.jpg___objects.json), which are not read; export it as COCO",
    ),
    "Hugging Face": (
        [photos("{name}.jpg"), one("metadata.jsonl", '{"file_name": "00001.jpg", "objects": {"bbox": []}}')],
        "image folders (metadata.jsonl), which are not read; write it as a table photos.csv with the columns photo,x1",
    ),
    "KITTI": (
        [photos("image_2/{name}.jpg"), one("label_2/1.txt", "suv 0.00 0 -1.57 1 2 30.5 40 1.5 1.6 3.9 0 0 9.1 -1\n")],
        "annotations of KITTI (label_2/1.txt), which are not read; run datum convert -if kitti",
    ),
    "a list as text": (
        [photos("{name}.jpg"), one("labels.txt", "00001.jpg suv\n")],
        "a list of photos as text (labels.txt), which are not read; save it as photos.csv, with commas and",
    ),
    "types in the names of photos": (
        [photos("{type}_{name}.jpg")],
        "16 of 16 photos have a type in their names (convertible_00003.jpg): move them into folders of the types, or",
    ),
    "Open Images": (
        [
            photos("images/{name}.jpg"),
            table(lambda car: f"{car.name},{car.body_type},0.1,0.9,0.2,0.8", "ImageID,LabelName,XMin,XMax,YMin,YMax"),
        ],
        "shares of the photo, not pixels; multiply them by its width and height",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_layout_that_cannot_be_read_says_what_was_found_and_what_to_do(tmp_path, name):
    builds, message = REFUSED[name]
    folder = tmp_path / "cars"
    for build in builds:
        build(folder)
    with pytest.raises(CarsegError) as caught:
        load_catalogue(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_links_out_of_the_folder_say_what_to_do(tmp_path):
    photos("{type}/{name}.jpg")(tmp_path / "real")
    for path in (tmp_path / "real").rglob("*.jpg"):
        link = tmp_path / "cars" / path.relative_to(tmp_path / "real")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    with pytest.raises(CarsegError, match=r"16 link; first: .*the link leaves the folder; put a copy in its place"):
        load_catalogue(tmp_path / "cars")


def test_a_photo_with_much_text_is_read_and_one_of_another_format_is_named(tmp_path):
    photos("{type}/{name}.jpg")(tmp_path)
    text = PngImagePlugin.PngInfo()
    text.add_text("history", "x" * 1_500_000, zip=True)
    (tmp_path / "suv" / "00001.jpg").unlink()
    cars()[0].photo.save(tmp_path / "suv" / "00001.png", pnginfo=text)
    write(tmp_path / "suv" / "x.tiff", b"II*\0")
    write(tmp_path / "suv" / "y", b"\0\0\0\x1cftypavif")
    catalogue = load_catalogue(tmp_path)
    assert len(catalogue.photos) == 16
    assert catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist() == [
        ["suv/x.tiff", "other format", ".tiff is not read"],
        ["suv/y", "other format", "AVIF is not read"],
    ]
