"""The whole study by the command that make calls, on drawn photos with the smoke profile, and what it leaves."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from carseg_lib.workflow import reference as verify
from tests.helpers import dataset_formats
from tests.helpers.browser import Visit
from tests.helpers.drawn_cars import make_car_photos

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ["01_data_exploration", "02_preprocessing", "03_training", "04_evaluation"]
pytestmark = pytest.mark.study


def carseg(reports: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARSEG_")}
    environment |= {"CARSEG_REPORTS": str(reports)} | variables
    command = [sys.executable, "-m", "carseg_lib", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = make_car_photos(tmp_path_factory.mktemp("data") / "drawn <cars> & more", per_type=24)
    (folder / "images" / "train" / "suv" / "00001.jpg").write_bytes(b"")  # 1 of 96: left out, listed, counted
    return folder


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def done(data, reports):
    result = carseg(reports, "run", "--profile", "smoke", "--data", str(data), "--run", "whole")
    assert result.returncode == 0, result.stdout + result.stderr
    return reports / "whole", result


def finite(value: object, path: str = "") -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            finite(part, f"{path}.{name}")
    elif isinstance(value, float):
        assert math.isfinite(value), path


def test_terminal_tells_notebooks_epochs_and_time_left(done):
    _, result = done
    for number, name in enumerate([*NOTEBOOKS, "report"], start=1):
        assert f"[{number}/5] {name}" in result.stdout
    epochs = re.findall(
        r"epoch \d/2: train loss [\d.]+ \(objectness .*validation accuracy [\d.]+% .* left", result.stdout
    )
    assert len(epochs) == 2
    assert "Warning" not in result.stdout + result.stderr


def test_metrics_are_complete_finite_and_agree_with_the_predictions(done):
    folder, _ = done
    metrics = json.loads((folder / "metrics.json").read_text())
    finite(metrics)
    predictions = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    assert set(predictions.split) == {"train", "validation", "test"}
    for split in ("train", "validation", "test"):
        scores = metrics["splits"][split]
        part = predictions[predictions.split == split]
        assert scores["accuracy"]["n"] == len(part) > 0
        assert scores["accuracy"]["value"] == pytest.approx((part.predicted == part.body_type).mean())
        for name in ("macro_precision", "macro_recall", "macro_f1", "box_ap", "mask_ap", "mask_iou"):
            assert 0 <= scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"] <= 1
    assert metrics["data"]["excluded"] == {"empty file": 1}
    assert metrics["data"]["masks"] == "given"
    history = pd.read_csv(folder / "history.csv")
    assert len(history) == 2 and history.train_loss.iloc[1] < history.train_loss.iloc[0]


def test_notebooks_were_executed_whole_and_hold_no_path_of_the_machine(done, data):
    folder, _ = done
    for name in NOTEBOOKS:
        text = (folder / "notebooks" / f"{name}.ipynb").read_text()
        cells = [cell for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
        assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
        page = (folder / "notebooks" / f"{name}.html").read_text()
        for content in (text, page):
            assert (
                str(ROOT) not in content
                and str(data.parent) not in content
                and str(folder.parent) not in content
            )


def test_everything_the_report_needs_is_there(done):
    folder, _ = done
    names = {path.name for path in folder.iterdir()}
    assert {"index.html", "classification_report.csv", "classification_report.md", "provenance.json"} <= names
    figures = {path.stem for path in (folder / "figures").glob("*.png")}
    assert {
        "confusion_validation",
        "loss_curves",
        "table_bars_test",
        "misclassified_test",
        "mask_comparison_test",
    } <= figures
    provenance = json.loads((folder / "provenance.json").read_text())
    assert [step["name"] for step in provenance["steps"]] == NOTEBOOKS
    assert provenance["seed"] == 0 and len(provenance["weights"]["sha256"]) == 64
    assert all(step["seconds"] > 0 for step in provenance["steps"])
    assert (folder.parent / "index.html").is_file()


@pytest.mark.browser
def test_the_page_opens_in_a_browser_alone_and_escapes_the_data_sets_name(done, browser):
    folder, _ = done
    visit = Visit(browser, folder / "index.html")
    assert visit.requests == [(folder / "index.html").as_uri()] and visit.complaints == []
    assert (
        visit.page.evaluate("[...document.images].every(i => i.naturalWidth > 0) && document.images.length")
        > 15
    )
    text = visit.page.inner_text("body")
    assert "drawn <cars> & more" in text and "empty file" in text and "91.2" in text


def test_a_second_call_does_nothing_and_a_setting_only_what_depends_on_it(done, data):
    folder, _ = done
    before = (folder / "metrics.json").read_bytes(), (folder / "model" / "best.pt").read_bytes()
    arguments = ["run", "--profile", "smoke", "--data", str(data), "--run", "whole"]
    again = carseg(folder.parent, *arguments)
    assert again.returncode == 0 and "nothing to be done" in again.stdout.lower()
    assert (folder / "metrics.json").read_bytes() == before[0]
    changed = carseg(folder.parent, *arguments, "--set", "bootstrap_samples=300")
    assert changed.returncode == 0, changed.stderr
    assert re.findall(r"\] (\S+) \(", changed.stdout) == ["04_evaluation", "report"]
    assert (folder / "model" / "best.pt").read_bytes() == before[1]
    values = [
        json.loads(text)["splits"]["test"]["accuracy"]
        for text in (before[0], (folder / "metrics.json").read_bytes())
    ]
    assert values[0]["value"] == values[1]["value"]


def test_a_run_equals_its_own_reference_and_not_a_worse_one(done, tmp_path):
    folder, _ = done
    path = verify.write_reference(folder, tmp_path)
    assert verify.mismatches(verify.compare_run(folder, tmp_path)) == []
    reference = json.loads(path.read_text())
    reference["metrics"]["splits.validation.accuracy.value"] = {"value": 1.5, "tolerance": 0.01}
    path.write_text(json.dumps(reference))
    assert len(verify.mismatches(verify.compare_run(folder, tmp_path))) == 1


def test_predict_answers_with_the_run(done, data, tmp_path):
    folder, _ = done
    photo = sorted((data / "images" / "test").rglob("*.jpg"))[0]
    result = carseg(folder.parent, "predict", "--run", "whole", "--photo", str(photo))
    assert result.returncode == 0, result.stderr
    (answer,) = (folder / "answers").rglob("*.json")
    assert json.loads(answer.read_text())["photo"] == photo.name
    wrong = carseg(folder.parent, "predict", "--run", "whole", "--photo", str(tmp_path / "none.jpg"))
    assert wrong.returncode == 2 and wrong.stderr.startswith("carseg: ") and wrong.stderr.count("\n") == 1


def test_class_folders_alone_are_enough_and_the_report_says_what_stands_in(data, reports):
    arguments = [
        "--profile",
        "smoke",
        "--data",
        str(data / "images"),
        "--run",
        "folders",
        "--set",
        "epochs=1 teacher=none",
    ]
    result = carseg(reports, "run", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "the mask loss is off" in result.stdout
    metrics = json.loads((reports / "folders" / "metrics.json").read_text())
    assert metrics["data"]["masks"] == "none" and metrics["data"]["boxes"] == "whole frame"
    assert metrics["splits"]["test"]["mask_ap"] is None
    page = (reports / "folders" / "index.html").read_text()
    assert "whole frame" in page and "mask loss is off" in page
    listed = (reports / "index.html").read_text()
    assert "whole" in listed and "folders" in listed


def test_a_teacher_draws_masks_for_class_folders_and_the_report_says_so(data, reports):
    arguments = ["--profile", "smoke", "--data", str(data / "images"), "--run", "taught"]
    result = carseg(reports, "run", *arguments, "--set", "epochs=1 min_quality=0.0")
    assert result.returncode == 0, result.stdout + result.stderr
    folder = reports / "taught"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["data"]["masks"] == metrics["data"]["boxes"] == "teacher"
    assert 0 < metrics["data"]["mask_quality"] < 1
    assert metrics["splits"]["test"]["mask_ap"]["n"] > 0
    assert {"pseudo_mask_quality", "rejected_pseudo_masks"} <= {
        path.stem for path in (folder / "figures").glob("*.png")
    }
    page = (folder / "index.html").read_text()
    assert "A teacher" in page and "How sure the teacher is" in page
    exported = carseg(reports, "export", "--run", "taught")
    assert exported.returncode == 0, exported.stderr
    files = {path.name for path in (folder / "export" / "annotations").iterdir()}
    assert files == {"train.json", "validation.json", "test.json"}


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
            category["name"] = {"suv": "Geländewagen", "sedan": "berline"}.get(
                category["name"], category["name"]
            )
        path.write_text(json.dumps(content))
    return place, {"CARSEG_TYPES": "suv=geländewagen sedan=limousine,berline convertible minivan"}


def kaggle(folder):
    """A stand-in for kagglehub that gives what lies in a folder; the process finds it before any other."""
    place = make_car_photos(folder / "download", per_type=6) / "images"
    stub = folder / "stub" / "kagglehub"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text(
        f"def dataset_download(handle, **options):\n    return {str(place)!r}\n", encoding="utf-8"
    )
    return "kaggle:someone/cars@3", {"PYTHONPATH": str(stub.parent)}


@pytest.mark.parametrize("source", [voc, csv_table, stanford, coco_of_polygons, kaggle])
def test_every_source_makes_a_whole_study(source, tmp_path):
    data, environment = source(tmp_path)
    small = "epochs=1 height=64 width=96 train_eval_size=4 bootstrap_samples=100 min_quality=0.0"
    arguments = ["--profile", "smoke", "--data", str(data), "--run", "source", "--set", small]
    result = carseg(tmp_path / "reports", "run", *arguments, **environment)
    assert result.returncode == 0, result.stdout + result.stderr
    metrics = json.loads((tmp_path / "reports" / "source" / "metrics.json").read_text())
    finite(metrics)
    assert sorted(metrics["data"]["counts"]["train"]) == ["convertible", "minivan", "sedan", "suv"]
    assert all(count > 0 for split in metrics["data"]["counts"].values() for count in split.values())
    drawn_by_hand = source in (voc, csv_table, coco_of_polygons)
    assert metrics["data"]["masks"] == ("given" if drawn_by_hand else "teacher")
    assert metrics["data"]["boxes"] == ("teacher" if source is kaggle else "given")
    if source is stanford:
        assert metrics["data"]["excluded"]["other type"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "epoch=3"], "did you mean 'epochs'"),
        (["--set", "epochs=many"], "epochs = 'many'"),
        (["--set", "lr=-1"], "lr = -1.0"),
        (["--profile", "smok"], "did you mean 'smoke'"),
        (["--data", "nowhere"], "does not exist"),
        (["--seed", "-1"], "seed = -1"),
        (["--weights", "imagnet"], "did you mean 'imagenet'"),
    ],
)
def test_a_mistake_gets_one_line_before_anything_runs(data, tmp_path, arguments, message):
    result = carseg(tmp_path, "run", "--data", str(data), "--profile", "smoke", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert (
        result.stderr.startswith("carseg: ") and result.stderr.count("\n") == 1 and message in result.stderr
    )
    assert list(tmp_path.iterdir()) == []
