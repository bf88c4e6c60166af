import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from carseg_lib.core.classes import BODY_TYPES, ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import EXCLUDED_COLUMNS, INSTANCE_COLUMNS, PHOTO_COLUMNS, SPLITS
from carseg_lib.data.fingerprint import content_fingerprint, stat_fingerprint
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import box_of_mask, decode_mask
from carseg_lib.data.names import split_of
from carseg_lib.data.photos import read_photo
from carseg_lib.data.splits import assign_splits, shared_groups, split_deviation
from tests.helpers.drawn_cars import make_car_photos

REAL = Path(__file__).parents[3] / "shared" / "data" / "stanford-cars-4"


def edit(folder: Path, change, split: str = "train") -> None:
    """Apply a function to the parsed annotation file of a split."""
    path = folder / "annotations" / f"{split}.json"
    table = json.loads(path.read_text())
    change(table)
    path.write_text(json.dumps(table))


@pytest.fixture
def cars(synthetic_cars, tmp_path) -> Path:
    """The drawn cars, to be changed."""
    return Path(shutil.copytree(synthetic_cars, tmp_path / "cars"))


@pytest.mark.parametrize(
    ("names", "body_type"),
    [
        (["suv", "SUV", "SUVs", " Suv ", "s_u-v"], "suv"),
        (["sedan", "Sedans", "SEDAN"], "sedan"),
        (["Convertible", "convertibles"], "convertible"),
        (["minivan", "Minivan", "mini-van", "Mini Van", "MINI_VANS", "Mini-Vans"], "minivan"),
        (["van", "coupe", "cabriolet", "suvv", "sedan 2", "", "train", "carsuv"], None),
    ],
)
def test_type_names(names, body_type):
    assert [ClassMap().resolve(name) for name in names] == [body_type] * len(names)


def test_split_names():
    assert {split_of(n) for n in ("train", "Training", "TRAIN", "instances_train2017", "train2014")} == {"train"}
    assert {split_of(n) for n in ("val", "valid", "Validation", "instances_val2017")} == {"validation"}
    assert {split_of(n) for n in ("test", "testing", "Test")} == {"test"}
    assert {split_of(n) for n in ("dev", "captions", "trains", "2017", "")} == {None}


def test_coco_with_splits(synthetic_cars):
    seen = []
    catalogue = load_catalogue(synthetic_cars, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(k, 24) for k in range(1, 25)]
    assert catalogue.name == "drawn-cars"
    assert catalogue.counts().values.tolist() == [[3, 2, 1]] * 4
    assert catalogue.has_masks
    assert catalogue.excluded.empty
    assert catalogue.photos["photo_id"].is_monotonic_increasing
    for part, columns in (("photos", PHOTO_COLUMNS), ("instances", INSTANCE_COLUMNS), ("excluded", EXCLUDED_COLUMNS)):
        expected = {name: str(pd.Series([], dtype=dtype).dtype) for name, dtype in columns.items()}
        assert getattr(catalogue, part).dtypes.astype(str).to_dict() == expected
    for car in catalogue.instances.itertuples():
        photo_type = car.photo_id.split("/")[1]
        assert car.body_type == photo_type
        mask = decode_mask(car.mask, 160, 240)
        assert (car.x1, car.y1, car.x2, car.y2) == box_of_mask(mask)  # x2 = x + w, so the far edge of the mask
    assert set(catalogue.instances["box_origin"]) == set(catalogue.instances["mask_origin"]) == {"given"}
    row = catalogue.photos.iloc[0]
    grey = np.asarray(read_photo(catalogue.root / row.photo_id).convert("L"))
    assert row.brightness == pytest.approx(grey.mean() / 255)


def test_one_coco_file_has_no_splits(cars):
    for place in (cars / "annotations" / "train.json", cars / "mine.json"):
        if place.name == "mine.json":
            shutil.move(cars / "annotations" / "train.json", place)
        else:
            for name in ("train", "validation", "test"):  # images/ inside annotations/ is not where it is
                assert (cars / "annotations" / f"{name}.json").exists()
            continue
        catalogue = load_catalogue(place)
        assert catalogue.root == (cars / "images").resolve()
        assert catalogue.name == "mine"
        assert set(catalogue.photos["split"]) == {""}
        assert len(catalogue.photos) == 12
    for name in ("validation", "test"):
        (cars / "annotations" / f"{name}.json").unlink()
    shutil.move(cars / "mine.json", cars / "annotations" / "all.json")
    assert set(load_catalogue(cars).photos["split"]) == {""}


