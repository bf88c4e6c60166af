"""The whole study on photos of every source: what the data have, what stands in for the rest, and who is told.

On every push the notebooks' cells run in this process; the same by the command that make calls is slow.
"""

import json
import sys

import pytest

from carseg_lib.workflow.cli import main
from tests.e2e.test_pipeline import assert_finite
from tests.helpers import dataset_formats
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.notebooks_in_process import study_in_process
from tests.helpers.smoke_run import carseg

SMALL = "height=64 width=96 train_eval_size=4 bootstrap_samples=100"
pytestmark = pytest.mark.e2e


IN_PROCESS, BY_COMMAND = "in process", "by the real command"  # the second costs a minute: for few sources


@pytest.fixture
def study(request, monkeypatch, capsys):
    """Run the study: study(reports, *arguments, **variables) gives what the command wrote."""

    def run(reports, *arguments, **variables):
        if request.param == IN_PROCESS:
            assert study_in_process(monkeypatch, reports, *arguments, **variables) == 0, capsys.readouterr()
            return capsys.readouterr().out
        result = carseg(reports, "run", *arguments, **variables)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="module")
def class_folders(tmp_path_factory):
    return make_car_photos(tmp_path_factory.mktemp("data") / "cars", per_type=8) / "images"


@pytest.mark.parametrize("study", [IN_PROCESS, pytest.param(BY_COMMAND, marks=pytest.mark.slow)], indirect=True)
def test_class_folders_alone_are_enough_and_the_report_says_what_stands_in(class_folders, smoke_run, tmp_path, study):
    smoke_run.copied(tmp_path)
    arguments = ["--profile", "smoke", "--data", str(class_folders), "--run", "folders"]
    out = study(tmp_path, *arguments, "--set", f"{SMALL} epochs=1 pseudo_labels.source=none")
    assert "the mask loss is off" in out
    metrics = json.loads((tmp_path / "folders" / "metrics.json").read_text())
    assert metrics["data"]["masks"] == "none"
    assert metrics["data"]["boxes"] == "whole frame"
    assert metrics["splits"]["test"]["mask_ap"] is None
    page = (tmp_path / "folders" / "index.html").read_text()
    assert "whole frame" in page
    assert "mask loss is off" in page
    listed = (tmp_path / "index.html").read_text()
    assert "whole" in listed
    assert "folders" in listed


@pytest.mark.parametrize("study", [IN_PROCESS], indirect=True)
def test_class_folders_get_pseudo_masks_and_the_report_says_so(class_folders, tmp_path, study, monkeypatch, capsys):
    arguments = ["--profile", "smoke", "--data", str(class_folders), "--run", "taught"]
    study(tmp_path, *arguments, "--set", f"{SMALL} epochs=1 min_quality=0.0")
    folder = tmp_path / "taught"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["data"]["masks"] == metrics["data"]["boxes"] == "pseudo"
    assert 0 < metrics["data"]["mask_quality"] < 1
    assert metrics["splits"]["test"]["mask_ap"]["n"] > 0
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    assert {"pseudo_mask_quality", "rejected_pseudo_masks"} <= figures
    page = (folder / "index.html").read_text()
    assert "a pretrained segmenter predicted them" in page
    assert "Quality of the pseudo-masks" in (folder / "data.html").read_text()
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    assert main(["export", "--run", "taught"]) == 0, capsys.readouterr()
    files = {path.name for path in (folder / "export" / "annotations").iterdir()}
    assert files == {"instances_train.json", "instances_validation.json", "instances_test.json"}


def voc(folder):
    return dataset_formats.make_voc(folder / "voc", per_type=6), {}


def csv_table(folder):
    return dataset_formats.make_table(folder / "table", per_type=6, masks=True, splits=True), {}


def stanford(folder):
    return dataset_formats.make_devkit(folder / "stanford", per_class=6), {}


def coco_of_polygons(folder):
    """Every second mask a polygon, the types under other names."""
    place = make_car_photos(folder / "coco", per_type=6)
    for path in (place / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        for annotation in content["annotations"][::2]:
            x, y, width, height = annotation["bbox"]
            annotation["segmentation"] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        for category in content["categories"]:
            category["name"] = {"suv": "Geländewagen", "sedan": "berline"}.get(category["name"], category["name"])
        path.write_text(json.dumps(content))
    return place, {"CARSEG_CLASSES": "suv=geländewagen sedan=limousine,berline convertible minivan"}


def kaggle(folder):
    """A stand-in for kagglehub that gives what lies in a folder; Python finds it before any other."""
    place = make_car_photos(folder / "download", per_type=6) / "images"
    stub = folder / "stub" / "kagglehub"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text(
        f"def dataset_download(handle, **options):\n    return {str(place)!r}\n", encoding="utf-8"
    )
    return "kaggle:someone/cars@3", {"PYTHONPATH": str(stub.parent)}


@pytest.mark.parametrize(
    ("source", "study"),
    [
        *((source, IN_PROCESS) for source in (voc, csv_table, stanford, coco_of_polygons, kaggle)),
        *(pytest.param(source, BY_COMMAND, marks=pytest.mark.slow) for source in (stanford, kaggle)),
    ],
    indirect=["study"],
)
def test_every_source_makes_a_whole_study(source, tmp_path, study, monkeypatch):
    data, variables = source(tmp_path)
    if "PYTHONPATH" in variables:
        monkeypatch.syspath_prepend(variables["PYTHONPATH"])
        monkeypatch.delitem(sys.modules, "kagglehub", raising=False)
    arguments = ["--profile", "smoke", "--data", str(data), "--run", "source"]
    study(tmp_path / "reports", *arguments, "--set", f"{SMALL} epochs=1 min_quality=0.0", **variables)
    metrics = json.loads((tmp_path / "reports" / "source" / "metrics.json").read_text())
    assert_finite(metrics)
    assert sorted(metrics["data"]["counts"]["train"]) == ["convertible", "minivan", "sedan", "suv"]
    assert all(count > 0 for split in metrics["data"]["counts"].values() for count in split.values())
    drawn_by_hand = source in (voc, csv_table, coco_of_polygons)
    assert metrics["data"]["masks"] == ("given" if drawn_by_hand else "pseudo")
    assert metrics["data"]["boxes"] == ("pseudo" if source is kaggle else "given")
    if source is stanford:
        assert metrics["data"]["excluded"]["other type"] > 0
