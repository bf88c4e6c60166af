"""Every kind of damage that a data set can have, and exactly what comes of it."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from tests.helpers.drawn_cars import TYPES, make_car_photos

N = 24 * 4  # photos of a set; one bad photo is 1%, five are 5.2%


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("sets")
    return {layout: make_car_photos(base / layout, 24, (60, 40), layout=layout) for layout in ("coco", "folder")}


@pytest.fixture
def coco(sets, tmp_path) -> Path:
    return Path(shutil.copytree(sets["coco"], tmp_path / "coco"))


@pytest.fixture
def folder(sets, tmp_path) -> Path:
    return Path(shutil.copytree(sets["folder"], tmp_path / "folder"))


def refusal(data: Path) -> str:
    """The message by which a data set is refused: always one line that begins with the place."""
    with pytest.raises(CarsegError) as caught:
        load_catalogue(data)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(data))
    return message


def edit(data: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = data / "annotations" / "train.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


def first_photo(data: Path) -> Path:
    return sorted(data.rglob("*.jpg"))[0]


def excluded(catalogue: Catalogue) -> list[list[str]]:
    return catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist()


# ---------------------------------------------------------------- the folder itself


def test_missing_and_empty_folders(tmp_path):
    assert "there is no such folder or file" in refusal(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "the folder is empty" in refusal(tmp_path / "empty")
    (tmp_path / "photo.jpg").write_bytes(b"x")
    assert "neither a folder nor an annotation file (.json, .xml or .csv)" in refusal(tmp_path / "photo.jpg")


def test_none_of_the_four_types(folder):
    for name, other in zip(TYPES, ("coupe", "hatchback", "pickup", "wagon"), strict=True):
        (folder / name).rename(folder / other)
    message = refusal(folder)
    assert "no photos in folders named suv, sedan, convertible or minivan" in message
    assert "(folders with photos: coupe, hatchback, pickup, wagon)" in message


def test_a_type_with_fewer_than_three_photos(folder):
    for path in sorted((folder / "minivan").iterdir())[2:]:
        path.unlink()
    assert "minivan has 2 photos, 3 are needed" in refusal(folder)
    shutil.rmtree(folder / "minivan")
    assert "minivan has 0 photos, 3 are needed" in refusal(folder)


def test_a_type_left_with_fewer_than_three_usable_photos(folder):
    for path in sorted((folder / "minivan").iterdir())[3:]:
        path.unlink()
    assert len(load_catalogue(folder).photos) == 75
    next((folder / "minivan").iterdir()).write_bytes(b"")  # one of 75 is below 5%
    assert "minivan has 2 photos that can be used, 3 are needed" in refusal(folder)


def test_two_layouts_at_once(folder):
    shutil.copytree(folder / "suv", folder / "train" / "suv")
    assert "both inside a split (train/suv/" in refusal(folder)


# ---------------------------------------------------------------- single photos


def save_noise(path: Path, size: tuple[int, int] = (60, 40)) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path, "JPEG")


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 5_001, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", b"")
    )


def cut(path: Path) -> None:
    save_noise(path)
    path.write_bytes(path.read_bytes()[:-700])


def leave_by_link(path: Path) -> None:
    outside = path.parents[2] / "outside.jpg"
    shutil.move(path, outside)
    path.symlink_to(outside)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_text("<html>not found</html>"), "unreadable"),
        (cut, "truncated"),
        (lambda path: path.write_bytes(huge_png()), "too large"),
        (leave_by_link, "link"),
        (lambda path: path.rename(path.with_name("a\nb.jpg")), "unreadable name"),
        (lambda path: path.rename(path.with_name("a\udce9.jpg")), "unreadable name"),
    ],
)
def test_a_photo_that_cannot_be_read_is_left_out_listed_and_counted(folder, damage, reason):
    path = first_photo(folder)
    damage(path)
    catalogue = load_catalogue(folder)
    assert len(catalogue.photos) == len(catalogue.instances) == N - 1
    assert catalogue.excluded_counts() == {reason: 1}
    row = catalogue.excluded.iloc[0]
    assert row.body_type == "convertible"
    assert row.photo_id.startswith("convertible/")
    assert row.detail
    row.to_json().encode()  # can be written anywhere
    catalogue.save(folder.parent / "saved")
    assert excluded(Catalogue.load(folder.parent / "saved")) == excluded(catalogue)
    assert len(assign_splits(catalogue, 0).photos) == N - 1


def sixteen_bits(path: Path) -> None:
    levels = np.linspace(0, 65535, 60 * 40).astype(np.uint16).reshape(40, 60)
    Image.fromarray(levels).save(path, "PNG")


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).copy().save(path, exif=exif)


@pytest.mark.parametrize(
    ("change", "size", "brightness"),
    [
        (sixteen_bits, (60, 40), 0.5),
        (lambda path: Image.new("CMYK", (60, 40), (0, 0, 0, 51)).save(path), (60, 40), 0.8),
        (lambda path: Image.new("L", (60, 40), 102).save(path), (60, 40), 0.4),
        (lambda path: Image.new("RGBA", (60, 40), (0, 0, 0, 51)).save(path, "PNG"), (60, 40), 0.8),
        (lambda path: Image.new("RGB", (10_000, 6_000), (51, 51, 51)).save(path), (10_000, 6_000), 0.2),
        (rotated, (40, 60), None),
    ],
)
def test_an_unusual_photo_is_read(folder, change, size, brightness):
    path = first_photo(folder)
    change(path)
    catalogue = load_catalogue(folder)
    assert catalogue.excluded.empty
    row = catalogue.photos.iloc[0]
    assert row.photo_id == path.relative_to(folder).as_posix()
    assert (row.width, row.height) == size
    if brightness is not None:
        assert row.brightness == pytest.approx(brightness, abs=0.01)
    assert catalogue.instances.iloc[0][["x1", "y1", "x2", "y2"]].tolist() == [0, 0, *size]


def test_the_run_stops_above_5_percent_of_bad_photos_only(folder):
    paths = sorted(folder.rglob("*.jpg"))
    for path in paths[:4]:
        path.write_bytes(b"")
    assert load_catalogue(folder).excluded_counts() == {"empty file": 4}  # 4 of 96 are 4.2%
    paths[4].write_text("not a photo")
    message = refusal(folder)
    assert "5 of 96 photos (5.2%, more than 5%) cannot be used: 4 empty file, 1 unreadable; first: " in message
    assert f"first: {paths[0].relative_to(folder).as_posix()} (0 bytes), " in message
    assert message.endswith(", …; repair or remove them")


def test_exactly_5_percent_is_allowed(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 5, (60, 40), layout="folder")
    first_photo(folder).write_bytes(b"")  # 1 of 20
    assert len(load_catalogue(folder).photos) == 19


def test_links_to_folders_are_not_followed(folder, tmp_path):
    shutil.move(folder / "suv", tmp_path / "elsewhere")
    (folder / "suv").symlink_to(tmp_path / "elsewhere")
    assert "suv has 0 photos" in refusal(folder)
    shutil.copytree(tmp_path / "elsewhere", folder / "SUV")
    assert excluded(load_catalogue(folder)) == [["suv/", "link", "links to folders are not followed"]]


# ---------------------------------------------------------------- COCO annotations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON (Expecting property name"),
        ("", "train.json: an empty file; download or export it again"),
        (
            "version https://git-lfs.github.com/spec/v1\noid",
            "train.json: a pointer of Git LFS in place of the file; run",
        ),
        ("<!DOCTYPE html><title>Log in</title>", "train.json: a web page in place of the file"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not COCO instances, 'images' is not a list"),
        ("{}", "not COCO instances, 'images' is not a list"),
        ('{"images": [], "annotations": {}, "categories": []}', "'annotations' is not a list of objects"),
        ('{"images": [1], "annotations": [], "categories": []}', "'images' is not a list of objects"),
        ('{"images": [{}], "annotations": [], "categories": []}', "images[0] has no id"),
        ('{"images": [{"id": 7}], "annotations": [], "categories": []}', "id 7 of 'images' has no 'file_name'"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "id 1 of 'categories' has no 'name'"),
    ],
)
def test_a_file_that_is_not_coco(coco, text, message):
    path = coco / "annotations" / "train.json"
    path.write_text(text)
    with pytest.raises(CarsegError) as caught:
        load_catalogue(coco)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["images", "annotations", "categories"])
def test_duplicate_ids(coco, what):
    edit(coco, lambda table: table[what][1].update(id=table[what][0]["id"]))
    message = refusal(coco)
    assert f"the id 1 is given twice in '{what}'" in message
    assert "annotations/train.json" in message


def test_a_photo_listed_twice(coco):
    name = json.loads((coco / "annotations" / "test.json").read_text())["images"][0]["file_name"]
    edit(coco, lambda table: table["images"][0].update(file_name=name))
    message = refusal(coco)
    assert f"the photo '{name}' (id 1) is already listed in test.json with id" in message


def test_an_annotation_of_no_photo(coco):
    edit(coco, lambda table: table["annotations"][0].update(image_id=4711))
    assert "annotation 1 belongs to image 4711, which is not listed" in refusal(coco)


@pytest.mark.parametrize("name", ["../secret.jpg", "train/../../x.jpg", "/etc/passwd", "C:\\x.jpg", "..\\x.jpg", "."])
def test_a_file_name_that_leaves_the_folder(coco, name):
    edit(coco, lambda table: table["images"][0].update(file_name=name))
    message = refusal(coco)
    assert f"the file_name {name!r} (id 1) leads outside of" in message


def test_backslashes_are_folders(coco):
    def windows(table):
        for image in table["images"]:
            image["file_name"] = image["file_name"].replace("/", "\\")

    edit(coco, windows)
    assert len(load_catalogue(coco).photos) == N


def test_no_category_is_one_of_the_four(coco):
    for path in (coco / "annotations").iterdir():
        table = json.loads(path.read_text())
        for category, name in zip(table["categories"], ("truck", "bus", "van", "person"), strict=True):
            category["name"] = name
        path.write_text(json.dumps(table))
    assert "no category is suv, sedan, convertible or minivan (found: bus, person, truck, van)" in refusal(coco)


def test_other_categories_are_ignored_and_counted(coco):
    def other(table):
        table["categories"].append({"id": 9, "name": "truck"})
        table["annotations"] += [dict(table["annotations"][0], id=1000 + k, category_id=9) for k in range(3)]
        table["annotations"] += [dict(table["annotations"][0], id=2000, category_id=77)]
        table["annotations"] += [dict(table["annotations"][0], id=2001, iscrowd=1)]
        table["annotations"][1]["category_id"] = 9

    edit(coco, other)
    catalogue = load_catalogue(coco)
    assert len(catalogue.photos) == len(catalogue.instances) == N - 1
    assert excluded(catalogue) == [
        ["train.json", "crowd region", "suv: 1 annotations"],
        ["train.json", "other type", "category_id 77: 1 annotations"],
        ["train.json", "other type", "truck: 4 annotations"],
        ["train/sedan/00002.jpg", "no labelled car", "no annotation of the body types"],
    ]


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"bbox": [60, 5, 10, 10]}, "box outside the photo", "[60, 5, 10, 10] lies outside of 60×40"),
        ({"bbox": [-20, 5, 20, 10]}, "box outside the photo", "[-20, 5, 20, 10] lies outside of 60×40"),
        ({"bbox": [1, 1, 0, 10]}, "zero-area box", "[1, 1, 0, 10] has no width or no height"),
        ({"bbox": [1, 1, 9, -10]}, "zero-area box", "[1, 1, 9, -10] has no width or no height"),
        ({"bbox": [59.5, 1, 9, 10]}, "zero-area box", "[59.5, 1, 9, 10] is less than a pixel wide"),
        ({"bbox": [1, 1, 9]}, "bad box", "[1, 1, 9] is not [x, y, width, height]"),
        ({"bbox": [1, 1, 9, "9"]}, "bad box", "is not [x, y, width, height]"),
        ({"bbox": [1, 1, 9, float("nan")]}, "bad box", "is not [x, y, width, height]"),
        ({"bbox": {"x": 1}}, "bad box", "is not [x, y, width, height]"),
        ({"segmentation": {"size": [40, 60], "counts": [2400]}}, "zero-area mask", "the suv has no pixels inside"),
        ({"segmentation": [[5, 5, 5, 5, 5, 5]]}, "zero-area mask", "the suv has no pixels inside"),
        ({"segmentation": {"size": [40, 60], "counts": "zz"}}, "bad mask", "do not make a mask of 60×40"),
        ({"segmentation": {"size": [60, 40], "counts": [2400]}}, "bad mask", "size [60, 40] is not the photo's"),
        ({"segmentation": [[1, 2, 3]]}, "bad mask", "at least three points"),
        ({"segmentation": "x"}, "bad mask", "neither polygons nor run lengths"),
    ],
)
def test_a_broken_annotation_leaves_its_photo_out(coco, change, reason, detail):
    edit(coco, lambda table: table["annotations"][0].update(change))
    catalogue = load_catalogue(coco)
    assert len(catalogue.photos) == len(catalogue.instances) == N - 1
    assert catalogue.excluded[["photo_id", "split", "body_type", "reason"]].values.tolist() == [
        ["train/suv/00001.jpg", "train", "suv", reason]
    ]
    assert detail in catalogue.excluded["detail"].item()
    assert catalogue.has_masks


def test_a_missing_photo(coco):
    first_photo(coco / "images" / "train" / "suv").unlink()
    assert excluded(load_catalogue(coco)) == [["train/suv/00001.jpg", "missing file", "there is no such file"]]


def test_all_photos_missing(coco):
    shutil.rmtree(coco / "images")
    message = refusal(coco)
    assert "96 of 96 photos (100.0%, more than 5%) cannot be used: 96 missing file; first: test/" in message


def test_a_photo_of_another_size_than_annotated(coco):
    save_noise(coco / "images" / "train" / "suv" / "00001.jpg", (50, 40))
    assert excluded(load_catalogue(coco)) == [
        ["train/suv/00001.jpg", "size mismatch", "annotated as 60×40, the photo has 50×40"]
    ]


def test_a_link_out_of_the_photos(coco, tmp_path):
    path = coco / "images" / "train" / "suv" / "00001.jpg"
    shutil.move(path, tmp_path / "x.jpg")
    path.symlink_to(tmp_path / "x.jpg")
    assert excluded(load_catalogue(coco)) == [
        ["train/suv/00001.jpg", "link", "the link leaves the folder; put a copy in its place (cp -L)"]
    ]


def test_one_of_two_cars_without_a_box_and_a_mask_leaves_its_photo_out(coco):
    def add(table):
        table["annotations"] += [dict(table["annotations"][0], id=2000, segmentation=[], bbox=[])]

    edit(coco, add)
    assert excluded(load_catalogue(coco)) == [["train/suv/00001.jpg", "no mask", "one of its cars has no box either"]]


def test_masks_of_some_cars_are_kept_and_the_others_counted(coco):
    def strip(table):
        for annotation, mask in zip(table["annotations"], ([], None, "", [], None, []), strict=False):
            annotation["segmentation"] = mask

    before = load_catalogue(coco).instances
    edit(coco, strip)
    after = load_catalogue(coco)
    assert after.has_some_masks and not after.has_masks and len(after.photos) == N
    kept = after.instances["mask"] != ""
    assert kept.sum() == N - 6 and set(after.instances.loc[~kept, "mask_origin"]) == {"none"}
    assert after.instances[kept].equals(before[kept])
    assert excluded(after) == [
        [
            "images/",
            "masks of some cars",
            "90 cars have masks, 6 on 6 photos have none; the annotator draws these, inside a box where there is one, "
            "and masks are measured against given ones alone",
        ]
    ]