def test_a_file_in_the_folder_of_annotations_finds_the_photos_beside_that_folder(cars):
    catalogue = load_catalogue(cars / "annotations" / "train.json")
    assert catalogue.root == (cars / "images").resolve()
    assert (catalogue.name, len(catalogue.photos), set(catalogue.photos["split"])) == ("train", 12, {""})


def test_photos_beside_the_annotation_file(cars):
    shutil.copy(cars / "annotations" / "train.json", cars / "images" / "train.json")
    assert load_catalogue(cars / "images" / "train.json").root == (cars / "images").resolve()


def test_every_form_of_a_mask_gives_the_same_instances(cars):
    before = load_catalogue(cars).instances

    def uncompressed(table):
        for annotation in table["annotations"]:
            mask = decode_mask(annotation["segmentation"]["counts"], 160, 240).T.ravel()
            ends = np.flatnonzero(np.diff(mask)) + 1
            runs = np.diff([0, *ends, mask.size]).tolist()
            annotation["segmentation"] = {"size": [160, 240], "counts": [0, *runs] if mask[0] else runs}

    edit(cars, uncompressed)
    pd.testing.assert_frame_equal(load_catalogue(cars).instances, before)


def test_polygons_and_boxes_from_masks(cars):
    def polygon(table):
        for annotation in table["annotations"]:
            annotation["segmentation"] = [[10, 20, 110, 20, 110, 70, 10, 70], [120, 20, 130, 20, 130, 25, 120, 25]]
            annotation["bbox"] = [10, 20, 120, 50]
        del table["annotations"][0]["bbox"]
        table["annotations"][1]["bbox"] = []

    edit(cars, polygon)
    cars_ = load_catalogue(cars).instances
    first = cars_[cars_["photo_id"].str.startswith("train/")].sort_values("box_origin", ascending=False)
    assert first["box_origin"].tolist() == ["mask", "mask", *["given"] * 10]
    assert first.iloc[0][["x1", "y1", "x2", "y2"]].tolist() == [10, 20, 130, 70]
    assert decode_mask(first.iloc[0]["mask"], 160, 240).sum() == 100 * 50 + 10 * 5


def test_without_masks_boxes_are_given_or_the_whole_frame(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 3, with_masks=False)
    edit(folder, lambda table: table["annotations"][0].pop("bbox"))
    catalogue = load_catalogue(folder)
    assert not catalogue.has_masks
    assert catalogue.instances["box_origin"].value_counts().to_dict() == {"given": 11, "whole frame": 1}
    whole = catalogue.instances.query("box_origin == 'whole frame'").iloc[0]
    assert whole[["x1", "y1", "x2", "y2"]].tolist() == [0, 0, 240, 160]
    assert (catalogue.instances["mask"] == "").all()


def test_a_photo_of_two_cars_has_the_type_of_the_larger(cars):
    def second_car(table):
        first = table["annotations"][0]
        small = dict(first, id=900, category_id=first["category_id"] % 4 + 1, bbox=[1, 1, 5, 5])
        small["segmentation"] = [[1, 1, 6, 1, 6, 6, 1, 6]]
        table["annotations"].insert(0, small)

    before = load_catalogue(cars)
    edit(cars, second_car)
    after = load_catalogue(cars)
    assert len(after.instances) == len(before.instances) + 1
    pd.testing.assert_frame_equal(after.photos, before.photos)
    assert after.fingerprint != before.fingerprint


def test_boxes_at_the_edge_are_cut_there(cars):
    polygon = [-10.5, -3, 289.5, -3, 289.5, 47.25, -10.5, 40]
    change = {"bbox": [-10.5, -3, 300, 50.25], "segmentation": [polygon]}
    edit(cars, lambda table: table["annotations"][0].update(change))
    catalogue = load_catalogue(cars)
    cut = catalogue.instances.iloc[catalogue.instances["x1"].argmin()]
    assert cut[["x1", "y1", "x2", "y2"]].tolist() == [0, 0, 240, 47.25]
    assert catalogue.excluded[["reason", "detail"]].values.tolist() == [
        [
            "cut at the photo's edge",
            f"1 photo; the first: {cut.photo_id}, the label of the suv reaches 49.5 pixels beyond it",
        ]
    ]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("drawn_on", ["stored", "seen"])
