"""YOLO beside ours: the files it reads, the files it writes, and a stand-in of its command for the rest."""

import os
import sys

import numpy as np
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import decode_mask, mask_iou
from carseg_lib.experiments.benchmark import yolo
from tests.helpers.small_run import small_run, with_dataset

# A stand-in of the command `yolo` with the same arguments, which predicts each photo's label.
STAND_IN = """#!{python}
import pathlib, shutil, sys
given = dict(word.split("=", 1) for word in sys.argv[3:])
folder = pathlib.Path(given["project"]) / given["name"]
folder.mkdir(parents=True, exist_ok=True)
if sys.argv[2] == "train":
    assert given["model"] == "yolo11n-seg.yaml" and float(given["time"]) > 0
    assert given["device"] == "cpu"  # the real one refuses an empty device
    assert "0: suv" in pathlib.Path(given["data"]).read_text()
    (folder / "weights").mkdir()
    (folder / "weights" / "last.pt").write_text("weights")
    (folder / "results.csv").write_text("epoch, time\\n1, 2.5\\n2, 5.0\\n")
else:
    assert pathlib.Path(given["model"]).read_text() == "weights"
    (folder / "labels").mkdir()
    for path in (pathlib.Path(given["source"]).parent / "labels").glob("*.txt"):
        lines = [f"{{line}} 0.9" for line in path.read_text().splitlines()]
        (folder / "labels" / path.name).write_text("\\n".join(lines))
"""


@pytest.fixture
def run(monkeypatch, tmp_path, synthetic_cars):
    return small_run(monkeypatch, tmp_path, synthetic_cars, weights="none")


def install(monkeypatch, tmp_path, script):
    place = tmp_path / "bin"
    place.mkdir()
    (place / "yolo").write_text(script.format(python=sys.executable))
    (place / "yolo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")


def test_labels_are_outlines_that_give_the_masks_back(run, tmp_path):
    dataset = with_dataset(run).split("validation")
    yolo.write_split(tmp_path / "part", dataset, dataset.photos)
    pictures = sorted((tmp_path / "part" / "images").iterdir())
    assert [p.resolve() for p in pictures] == [(dataset.root / i).resolve() for i in dataset.photos.photo_id]
    for path in (tmp_path / "part" / "labels").iterdir():
        path.write_text("".join(f"{line} 0.8\n" for line in path.read_text().splitlines()))
    found = yolo.read_detections(tmp_path / "part" / "labels", dataset.photos, dataset.body_types)
    assert len(found) == len(dataset.instances) and (found.score == 0.8).all()
    truth = dataset.instances.set_index("photo_id")
    for one in found.itertuples():
        overlaps = [
            mask_iou(decode_mask(one.mask, 160, 240), decode_mask(mask, 160, 240))
            for mask in truth.loc[[one.photo_id], "mask"]
        ]
        assert max(overlaps) > 0.9


def test_an_empty_mask_has_no_outline():
    assert yolo.largest_outline(np.zeros((5, 5), bool)).shape == (0, 2)


def test_it_is_trained_and_measured_as_a_program(run, tmp_path, monkeypatch, log):
    install(monkeypatch, tmp_path, STAND_IN)
    assert yolo.is_installed()
    quality = yolo.train_yolo(run.config, with_dataset(run), 5.0, tmp_path / "yolo")
    assert (quality.epochs, quality.seconds, quality.accuracy) == (2, 5.0, 1.0)
    assert quality.mask_ap > 0.7 and any("5 s of training" in line for line in log.messages)


def test_its_failure_is_one_line(run, tmp_path, monkeypatch):
    install(monkeypatch, tmp_path, "#!/bin/sh\necho 'no such model' >&2\nexit 1\n")
    with pytest.raises(CarsegError, match="yolo failed: no such model; take it off the PATH"):
        yolo.train_yolo(run.config, with_dataset(run), 5.0, tmp_path / "yolo")


def test_without_it_nothing_is_run(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not yolo.is_installed()
