"""COCO as tools and hosts write it: where photos and files are, how photos are named, and what comes of each."""

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.fingerprint import content_fingerprint
from carseg_lib.data.formats import coco
from carseg_lib.data.formats.coco import read_coco
from carseg_lib.data.loader import read_listing
from carseg_lib.data.masks import decode_mask, mask_iou
from tests.helpers.drawn_cars import SPLITS, make_car_photos

COUNTS = {"train": 12, "validation": 8, "test": 4}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    return make_car_photos(tmp_path_factory.mktemp("coco") / "drawn", 6, (60, 40))


@pytest.fixture(scope="module")
def truth(drawn) -> dict[str, dict[str, Any]]:
    """The car of each photo, by the photo's number."""
    found = {}
    for split in SPLITS:
        table = json.loads((drawn / "annotations" / f"{split}.json").read_text())
        found |= {f"{row['image_id']:05d}": row | {"split": split} for row in table["annotations"]}
    return found


class Writer:
    """Writes the drawn cars in another layout: photos and names as asked for, annotations of one or all splits."""

    def __init__(self, drawn: Path, folder: Path) -> None:
        self.folder = folder
        self.tables = {split: json.loads((drawn / "annotations" / f"{split}.json").read_text()) for split in SPLITS}
        self.photos = drawn / "images"

    def write(
        self,
        file: str,
        splits: tuple[str, ...] = SPLITS,
        photo: Callable[[str, str], str] = lambda split, number: f"images/{number}.jpg",
        named: Callable[[str, str], str] = lambda split, number: f"{number}.jpg",
        change: Callable[[dict[str, Any]], Any] = lambda table: None,
    ) -> None:
        table: dict[str, Any] = {"categories": self.tables["train"]["categories"], "images": [], "annotations": []}
        for split in splits:
            table["annotations"] += self.tables[split]["annotations"]
            for image in self.tables[split]["images"]:
                number = f"{image['id']:05d}"
                path = self.folder / photo(split, number)
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.photos / image["file_name"], path)
                table["images"].append(image | {"file_name": named(split, number)})
        change(table)
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(table))


def cvat(w: Writer) -> None:
    w.write("annotations/instances_default.json", photo=lambda s, n: f"images/default/{n}.jpg")


def official(w: Writer) -> None:
    for split, name in (("train", "train2017"), ("validation", "val2017")):
        w.write(f"annotations/instances_{name}.json", (split,), lambda s, n, name=name: f"{name}/{n}.jpg")
    (w.folder / "annotations" / "captions_train2017.json").write_text("{}")


def same_names(w: Writer) -> None:
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        first = w.tables[split]["images"][0]["id"]
        w.write(
            f"annotations/instances_{name}.json",
            (split,),
            lambda s, n, name=name, first=first: f"images/{name}/{int(n) - first:04d}.jpg",
            lambda s, n, first=first: f"{int(n) - first:04d}.jpg",
        )


def roboflow(w: Writer) -> None:
    for split, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        w.write(f"{name}/_annotations.coco.json", (split,), lambda s, n, name=name: f"{name}/{n}.jpg")


def fiftyone(w: Writer) -> None:
    w.write("labels.json", photo=lambda s, n: f"data/{n}.jpg")


def label_studio(w: Writer) -> None:
    w.write("result.json", named=lambda s, n: f"images\\{n}.jpg")


def label_studio_paths(w: Writer) -> None:
    w.write("result.json", named=lambda s, n: f"..\\..\\label-studio\\media\\upload\\4\\{n}.jpg")


def local_files(w: Writer) -> None:
    w.write("result.json", named=lambda s, n: f"/data/local-files/?d=cars/{n}.jpg")


def another_disk(w: Writer) -> None:
    w.write("annotations/all.json", named=lambda s, n: f"C:\\Users\\me\\cars\\{n}.jpg")


def labelme2coco(w: Writer) -> None:
    w.write("annotations.json", photo=lambda s, n: f"JPEGImages/{n}.jpg", named=lambda s, n: f"JPEGImages/{n}.jpg")


def percent(w: Writer) -> None:
    w.write(
        "annotations/all.json", photo=lambda s, n: f"images/my car {n}.jpg", named=lambda s, n: quote(f"my car {n}.jpg")
    )


def composed(w: Writer) -> None:
    w.write(
        "annotations/all.json",
        photo=lambda s, n: unicodedata.normalize("NFD", f"images/Käfer grün {n}.jpg"),
        named=lambda s, n: unicodedata.normalize("NFC", f"Käfer grün {n}.jpg"),
    )


def upper_case(w: Writer) -> None:
    w.write("annotations/all.json", photo=lambda s, n: f"images/IMG_{n}.JPG", named=lambda s, n: f"img_{n}.jpg")