def test_exif_rotation_turns_boxes_and_masks_where_they_were_drawn_on_the_stored_photo(cars, orientation, drawn_on):
    """The car's own colour tells whether box and mask still lie on it."""
    height, width = 40, 60
    stored = np.zeros((height, width, 3), dtype=np.uint8)
    stored[5:15, 10:40] = 250
    stored[15:20, 30:40] = 250  # no symmetry
    exif = Image.Exif()
    exif[0x0112] = orientation

    def rotate(table):
        image, annotation = table["images"][0], table["annotations"][0]
        path = cars / "images" / image["file_name"]
        Image.fromarray(stored).save(path, exif=exif, quality=100, subsampling=0)
        frame = stored if drawn_on == "stored" else np.asarray(read_photo(path))
        mask = frame[..., 0] > 120
        x1, y1, x2, y2 = box_of_mask(mask)
        image.update(width=mask.shape[1], height=mask.shape[0])
        annotation["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        flat = mask.T.ravel()
        runs = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
        annotation["segmentation"] = {"size": list(mask.shape), "counts": runs}

    edit(cars, rotate)
    catalogue = load_catalogue(cars)
    photo = catalogue.photos[catalogue.photos["width"] != 240].iloc[0]
    car = catalogue.instances[catalogue.instances["photo_id"] == photo.photo_id].iloc[0]
    seen = np.asarray(read_photo(catalogue.root / photo.photo_id))[..., 0] > 120
    mask = decode_mask(car["mask"], photo.height, photo.width)
    if drawn_on == "seen" or orientation >= 5:
        np.testing.assert_array_equal(mask, seen)
        assert (car.x1, car.y1, car.x2, car.y2) == box_of_mask(seen)
    else:  # 2 to 4 keep the size, so nothing tells where the mask was drawn: the photo as seen is the rule
        np.testing.assert_array_equal(mask, stored[..., 0] > 120)


@pytest.mark.parametrize("layout", ["folder", "folder-splits"])
def test_folders(tmp_path, layout):
    catalogue = load_catalogue(make_car_photos(tmp_path / "kaggle", 3, layout=layout))
    assert catalogue.name == "kaggle"
    assert not catalogue.has_masks
    assert set(catalogue.photos["split"]) == ({""} if layout == "folder" else set(SPLITS))
    assert catalogue.counts().sum(axis=1).tolist() == [3] * 4
    assert set(catalogue.instances["box_origin"]) == {"whole frame"}
    assert set(catalogue.instances["mask_origin"]) == {"none"}
    assert catalogue.instances[["x1", "y1", "x2", "y2"]].drop_duplicates().values.tolist() == [[0, 0, 240, 160]]


def test_folder_names_and_endings_are_tolerated_and_the_rest_is_listed(tmp_path):
    folder = make_car_photos(tmp_path / "kaggle", 4, layout="folder-splits")
    (folder / "validation").rename(folder / "Val")
    (folder / "train" / "minivan").rename(folder / "train" / "Mini-Vans")
    photo = next((folder / "train" / "suv").iterdir())
    for name in ("b.JPEG", "c.png", "d.webp", "e.bmp"):
        Image.open(photo).save(photo.with_name(name))
    (folder / "train" / "suv" / "deeper").mkdir()
    shutil.copy(photo, folder / "train" / "suv" / "deeper" / "x.jpg")
    for place in ("train/pickup", "train/__MACOSX", ".hidden/suv", "extra/suv"):
        (folder / place).mkdir(parents=True)
        shutil.copy(photo, folder / place / "x.jpg")
    shutil.copy(photo, folder / "train" / "pickup" / "y.jpg")
    shutil.copy(photo, folder / "train" / "suv" / "._x.jpg")
    (folder / "train" / "suv" / "old.tiff").touch()
    (folder / "train" / "suv" / "notes.txt").touch()
    catalogue = load_catalogue(folder)
    assert catalogue.counts()["train"].tolist() == [2 + 5, 2, 2, 2]
    assert catalogue.counts()["validation"].tolist() == [1] * 4
    assert catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist() == [
        ["train/suv/old.tiff", "other format", ".tiff is not read"],
        ["extra/suv/", "other type", "1 photos"],
        ["train/pickup/", "other type", "2 photos"],
        ["./", "other file", "1 .txt files among the photos, not read; the first: train/suv/notes.txt"],
    ]


def test_reading_twice_gives_the_same(synthetic_cars):
    first, second = load_catalogue(synthetic_cars), load_catalogue(synthetic_cars)
    for part in ("photos", "instances", "excluded"):
        pd.testing.assert_frame_equal(getattr(first, part), getattr(second, part))
    assert first.fingerprint == second.fingerprint


def test_the_fingerprint_does_not_depend_on_the_place(synthetic_cars, cars):
    assert load_catalogue(cars).fingerprint == load_catalogue(synthetic_cars).fingerprint


def test_drawn_cars_are_the_same_for_the_same_seed(tmp_path):
    once, again, other = (make_car_photos(tmp_path / n, 3, seed=s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    assert content_fingerprint(once) == content_fingerprint(again) != content_fingerprint(other)


def test_signatures(cars, tmp_path):
    copy = Path(shutil.copytree(cars, tmp_path / "copy"))  # keeps the times
    assert stat_fingerprint(cars) == stat_fingerprint(copy)
    assert content_fingerprint(cars) == content_fingerprint(copy)
    photo = sorted((copy / "images").rglob("*.jpg"))[0]
    os.utime(photo, ns=(0, 123))
    assert stat_fingerprint(copy) != stat_fingerprint(cars)
    assert content_fingerprint(copy) == content_fingerprint(cars)
    photo.write_bytes(photo.read_bytes() + b"x")
    assert content_fingerprint(copy) != content_fingerprint(cars)
    before = stat_fingerprint(cars)
    (cars / ".DS_Store").touch()
    assert stat_fingerprint(cars) == before
    (cars / "images" / "new.jpg").touch()
    assert stat_fingerprint(cars) != before


def test_the_signature_of_an_annotation_file_covers_its_photos(cars):
    shutil.copy(cars / "annotations" / "train.json", cars / "mine.json")
    before = stat_fingerprint(cars / "mine.json")
    os.utime(next((cars / "images" / "train").rglob("*.jpg")), ns=(0, 123))
    changed = stat_fingerprint(cars / "mine.json")
    assert changed != before
    os.utime(cars / "mine.json", ns=(0, 123))
    assert stat_fingerprint(cars / "mine.json") not in (before, changed)


def test_the_signature_of_an_annotation_file_covers_no_other_file(cars):
    place = cars / "annotations" / "train.json"
    quick, content = stat_fingerprint(place), content_fingerprint(place)
    (cars / "thesis.pdf").write_bytes(b"x")
    (cars / "images" / "holiday.jpg").write_bytes(b"x")
    os.utime(cars / "annotations" / "test.json", ns=(0, 123))
    assert (stat_fingerprint(place), content_fingerprint(place)) == (quick, content)
    photo = next((cars / "images" / "train").rglob("*.jpg"))
    photo.write_bytes(photo.read_bytes() + b"x")
    assert stat_fingerprint(place) != quick
    assert content_fingerprint(place) != content
    photo.unlink()
    assert content_fingerprint(place) != content


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"images": 3}', '{"images": [3]}', '{"images": [{"file_name": "a\\u0000/../b"}]}']
)
def test_a_broken_annotation_file_has_a_signature(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    assert len({stat_fingerprint(tmp_path / "a.json"), content_fingerprint(tmp_path / "a.json")}) == 2


def test_files_that_cannot_be_read_do_not_stop_a_signature(cars, monkeypatch):
    quick, content = stat_fingerprint(cars), content_fingerprint(cars)
    photo = next((cars / "images").rglob("*.jpg"))

    def refuse(method):
        def refusing(self, *arguments, **named):
            if self == photo:
                raise PermissionError(13, "Permission denied", str(self))
            return method(self, *arguments, **named)

        return refusing

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse(Path.open))
        unreadable = content_fingerprint(cars)
        assert unreadable == content_fingerprint(cars) != content
        patch.setattr(Path, "stat", refuse(Path.stat))  # it vanished between listing and reading
        assert stat_fingerprint(cars) != quick
    assert content_fingerprint(cars) == content
    photo.unlink()
    assert content_fingerprint(cars) not in (content, unreadable)


def test_signing_needs_no_heavy_import():
    import subprocess
    import sys

    code = (
        "import sys, carseg_lib.data.fingerprint;print(sorted({'pandas', 'numpy', 'torch', 'PIL'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"


def test_the_real_photographs():
    if not REAL.is_dir():
        pytest.skip("the real photographs (shared/data/stanford-cars-4) are not on this machine")
    catalogue = load_catalogue(REAL)
    assert catalogue.excluded.empty
    assert len(catalogue.photos) == len(catalogue.instances) == 3323
    assert catalogue.counts().to_dict("list") == {
        "train": [633, 804, 409, 105],
        "validation": [368, 469, 239, 62],
        "test": [76, 96, 49, 13],
    }
    assert catalogue.counts().sum().tolist() == [1951, 1138, 234]
    assert catalogue.has_masks
    assert catalogue.size_table()[["width", "height", "photos"]].values.tolist() == [[240, 160, 3323]]
    assert list(catalogue.counts().index) == list(BODY_TYPES)


def test_missing_splits_do_not_stop_a_folder(cars):
    (cars / "annotations" / "validation.json").unlink()
    assert set(load_catalogue(cars).photos["split"]) == {"train", "test"}
    shutil.copy(cars / "annotations" / "test.json", cars / "annotations" / "captions.json")
    assert load_catalogue(cars).excluded.values.tolist() == [
        ["annotations/captions.json", "", "", "other file", "not named train, validation or test"]
    ]
    (cars / "annotations" / "train.json").rename(cars / "annotations" / "one.json")
    (cars / "annotations" / "test.json").rename(cars / "annotations" / "two.json")
    with pytest.raises(CarsegError, match=r"none of captions.json, one.json, two.json is named train, validation"):
        load_catalogue(cars)


def test_groups_of_coco_annotations(cars):
    def name_groups(table):
        of_photo = [
            {"model": "Audi S4 Sedan 2012"},
            {"model": "Audi S4 Sedan 2007"},
            {"attributes": {"model": "Audi S4 Sedan", "occluded": False}},
            {"group": "crossing 2012", "model": "Audi S4 Sedan 2012"},
            {"attributes": {"group": 7}},
            {"group": None, "model": ""},
            {"attributes": "none"},
        ]
        for annotation, keys in zip(table["annotations"], of_photo, strict=False):
            annotation |= keys

    edit(cars, name_groups)
    table = json.loads((cars / "annotations" / "train.json").read_text())
    of_id = {image["id"]: image["file_name"] for image in table["images"]}
    photos = load_catalogue(cars).photos.set_index("photo_id")["group"]
    named = [photos[of_id[annotation["image_id"]]] for annotation in table["annotations"]]
    assert named == ["Audi S4 Sedan"] * 3 + ["crossing 2012", "7"] + [""] * 7
    assert photos[photos != ""].size == 5

    def wrong(table):
        table["annotations"][0]["group"] = ["a", "b"]

    edit(cars, wrong)
    with pytest.raises(
        CarsegError, match=r"train.json: the group of the annotation with id \d+ is .*, not a text; name"
    ):
        load_catalogue(cars)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the photographs are not in the repository")
def test_photographs_with_models_have_the_fingerprint_that_the_reference_names():
    catalogue = assign_splits(load_catalogue(REAL), 0)
    reference = json.loads((Path(__file__).parents[2] / "reports/reference/quick--stanford-cars-4.json").read_text())
    assert catalogue.fingerprint == reference["data"]["fingerprint"]
    models = catalogue.photos.groupby("body_type")["group"].nunique()
    assert models.to_dict() == {"convertible": 26, "minivan": 5, "sedan": 45, "suv": 33}
    assert shared_groups(catalogue.photos) == 109
    divided = assign_splits(catalogue, 0, "group")
    assert shared_groups(divided.photos) == 0
    assert split_deviation(divided.counts().drop("minivan")) < 0.04
