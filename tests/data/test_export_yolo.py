"""YOLO as it is exported: read back, the same cars; what it cannot hold is refused or counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import BACKGROUND_COLUMNS, REJECTED_COLUMNS, Catalogue, table
from carseg_lib.data.export import export, read_format
from carseg_lib.data.export_yolo import _flat_names
from carseg_lib.data.loader import load_catalogue
from carseg_lib.workflow.cli import main
from tests.helpers.small_run import small_run, with_dataset

BOX = ["x1", "y1", "x2", "y2"]


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    run = small_run(monkeypatch, tmp_path / "reports", synthetic_cars)
    with_dataset(run)
    files.write_csv(run.rejected_masks, table([], REJECTED_COLUMNS))
    return run


def some_without_a_car(run) -> Catalogue:
    """Takes the labels of every fifth photo away, as if it showed no car."""
    dataset = Catalogue.load(run.dataset)
    chosen = dataset.photos["photo_id"].isin(dataset.photos["photo_id"][::5])
    rest = dataset.instances["photo_id"].isin(dataset.photos.loc[~chosen, "photo_id"])
    dataset = replace(
        dataset,
        photos=dataset.photos[~chosen].reset_index(drop=True),
        instances=dataset.instances[rest].reset_index(drop=True),
        background=dataset.photos.loc[chosen, list(BACKGROUND_COLUMNS)].reset_index(drop=True),
    )
    dataset.save(run.dataset)
    return dataset


@pytest.mark.parametrize("form", ["yolo", "yolo-boxes"])
def test_what_is_exported_is_read_back_as_it_was(run, tmp_path, form):
    dataset = some_without_a_car(run)
    lines = export(run.dataset, run.rejected_masks, tmp_path / "out", form)
    cars, carless = len(dataset.photos), len(dataset.background)
    assert lines == [f"{cars} photos with {cars} cars, and {carless} without a car, without an annotation"]
    export(run.dataset, run.rejected_masks, tmp_path / "out", form)  # over itself
    again = load_catalogue(tmp_path / "out", unlabelled="background")
    assert again.excluded.empty and again.has_masks == (form == "yolo")
    order = dataset.photos.sort_values("file_sha256")["photo_id"]
    names = dict(zip(again.photos.sort_values("file_sha256")["photo_id"], order, strict=True))
    found = again.instances.assign(photo_id=again.instances["photo_id"].map(names)).sort_values("photo_id")
    np.testing.assert_allclose(found[BOX], dataset.instances[BOX], atol=1e-3)
    assert found["body_type"].tolist() == dataset.instances["body_type"].tolist()
    assert form != "yolo" or found["mask"].tolist() == dataset.instances["mask"].tolist()
    splits = again.photos.assign(photo_id=again.photos["photo_id"].map(names)).sort_values("photo_id")["split"]
    assert splits.tolist() == dataset.photos["split"].tolist()
    assert sorted(again.background["file_sha256"]) == sorted(dataset.background["file_sha256"])
    described = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert described["names"] == dict(enumerate(dataset.body_types)) and described["val"] == "images/val"


def test_rejected_photos_stay_out_and_are_counted(run, tmp_path):
    dataset = Catalogue.load(run.dataset)
    car = dataset.instances.iloc[0].to_dict() | {"split": "train", "reason": "low", "detail": ""}
    files.write_csv(run.rejected_masks, table([car], REJECTED_COLUMNS))
    dataset.without(pd.Series([car["photo_id"]]), "low", pd.Series([""])).save(run.dataset)
    lines = export(run.dataset, run.rejected_masks, tmp_path / "out", "yolo")
    assert lines[1] == "1 photos that were left out for their pseudo-masks stay out: YOLO cannot mark them"
    assert len(list((tmp_path / "out" / "images").rglob("*.jpg"))) == len(dataset.photos) - 1


def test_masks_of_some_cars_are_refused_and_their_boxes_written(run, tmp_path):
    dataset = Catalogue.load(run.dataset)
    cars = dataset.instances.copy()
    cars.loc[::2, ["mask", "mask_origin"]] = ["", "none"]
    replace(dataset, instances=cars).save(run.dataset)
    with pytest.raises(CarsegError, match="some cars have masks and others none"):
        export(run.dataset, run.rejected_masks, tmp_path / "out", "yolo")
    assert not (tmp_path / "out").exists()
    export(run.dataset, run.rejected_masks, tmp_path / "out", "yolo-boxes")
    assert len(load_catalogue(tmp_path / "out").instances) == len(dataset.instances)


def test_no_two_photos_have_one_label_file():
    names = ["a/x.jpg", "a/x.png", "a__x.jpg", "A/X.JPG", "b.jpg", f"{'ä' * 120}/{'ö' * 60}.jpg"]
    flat = _flat_names(names)
    assert len({name.rpartition(".")[0].casefold() for name in flat.values()}) == len(names)
    assert flat["b.jpg"] == "b.jpg" and flat["a/x.jpg"] == "a__x_" + files.sha256_text("a/x.jpg")[:12] + ".jpg"
    assert max(len(name.encode()) for name in flat.values()) <= 200


def test_the_command_names_formats_and_protects_other_folders(run, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["export", "--run", run.name, "--out", str(out), "--set", "format=yolo"]) == 0, capsys.readouterr()
    photos = len(Catalogue.load(run.dataset).photos)
    assert f"{photos} photos with {photos} cars" in capsys.readouterr().out
    assert main(["export", "--run", run.name, "--out", str(out)]) == 2
    assert "holds an export of another format (labels/)" in capsys.readouterr().err
    (tmp_path / "mine" / "images").mkdir(parents=True)
    with pytest.raises(CarsegError, match="not of an export"):
        export(run.dataset, run.rejected_masks, tmp_path / "mine", "yolo")
    (tmp_path / "mine" / "data.yaml").write_text("names: [suv]\n")  # a person's own YOLO set
    with pytest.raises(CarsegError, match="images: not of an export"):
        export(run.dataset, run.rejected_masks, tmp_path / "mine", "yolo")
    assert (tmp_path / "mine" / "data.yaml").read_text() == "names: [suv]\n"
    for text, words in (
        ("format=yollo", "none of coco, coco-rle, yolo, yolo-boxes"),
        ("epochs=3", "no setting 'epochs'"),
    ):
        assert main(["export", "--run", run.name, "--set", text]) == 2
        assert words in capsys.readouterr().err
    assert read_format({}) == "coco"