def saved_again(w: Writer) -> None:
    w.write("annotations/all.json", named=lambda s, n: f"{n}.png")


def ids_as(kind: Callable[[int], Any]) -> Callable[[Writer], None]:
    def change(table: dict[str, Any]) -> None:
        for row in table["annotations"]:
            row |= {"category_id": kind(row["category_id"]), "image_id": kind(row["image_id"])}

    return lambda w: w.write("annotations/all.json", change=change)


def sizes_as_text(w: Writer) -> None:
    def change(table: dict[str, Any]) -> None:
        for row in table["images"]:
            row |= {"width": str(row["width"]), "height": float(row["height"])}

    w.write("annotations/all.json", change=change)


ALL = {"": 24}


@pytest.mark.parametrize(
    ("make", "mark", "splits", "first", "said"),
    [
        (cvat, "annotations/instances_default.json", ALL, "default/00001.jpg", []),
        (official, "annotations/instances_train2017.json", {"train": 12, "validation": 8}, "train2017/00001.jpg", []),
        (same_names, "annotations/instances_test.json", COUNTS, "test/0000.jpg", []),
        (roboflow, "test/_annotations.coco.json", COUNTS, "test/00021.jpg", []),
        (fiftyone, "labels.json", ALL, "data/00001.jpg", []),
        (label_studio, "result.json", ALL, "00001.jpg", []),
        (label_studio_paths, "result.json", ALL, "00001.jpg", ["name without its folder"]),
        (local_files, "result.json", ALL, "00001.jpg", ["name without its folder"]),
        (another_disk, "annotations/all.json", ALL, "00001.jpg", ["name without its folder"]),
        (labelme2coco, "annotations.json", ALL, "JPEGImages/00001.jpg", []),
        (percent, "annotations/all.json", ALL, "my car 00001.jpg", ["name in another spelling"]),
        (composed, "annotations/all.json", ALL, None, ["name in another spelling"]),
        (upper_case, "annotations/all.json", ALL, "IMG_00001.JPG", ["name in another spelling"]),
        (saved_again, "annotations/all.json", ALL, "00001.jpg", ["name with another suffix"]),
        (ids_as(str), "annotations/all.json", ALL, "00001.jpg", []),
        (ids_as(float), "annotations/all.json", ALL, "00001.jpg", []),
        (ids_as(lambda n: f"{n}.0"), "annotations/all.json", ALL, "00001.jpg", []),
        (sizes_as_text, "annotations/all.json", ALL, "00001.jpg", []),
    ],
)
def test_every_layout_gives_the_drawn_cars(drawn, truth, tmp_path, make, mark, splits, first, said):
    folder = tmp_path / "cars"
    make(Writer(drawn, folder))
    assert coco.FILES.first(folder) == mark
    listing = read_coco(folder, ClassMap())
    catalogue = read_listing(listing)
    assert catalogue.photos["split"].value_counts().to_dict() == splits
    assert first is None or catalogue.photos["photo_id"].iloc[0] == first
    reasons = [row["reason"] for row in listing.ignored]
    assert [reason for reason in reasons if reason != "other file"] == said
    for row in listing.ignored:
        if said:
            assert row["detail"].startswith("24 photos found ")
    numbers = {(drawn / "images" / image["file_name"]).read_bytes(): f"{image['id']:05d}" for image in _images(drawn)}
    for photo in catalogue.photos.itertuples():
        car = truth[numbers[(catalogue.root / photo.photo_id).read_bytes()]]
        found = catalogue.instances[catalogue.instances["photo_id"] == photo.photo_id].iloc[0]
        x, y, w, h = car["bbox"]
        assert [found.x1, found.y1, found.x2, found.y2] == [x, y, x + w, y + h]
        counts = car["segmentation"]["counts"]
        assert mask_iou(decode_mask(found["mask"], 40, 60), decode_mask(counts, 40, 60)) == 1
        assert photo.split in ("", car["split"])


def _images(drawn: Path) -> list[dict[str, Any]]:
    tables = [json.loads((drawn / "annotations" / f"{split}.json").read_text()) for split in SPLITS]
    return [image for table in tables for image in table["images"]]


@pytest.mark.parametrize(
    ("make", "file", "first"),
    [
        (cvat, "annotations/instances_default.json", "default/00001.jpg"),
        (official, "annotations/instances_val2017.json", "val2017/00013.jpg"),
        (same_names, "annotations/instances_valid.json", "valid/0000.jpg"),
        (roboflow, "valid/_annotations.coco.json", "00013.jpg"),
        (fiftyone, "labels.json", "data/00001.jpg"),
        (label_studio_paths, "result.json", "00001.jpg"),
        (upper_case, "annotations/all.json", "IMG_00001.JPG"),
    ],
)
def test_one_file_finds_its_photos_and_its_fingerprint_covers_them(drawn, tmp_path, make, file, first):
    folder = tmp_path / "cars"
    make(Writer(drawn, folder))
    listing = read_coco(folder / file, ClassMap())
    assert sorted(photo.photo_id for photo in listing.photos)[0] == first
    before = content_fingerprint(folder / file)
    path = listing.root / first
    path.write_bytes(path.read_bytes() + b"x")
    assert content_fingerprint(folder / file) != before


