"""The commands check-reference and update-reference on runs' folders."""

from __future__ import annotations

import json

import pytest

from carseg_lib.core.run import Run
from carseg_lib.workflow.cli import main
from tests.workflow.test_reference import make_metrics


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    monkeypatch.chdir(tmp_path)
    for seed in range(5):
        run = Run.create("quick" if seed == 0 else f"quick-{seed}", seed=seed)
        run.save()
        (run.folder / "metrics.json").write_text(json.dumps(make_metrics(seed, 0.8 + 0.01 * seed)))
    return tmp_path / "reports"


def test_five_runs_become_a_reference_that_each_of_them_fits(reports, capsys):
    assert main(["update-reference", "--run", "quick quick-1 quick-2 quick-3 quick-4"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split()[:4] == ["seed", "0", "seed", "1"]
    assert said[-1] == "done: reports/reference/quick--cars.json"
    reference = json.loads((reports / "reference" / "quick--cars.json").read_text())
    assert [run["seed"] for run in reference["seeds"]] == [0, 1, 2, 3, 4]
    for name in ("quick", "quick-4"):
        assert main(["check-reference", "--run", name]) == 0
        assert f"run {name} is like its reference: 6 of 6 headline numbers in tolerance\n" in capsys.readouterr().out
        header = (reports / name / "reference_check.csv").read_text().splitlines()[0]
        assert header == "metric,kind,run,reference,difference,tolerance,ok"


def test_a_worse_run_is_1(reports, capsys):
    assert main(["update-reference"]) == 0
    assert "here is 1" in capsys.readouterr().out
    (reports / "quick-1" / "metrics.json").write_text(json.dumps(make_metrics(1, 0.6)))
    assert main(["check-reference", "--run", "quick-1"]) == 1
    assert "run quick-1 is NOT like its reference: 2 of 6" in capsys.readouterr().out


def test_runs_that_do_not_belong_together_are_one_line_and_nothing_is_written(reports, capsys):
    assert main(["update-reference", "--run", "quick quick"]) == 2
    assert "seed 0 is that of run" in capsys.readouterr().err
    assert main(["update-reference", "--run", "quick quick-9"]) == 2
    assert "There is no run 'quick-9'" in capsys.readouterr().err
    assert not (reports / "reference").exists()
