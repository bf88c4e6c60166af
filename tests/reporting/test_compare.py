"""Two runs compared: paired numbers that can be counted by hand, and experiments in the list of runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from carseg_lib.core import files
from carseg_lib.evaluation.tables import PREDICTIONS, read_table
from carseg_lib.reporting.html.compare import Compared, write_comparison
from carseg_lib.reporting.html.experiments import experiments
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.fake_run import make_run
from tests.helpers.judged_run import score


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    cars = make_car_photos(folder / "cars", {"train": 1, "validation": 2, "test": 5}, size=(60, 40))
    return make_run(folder / "reports" / "first", cars, figures="none")


@pytest.fixture
def reports(made: Path, tmp_path: Path) -> Path:
    """Two runs: the first is right on every photo, the second wrong on three test photos; in one it finds no car."""
    for name in ("first", "second"):
        shutil.copytree(made, tmp_path / name)
    table = read_table(made / "predictions.csv", PREDICTIONS)
    table["predicted"] = table["body_type"]
    files.write_csv(tmp_path / "first" / "predictions.csv", table)
    wrong = table.index[(table["split"] == "test") & (table["body_type"] == "suv")][:3]
    table.loc[wrong, "predicted"] = "minivan"
    table.loc[wrong[0], ["predicted", "score"]] = ["", None]
    files.write_csv(tmp_path / "second" / "predictions.csv", table)
    config = files.read_json(made / "config.json")
    config["train"]["lr"] = 0.001
    files.write_json(tmp_path / "second" / "config.json", config)
    return tmp_path


def compared(reports: Path, *names: str) -> list[Compared]:
    return [Compared(reports / name, files.read_json(reports / name / "metrics.json"), "") for name in names]


def compare(reports: Path) -> str:
    assert write_comparison(reports, compared(reports, "second", "first"))
    return (reports / "compare.html").read_text(encoding="utf-8")


def block(html: str, name: str) -> dict:
    found = re.search(rf'<script type="application/json" id="compare-{name}">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


def test_the_numbers_of_two_runs_are_paired_photo_by_photo(reports: Path) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", compare(reports)).split())
    assert "Of 20 test photos that both evaluated, 0 are correct only in second and 3 only in first: −15.0" in text
    assert "p = 0.25 (McNemar&#39;s exact test): no clear difference between these two models" in text  # 2 · 1/8
    assert "As recipes, each trained once" in text
    assert "Of 8 validation photos that both evaluated, 0 are correct only in second and 0 only in first" in text
    assert "1 setting that differs" in text and "train.lr 0.0005 0.001" in text


def test_the_photos_on_which_they_disagree_are_in_the_page(reports: Path) -> None:
    html = compare(reports)
    data, pictures = block(html, "data"), block(html, "pictures")
    photos = data["photos"]
    assert len(photos["id"]) == 3 == len(pictures) and data["runs"] == ["first", "second"]
    suv, minivan = data["types"].index("suv"), data["types"].index("minivan")
    assert sorted(photos["answers"]) == sorted([[suv, -1], [suv, minivan], [suv, minivan]])
    assert set(photos["truth"]) == {suv} and set(photos["split"]) == {"test"}
    assert all(uri.startswith("data:image/webp;base64,") for uri in pictures)
    assert "img-src data:;" in html


def test_other_photos_are_not_paired_and_other_labels_are_counted(reports: Path) -> None:
    table = read_table(reports / "second" / "predictions.csv", PREDICTIONS)
    table.loc[table["split"] == "validation", "split"] = "train"
    first = table.index[table["split"] == "test"][0]
    table.loc[first, "body_type"] = "sedan" if table.loc[first, "body_type"] != "sedan" else "suv"
    files.write_csv(reports / "second" / "predictions.csv", table)
    text = " ".join(compare(reports).split())
    assert "The two runs evaluated no common validation photo" in text and "Of 19 test photos" in text
    assert "1 photos have another label" in text


def test_a_run_alone_has_no_comparison(reports: Path) -> None:
    compare(reports)
    assert not write_comparison(reports, compared(reports, "first"))
    assert not (reports / "compare.html").exists()


def test_a_run_without_predictions_stands_beside_the_other(reports: Path) -> None:
    (reports / "second" / "predictions.csv").unlink()
    assert "evaluated no common test photo" in compare(reports)


def test_experiments_are_listed_with_their_numbers(tmp_path: Path) -> None:
    one = {"name": "a", "title": "Mask R-CNN", "seeds": 2} | {key: score(0.7, 0.02) for key in ("last", "best", "mean")}
    readings = {"readings": [one], "answer": ["None reaches it."], "data": "cars"}
    better = score(0.05, 0.01) | {"p": 0.001, "p_table": 0.004}
    group = {"group": "baseline", "title": "the profile", "trainings": 3, "mask_iou": None}
    ablation = {
        "groups": [group | {"accuracy": score(0.8, 0.03)}, group | {"group": "more", "accuracy": score(0.85, 0.03)}],
        "differences": [{"baseline": "baseline", "group": "more", "accuracy": better, "mask_iou": None}],
        "evaluated": {"name": "rendered"},
        "made": "2026-01-02T03:04:05Z",
    }
    bench = {"rows": [{"part": "speed", "what": "training", "unit": "photos/s", "torchvision": 2.0, "carseg": 20.0,
                       "ratio": 10.0}]}  # fmt: skip
    for folder, name, content in (
        ("readings", "results.json", readings),
        ("ablation", "results.json", ablation),
        ("bench", "bench.json", bench),
        ("other", "results.json", {"unknown": 1}),
    ):
        files.write_json(tmp_path / folder / name, content)
    files.write_text(tmp_path / "ablation" / "results.md", "| … |")
    found = {experiment.folder: experiment for experiment in experiments(tmp_path)}
    assert {folder: one.kind for folder, one in found.items()} == {
        "ablation": "Ablation",
        "bench": "Benchmark",
        "readings": "Readings",
    }
    assert found["readings"].sentences == ["None reaches it."]
    assert found["readings"].rows == [["Mask R-CNN", "2", one["last"], one["best"], one["mean"]]]
    assert "Clear differences to it: more +5.0" in found["ablation"].sentences[0]
    assert found["ablation"].rows[1][3] == "+5.0 (+4.0 to +6.0)" and found["ablation"].data == "rendered"
    assert found["ablation"].links == [("ablation/results.md", "report"), ("ablation/results.json", "results.json")]
    assert found["bench"].rows == [["training", "photos/s", "2", "20", "10×"]]


def test_nothing_of_a_run_is_written_by_a_comparison(reports: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in reports.rglob("*") if path.is_file()}
    compare(reports)
    after = {path: path.stat().st_mtime_ns for path in reports.rglob("*") if path.is_file()}
    after.pop(reports / "compare.html")
    assert before == after