def test_a_photo_of_another_split_with_the_same_name_is_not_taken(drawn, tmp_path):
    writer = Writer(drawn, tmp_path / "cars")
    same_names(writer)
    gone = tmp_path / "cars" / "images" / "test" / "0000.jpg"
    gone.unlink()
    listing = read_coco(tmp_path / "cars", ClassMap())
    catalogue = read_listing(listing)
    assert catalogue.excluded[["photo_id", "reason"]].values.tolist() == [["0000.jpg", "missing file"]]
    assert len(catalogue.photos) == 23


@pytest.mark.parametrize("name", ["..\\..\\upload\\twice.jpg", "/home/me/twice.jpg", "C:\\cars\\twice.jpg"])
def test_of_two_photos_that_fit_none_is_taken(drawn, tmp_path, name):
    writer = Writer(drawn, tmp_path / "cars")
    writer.write("result.json", change=lambda table: table["images"][0].update(file_name=name))
    for folder in ("a", "b"):
        (tmp_path / "cars" / "images" / folder).mkdir()
        shutil.copy(tmp_path / "cars" / "images" / "00001.jpg", tmp_path / "cars" / "images" / folder / "twice.jpg")
    with pytest.raises(
        CarsegError, match=r"leads outside of .* \(the last part of it is that of 2 files there\); file"
    ):
        read_coco(tmp_path / "cars", ClassMap())


def test_of_files_that_differ_in_case_the_one_spelled_alike_is_taken(drawn, tmp_path):
    Writer(drawn, tmp_path / "cars").write(
        "result.json", named=lambda s, n: f"img%20{n}.jpg", photo=lambda s, n: f"images/img {n}.jpg"
    )
    images = tmp_path / "cars" / "images"
    shutil.copy(images / "img 00002.jpg", images / "IMG 00001.jpg")
    listing = read_coco(tmp_path / "cars", ClassMap())
    assert sorted(photo.photo_id for photo in listing.photos)[0] == "img 00001.jpg"
    (images / "img 00001.jpg").rename(images / "Img 00001.jpg")  # now two fit equally well
    rows = read_listing(read_coco(tmp_path / "cars", ClassMap())).excluded
    assert rows.loc[rows["reason"] == "missing file", "photo_id"].tolist() == ["img%2000001.jpg"]


def test_folders_that_are_not_coco_have_no_mark(tmp_path, drawn):
    for name, text in (("notes.json", "{"), ("list.json", "[]"), ("more.json", '{"images": [], "annotations": []}')):
        (tmp_path / name).write_text(text)
    (tmp_path / "train").mkdir()
    shutil.copy(tmp_path / "more.json", tmp_path / "train" / "more.json")
    assert coco.FILES.first(tmp_path) == ""
    roboflow(Writer(drawn, tmp_path))
    shutil.copy(tmp_path / "test" / "_annotations.coco.json", tmp_path / "all.json")
    listing = read_coco(tmp_path, ClassMap())
    assert listing.ignored[0]["detail"] == "the folders of the splits have annotation files of their own"


def test_of_files_without_a_split_the_one_that_holds_instances_is_read(drawn, tmp_path):
    writer, kinds = Writer(drawn, tmp_path), [{"id": 1, "name": "suv"}]
    writer.write("annotations/instances_default.json")
    images, of_first = [{"id": 1, "file_name": "00001.jpg"}], {"id": 1, "image_id": 1}
    held = {
        "annotations/captions_default.json": {"annotations": [of_first | {"caption": "a car"}]},
        "annotations/image_info_all.json": {"categories": kinds},
        "annotations/person_keypoints_default.json": {
            "categories": kinds,
            "annotations": [of_first | {"keypoints": []}],
        },
        "annotations/panoptic.json": {"categories": kinds, "annotations": [of_first | {"segments_info": []}]},
        "annotations/copy.json": {"categories": kinds, "annotations": [of_first | {"category_id": 1}]},
        "annotations/info.json": {"info": {}},
        "labels.json": {"categories": kinds, "annotations": []},
    }
    for name, rows in held.items():
        content = rows if "info" in rows else {"images": images} | rows
        (tmp_path / name).write_text(json.dumps(content))
    listing = read_coco(tmp_path, ClassMap())
    assert len(listing.photos) == 24
    assert {row["photo_id"]: row["detail"] for row in listing.ignored} == {
        "labels.json": "the folder annotations/ has files of its own",
        "annotations/captions_default.json": "captions",
        "annotations/copy.json": "not named train, validation or test",
        "annotations/image_info_all.json": "names of photos without annotations",
        "annotations/info.json": "no annotations of COCO",
        "annotations/panoptic.json": "panoptic segments",
        "annotations/person_keypoints_default.json": "key points",
    }
    (tmp_path / "annotations" / "instances_default.json").rename(tmp_path / "annotations" / "all.json")
    with pytest.raises(CarsegError, match="is named train, validation or test"):  # all.json, or copy.json?
        read_coco(tmp_path, ClassMap())
    with pytest.raises(
        CarsegError, match=r"'categories' is not a list of objects \(it holds captions\); give the file"
    ):
        read_coco(tmp_path / "annotations" / "captions_default.json", ClassMap())


