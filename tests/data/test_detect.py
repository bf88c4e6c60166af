"""Which source a folder is for, CLASSES=folders, other types end to end, and sets that are small or lopsided."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import name_of
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.masks import decode_mask
from carseg_lib.data.names import inside
from carseg_lib.data.splits import assign_splits
from tests.helpers.dataset_formats import make_devkit, make_table, make_voc
from tests.helpers.drawn_cars import make_car_photos


def test_every_kind_of_data_is_known_by_what_lies_there(tmp_path):
    make_car_photos(tmp_path / "coco", 3)
    make_car_photos(tmp_path / "folder", 3, layout="folder")
    make_voc(tmp_path / "voc")
    make_table(tmp_path / "table")
    make_devkit(tmp_path / "devkit")
    said = {path.name: detect_and_list(path).source for path in tmp_path.iterdir()}
    assert said == {
        "coco": "COCO annotations",
        "folder": "type folders",
        "voc": "VOC annotations",
        "table": "CSV table",
        "devkit": "Stanford Cars",
    }


def test_two_kinds_in_one_folder_are_refused_and_one_of_their_files_is_not(tmp_path):
    folder = make_table(tmp_path / "cars")
    make_voc(folder)
    with pytest.raises(CarsegError) as caught:
        detect_and_list(folder)
    assert str(caught.value) == (
        f"{folder}: has VOC annotations (Annotations/*.xml) and CSV table (photos.csv), and it is not clear which to "
        "use; take one of them out of the folder, or say which: FORMAT=voc or FORMAT=csv"
    )
    assert len(detect_and_list(folder / "photos.csv").photos) == 12


def test_a_table_of_photos_in_type_folders_is_a_table(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 3, layout="folder")
    photos = sorted(folder.rglob("*.jpg"))
    rows = [f"{p.relative_to(folder).as_posix()},{p.parent.name}" for p in photos]
    (folder / "photos.csv").write_text("\n".join(["photo,type", *rows]))
    assert detect_and_list(folder).source == "CSV table"


def test_coco_categories_go_through_the_types(tmp_path):
    folder = make_car_photos(tmp_path / "coco", 3)
    for path in (folder / "annotations").iterdir():
        table = json.loads(path.read_text())
        names = ("Geländewagen", "Limousine", "Cabrio", "Van")
        for category, name in zip(table["categories"], names, strict=True):
            category["name"] = name
        for k, one in enumerate(table["annotations"]):
            counts = one["segmentation"]["counts"]
            if k % 2:  # every other mask as a polygon around its box
                x, y, w, h = one["bbox"]
                one["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            elif k % 4 == 0:  # and some as plain run lengths
                flat = decode_mask(counts, 160, 240).T.ravel()
                runs, last, length = [], False, 0
                for pixel in flat:
                    if pixel != last:
                        runs.append(length)
                        last, length = pixel, 0
                    length += 1
                one["segmentation"] = {"size": [160, 240], "counts": [*runs, length]}
        path.write_text(json.dumps(table))
    types = ClassMap(("suv", "sedan", "open"), (("geländewagen",), ("limousine",), ("cabrio",)), ("van",))
    catalogue = load_catalogue(folder, types)
    assert catalogue.body_types == ("suv", "sedan", "open")
    assert catalogue.counts().values.tolist() == [[1, 1, 1]] * 3
    assert catalogue.has_masks
    rows = catalogue.excluded[["photo_id", "reason", "detail"]].values.tolist()
    assert ["train.json", "left out", "Van: 1 annotations"] in rows
    with pytest.raises(
        CarsegError, match=r"no category is bus or truck \(found: Cabrio, Geländewagen, Limousine, Van\)"
    ):
        detect_and_list(folder, ClassMap.parse("bus truck"))


@pytest.mark.parametrize("layout", ["folder", "folder-splits"])
def test_every_type_folder_is_a_type(tmp_path, layout):
    folder = make_car_photos(tmp_path / "cars", 6, layout=layout)
    places = [folder] if layout == "folder" else list(folder.iterdir())
    for place in places:
        (place / "suv").rename(place / "Kei Car 軽")
        (place / "__MACOSX").mkdir()
        shutil.copy(next((place / "sedan").iterdir()), place / "__MACOSX" / "x.jpg")
    catalogue = load_catalogue(folder, ClassMap.parse("folders"))
    assert catalogue.body_types == ("convertible", "Kei Car 軽", "minivan", "sedan")
    assert catalogue.counts().sum(axis=1).tolist() == [6] * 4
    assert catalogue.excluded.empty  # __MACOSX is made by a system
    divided = assign_splits(catalogue, 0)
    catalogue.save(tmp_path / "saved")
    assert type(catalogue).load(tmp_path / "saved").body_types == catalogue.body_types
    assert divided.counts().shape == (4, 3)


def test_folders_are_for_type_folders_alone(tmp_path):
    with pytest.raises(CarsegError, match=r"CLASSES=folders is for photos in type folders, these have VOC annotations"):
        detect_and_list(make_voc(tmp_path / "voc"), ClassMap.parse("folders"))


def test_other_types_give_other_fingerprints_in_their_order(tmp_path):
    folder = make_car_photos(tmp_path / "cars", 3, layout="folder")
    texts = ("suv sedan", "sedan suv", "suv=sedan minivan=convertible", "")
    catalogues = [load_catalogue(folder, ClassMap.parse(text)) for text in texts]
    assert len({catalogue.fingerprint for catalogue in catalogues}) == 4
    assert catalogues[0].excluded[["photo_id", "reason", "detail"]].values.tolist() == [
        ["convertible/", "other type", "3 photos"],
        ["minivan/", "other type", "3 photos"],
    ]
    with pytest.raises(CarsegError, match=r"no photos in folders named bus or truck \(folders with photos: conv"):
        load_catalogue(folder, ClassMap.parse("bus truck"))
    with pytest.raises(CarsegError, match=r"bus has 0 photos, 3 are needed.*\(found: suv 3, bus 0\)"):
        load_catalogue(folder, ClassMap.parse("suv bus"))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(3, 60), min_size=2, max_size=4))
def test_small_and_lopsided_sets_are_divided_with_a_warning_and_no_crash(tmp_path_factory, numbers):
    types = ("suv", "sedan", "convertible", "minivan")[: len(numbers)]
    folder = make_car_photos(
        tmp_path_factory.mktemp("few") / "cars", dict(zip(types, numbers, strict=True)), (24, 16), layout="folder"
    )
    catalogue = load_catalogue(folder, ClassMap.parse(" ".join(types)))
    divided = assign_splits(catalogue, 0)
    counts = divided.counts()
    assert (counts > 0).all(axis=None)
    assert counts.to_numpy().sum() + len(divided.excluded) == sum(numbers)
    few = {t: n for t, n in counts["train"].items() if n < 30}
    assert [warning.split(" has ")[0] for warning in divided.warnings()] == list(few)
    for warning, n in zip(divided.warnings(), few.values(), strict=True):
        assert f"has {n} training photos: fewer than 30 are too few to learn a type well" in warning


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("./a//b.jpg", "a/b.jpg"),
        ("a\\b.jpg", "a/b.jpg"),
        *[(bad, None) for bad in ("/a.jpg", "../a.jpg", "a/../b.jpg", "C:\\a.jpg", "a\nb.jpg", "", ".", "a\0.jpg")],
    ],
)
def test_paths_stay_inside(name, expected):
    assert inside(name) == expected


def test_names_of_data_sets(tmp_path):
    kept = tmp_path / "datasets" / "someone" / "cars" / "versions" / "3" / "data"
    kept.mkdir(parents=True)
    assert name_of(kept) == name_of(kept.parent) == "cars@3"
    (kept / "mine.csv").touch()
    assert name_of(kept / "mine.csv") == "cars@3"
    assert name_of(tmp_path) == tmp_path.name
