"""The whole study by the command that make calls, on drawn photos with the smoke profile, and what it leaves."""

import json
import math
import re

import nbformat
import pandas as pd
import pytest

from carseg_lib.workflow import reference
from carseg_lib.workflow.cli import main
from tests.helpers.browser import Visit
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.notebooks_in_process import study_in_process
from tests.helpers.smoke_run import ROOT, carseg

NOTEBOOKS = ["01_data_exploration", "02_preprocessing", "03_training", "04_evaluation"]
pytestmark = pytest.mark.e2e


def assert_finite(value: object, path: str = "") -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            assert_finite(part, f"{path}.{name}")
    elif isinstance(value, float):
        assert math.isfinite(value), path


def test_terminal_tells_notebooks_epochs_and_time_left(smoke_run):
    for number, name in enumerate([*NOTEBOOKS, "report"], start=1):
        assert f"[{number}/5] {name}" in smoke_run.out
    epochs = re.findall(r"^ +\d/2 +[\d.]+ +[\d.]+ +[\d.]+% +\(\d+/\d+\) +[\d.]+% +[\d.]+  .*", smoke_run.out, re.M)
    assert len(epochs) == 2
    assert "Warning" not in smoke_run.out + smoke_run.err


def test_metrics_are_complete_finite_and_agree_with_the_predictions(smoke_run):
    metrics = json.loads((smoke_run.folder / "metrics.json").read_text())
    assert_finite(metrics)
    predictions = pd.read_csv(smoke_run.folder / "predictions.csv", keep_default_na=False)
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
    history = pd.read_csv(smoke_run.folder / "history.csv")
    assert len(history) == 2
    assert history.train_loss.iloc[1] < history.train_loss.iloc[0]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_were_executed_whole_and_hold_no_path_of_the_machine(smoke_run, name):
    text = (smoke_run.folder / "notebooks" / f"{name}.ipynb").read_text()
    cells = [cell for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    shown = [output.get("data", {}).get("text/html", "") for cell in cells for output in cell.outputs]
    assert any("What is seen." in html for html in shown)
    page = (smoke_run.folder / "notebooks" / f"{name}.html").read_text()
    images = re.findall(r"<img[^>]*>", page)
    assert images and all(re.search(r' alt="[^"]{20,}"', image) for image in images)
    assert len(page) < 3e6
    for content in (text, page):
        for place in (ROOT, smoke_run.data.parent, smoke_run.folder.parent):
            assert str(place) not in content


def test_everything_the_report_needs_is_there(smoke_run):
    folder = smoke_run.folder
    names = {path.name for path in folder.iterdir()}
    assert {
        "index.html",
        "config.json",
        "classification_report.csv",
        "classification_report.md",
        "slice_metrics.csv",
        "error_odds.csv",
        "rejected_masks.csv",
        "provenance.json",
    } <= names
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
    assert provenance["seed"] == 0
    assert len(provenance["weights"]["sha256"]) == 64
    assert all(step["seconds"] > 0 for step in provenance["steps"])
    assert (folder.parent / "index.html").is_file()


@pytest.mark.browser
def test_the_page_opens_in_a_browser_alone_and_escapes_the_data_sets_name(smoke_run, browser):
    page = smoke_run.folder / "index.html"
    visit = Visit(browser, page)
    assert visit.requests == [page.as_uri()]
    assert visit.complaints == []
    loaded = "[...document.images].every(i => i.naturalWidth > 0) && document.images.length"
    assert visit.page.evaluate(loaded) > 8  # figures, and the misclassified photos
    text = visit.page.inner_text("body")
    assert "drawn <cars> & more" in text
    assert "empty file" in text
    assert "91.2" in text


def test_a_second_call_does_nothing(smoke_run, tmp_path, monkeypatch, capsys):
    folder = smoke_run.copied(tmp_path)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    before = {path: path.read_bytes() for path in (folder / "metrics.json", folder / "model" / "best.pt")}
    assert main(["run", "--profile", "smoke", "--data", str(smoke_run.data), "--run", "whole"]) == 0
    assert "nothing to be done" in capsys.readouterr().out.lower()
    assert {path: path.read_bytes() for path in before} == before


def assert_a_setting_reruns_what_depends_on_it(folder, out, before):
    assert re.findall(r"\] (\S+) \(", out) == ["04_evaluation", "report"]
    assert (folder / "model" / "best.pt").read_bytes() == before["model/best.pt"]
    now = (folder / "metrics.json").read_bytes()
    assert now != before["metrics.json"]
    accuracies = [json.loads(t)["splits"]["test"]["accuracy"] for t in (before["metrics.json"], now)]
    assert accuracies[0]["value"] == accuracies[1]["value"]


def contents(folder):
    return {name: (folder / name).read_bytes() for name in ("model/best.pt", "metrics.json")}


def test_a_setting_reruns_only_what_depends_on_it(smoke_run, tmp_path, monkeypatch, capsys):
    folder = smoke_run.copied(tmp_path)
    before = contents(folder)
    arguments = ["--profile", "smoke", "--data", str(smoke_run.data), "--run", "whole"]
    assert study_in_process(monkeypatch, tmp_path, *arguments, "--set", "bootstrap_samples=300") == 0
    assert_a_setting_reruns_what_depends_on_it(folder, capsys.readouterr().out, before)


@pytest.mark.slow
def test_a_setting_reruns_only_what_depends_on_it_by_the_real_command(smoke_run, tmp_path):
    folder = smoke_run.copied(tmp_path)
    before = contents(folder)
    arguments = ["run", "--profile", "smoke", "--data", str(smoke_run.data), "--run", "whole"]
    again = carseg(tmp_path, *arguments)
    assert again.returncode == 0
    assert "nothing to be done" in again.stdout.lower()
    assert contents(folder) == before
    changed = carseg(tmp_path, *arguments, "--set", "bootstrap_samples=300")
    assert changed.returncode == 0, changed.stderr
    assert_a_setting_reruns_what_depends_on_it(folder, changed.stdout, before)


def test_a_run_equals_its_own_reference_and_not_a_worse_one(smoke_run, tmp_path):
    path = reference.write_reference([smoke_run.folder], tmp_path)
    comparison = reference.compare_run(smoke_run.folder, tmp_path)
    assert comparison.ok and comparison.unequal == 0 and comparison.circumstances == ()
    content = json.loads(path.read_text())
    content["metrics"]["splits.validation.accuracy.value"] = {"value": 1.5, "low": 1.5, "high": 1.5}
    path.write_text(json.dumps(content))
    comparison = reference.compare_run(smoke_run.folder, tmp_path)
    assert list(comparison.table.loc[~comparison.table["ok"], "metric"]) == ["splits.validation.accuracy.value"]


def test_predict_answers_with_the_run(smoke_run, tmp_path, monkeypatch, capsys):
    folder = smoke_run.copied(tmp_path)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    photo = sorted((smoke_run.data / "images" / "test").rglob("*.jpg"))[0]
    assert main(["predict", "--run", "whole", "--images", str(photo)]) == 0
    (answer,) = (folder / "predictions").rglob("*.json")
    assert json.loads(answer.read_text())["photo"] == photo.name
    capsys.readouterr()
    assert main(["predict", "--run", "whole", "--images", str(tmp_path / "none.jpg")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("carseg: ")
    assert error.count("\n") == 1


MISTAKES = [
    (["--set", "epoch=3"], "did you mean 'train.epochs'"),
    (["--set", "epochs=many"], "epochs = 'many'"),
    (["--set", "lr=-1"], "lr = -1.0"),
    (["--profile", "smok"], "did you mean 'smoke'"),
    (["--data", "nowhere"], "does not exist"),
    (["--seed", "-1"], "seed = -1"),
    (["--weights", "imagnet"], "did you mean 'imagenet'"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_gets_one_line_before_anything_runs(
    synthetic_cars, tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path))
    assert main(["run", "--data", str(synthetic_cars), "--profile", "smoke", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("carseg: ")
    assert said.err.count("\n") == 1
    assert message in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"), [MISTAKES[0], *(pytest.param(*m, marks=pytest.mark.slow) for m in MISTAKES[1:])]
)
def test_the_process_ends_with_2_after_a_mistake(tmp_path, arguments, message):
    data, reports = make_car_photos(tmp_path / "data", per_type=3), tmp_path / "reports"
    result = carseg(reports, "run", "--data", str(data), "--profile", "smoke", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("carseg: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert not reports.exists()
