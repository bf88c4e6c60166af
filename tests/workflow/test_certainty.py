"""`carseg certainty`: notebook 06 on a finished run, and the section of the page."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.engine.trainer import train
from carseg_lib.evaluation.certainty import read_certainty
from carseg_lib.evaluation.corruptions import CORRUPTIONS
from carseg_lib.evaluation.evaluate import evaluate
from carseg_lib.reporting.html.figures import FIGURES
from carseg_lib.reporting.html.page import write_report
from carseg_lib.reporting.plots import style
from carseg_lib.workflow import notebooks
from carseg_lib.workflow.cli import main
from carseg_lib.workflow.stages import CERTAINTY, STAGES
from tests.helpers.notebooks_in_process import DPI, run_notebook
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture(scope="module")
def finished(tmp_path_factory, synthetic_cars):
    """A reports folder with a small finished run on which notebook 06 was run by the command line."""
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(patch, tmp_path_factory.mktemp("reports"), synthetic_cars, robustness_photos=4, epochs=1)
        with_dataset(run)
        train(run.config, run)
        evaluate(run.config, run)
        draw = style.png_bytes
        patch.setattr(style, "png_bytes", lambda figure, dpi=DPI: draw(figure, DPI))
        patch.setattr(notebooks, "run_notebook", run_notebook)
        patch.setattr(notebooks, "export_html", lambda notebook, name: f"<!DOCTYPE html><title>{name}</title>")
        assert main(["certainty", "--run", run.name]) == 0
        first = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*.*") if path.name != ".lock"}
        assert main(["certainty", "--run", run.name]) == 0  # up to date: nothing is written
        assert {path: path.stat().st_mtime_ns for path in first} == first
        yield run


def test_it_leaves_its_numbers_figures_and_page_in_the_runs_folder(finished):
    certainty = json.loads(finished.certainty.read_text())
    assert certainty["robustness"]["photos"] == 4
    assert certainty["model_sha256"] == json.loads(finished.best_card.read_text())["sha256"]
    table = pd.read_csv(finished.folder / "corruptions.csv")
    assert len(table) == 40 and set(table.corruption) == set(CORRUPTIONS) and (table.n == 4).all()
    assert len(pd.read_csv(finished.folder / "rotation.csv")) == 12
    assert certainty["near_copies"]["photos"] == 20 and len(certainty["near_copies"]["planted"]) == 6
    figures = {path.stem for path in finished.figures.glob("*.png")}
    assert figures == {*FIGURES["certainty"], *FIGURES["robustness"], *FIGURES["near_copies"]}
    assert {path.name for path in finished.notebooks.iterdir()} == {f"{CERTAINTY.name}.ipynb", f"{CERTAINTY.name}.html"}
    page = finished.page.read_text()
    assert '<section id="certainty"' in page and "Over eight corruptions at five severities" in page
    assert "Expected calibration error at temperature" in page and "Copies planted on purpose" in page
    assert "notebooks/06_certainty.html" in page and "Of another model" not in page


def test_a_page_says_when_the_model_was_trained_again_and_has_no_section_without_the_numbers(finished, tmp_path):
    copy = tmp_path / finished.name
    shutil.copytree(finished.folder, copy)
    files.write_json(copy / "model" / "best.json", {"sha256": "another"})
    assert read_certainty(copy)["stale"]
    assert "Of another model" in write_report(copy).read_text()
    (copy / "certainty.json").unlink()
    assert 'id="certainty"' not in write_report(copy).read_text()
    files.write_json(copy / "certainty.json", {"schema": 0})
    with pytest.raises(CarsegError, match="another version"):
        write_report(copy)


def test_a_run_that_is_not_finished_is_refused_in_one_line(monkeypatch, tmp_path, synthetic_cars, capsys):
    run = small_run(monkeypatch, tmp_path, synthetic_cars)
    assert main(["certainty", "--run", run.name]) == 2
    assert capsys.readouterr().err.strip().endswith(f"make reproduce RUN={run.name}.")


def test_how_many_photos_are_corrupted_decides_certainty_and_nothing_else():
    config = RunConfig(name="a", profile="quick")
    assert "eval.robustness_photos" in config.select(*CERTAINTY.settings)
    assert not any("eval.robustness_photos" in config.select(*stage.settings) for stage in STAGES)
    evaluation = next(stage for stage in STAGES if stage.name == "04_evaluation")
    assert "eval.bootstrap_samples" in config.select(*evaluation.settings)