def test_two_files_of_one_split_are_refused(drawn, tmp_path):
    writer = Writer(drawn, tmp_path)
    for name in ("a.json", "b.json"):
        writer.write(f"train/{name}", ("train",), lambda s, n: f"train/{n}.jpg")
    with pytest.raises(
        CarsegError, match=r"train: a.json and b.json are both COCO annotations of this split; keep one"
    ):
        read_coco(tmp_path, ClassMap())


# ---------------------------------------------------------------- iscrowd


def region(*boxes: tuple[int, int, int, int]) -> dict[str, Any]:
    """Uncompressed run lengths, 60 × 40, of the pixels in some boxes."""
    inside = [any(x1 <= x < x2 and y1 <= y < y2 for x1, y1, x2, y2 in boxes) for x in range(60) for y in range(40)]
    runs, now = [0], False
    for pixel in inside:
        if pixel != now:
            runs.append(0)
            now = pixel
        runs[-1] += 1
    return {"size": [40, 60], "counts": runs}


def as_crowd(*kept: int, marks: tuple[Any, ...] = (1,)) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        for k, row in enumerate(table["annotations"]):
            if k not in kept:
                row["iscrowd"] = marks[k % len(marks)]

    return change


def beside(*more: dict[str, Any], singles: int = 0) -> Callable[[dict[str, Any]], None]:
    """Put regions with iscrowd 1, and more single cars, into the first photo."""

    def change(table: dict[str, Any]) -> None:
        first = table["annotations"][0]
        for k, segmentation in enumerate(more):
            row = {"id": 1000 + k, "image_id": first["image_id"], "category_id": first["category_id"], "iscrowd": 1}
            table["annotations"].append(row | {"segmentation": segmentation})
        table["annotations"] += [first | {"id": 2000 + k} for k in range(singles)]

    return change


CORNER = region((0, 0, 8, 6))


def behind_posts(table: dict[str, Any]) -> None:
    """All marked, each car in three pieces."""
    for row in table["annotations"]:
        row |= {"iscrowd": 1, "segmentation": region((5, 5, 15, 30), (20, 5, 30, 30), (35, 5, 45, 30)), "bbox": None}


@pytest.mark.parametrize(
    ("change", "cars", "taken", "left_out"),
    [
        (as_crowd(), 24, 24, 0),
        (as_crowd(*range(12)), 24, 12, 0),
        (as_crowd(marks=("1", True, 1.0)), 24, 24, 0),
        (as_crowd(marks=("0", False, None, 0.0)), 24, 0, 0),
        (beside(CORNER), 25, 1, 0),
        (beside(region((0, 0, 8, 6), (20, 0, 28, 6), (40, 0, 48, 6))), 24, 0, 1),
        (beside(region((0, 0, 60, 40))), 24, 0, 1),
        (beside(CORNER, singles=4), 28, 0, 1),
        (behind_posts, 24, 24, 0),
        (beside([[0, 0, 8, 0, 8, 6, 0, 6]]), 25, 1, 0),
    ],
    ids=[
        "all",
        "half",
        "words",
        "not",
        "one beside a car",
        "three pieces",
        "over a car",
        "beside many",
        "all in pieces",
        "a polygon",
    ],
)
def test_iscrowd_of_one_object_is_a_car(drawn, tmp_path, change, cars, taken, left_out):
    Writer(drawn, tmp_path).write("annotations/all.json", change=change)
    listing = read_coco(tmp_path, ClassMap())
    assert sum(len(photo.annotations) for photo in listing.photos) == cars
    counted = {"iscrowd of one object": 0, "crowd region": 0}
    for row in listing.ignored:
        counted[row["reason"]] += int(row["detail"].split(": ")[1].split(" ")[0])
    assert list(counted.values()) == [taken, left_out]
