"""The command line: one line for a user's mistake, and nothing written before everything is checked."""

from __future__ import annotations

import pytest

from carseg_lib import pipeline
from carseg_lib.__main__ import main
from carseg_lib.notebooks import NotebookFailedError


@pytest.fixture
def reports(tmp_path, monkeypatch):
    for name in ("DATA", "PROFILE", "RUN", "SEED", "DEVICE", "WEIGHTS", "WORKERS", "SET", "PHOTO"):
        monkeypatch.delenv(f"CARSEG_{name}", raising=False)
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "reports"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: command"),
        (["fly"], "argument command: invalid choice: 'fly'"),
        (["run"], "name a folder of photos by DATA=folder"),
        (["run", "--dat", "photos"], "unrecognized arguments: --dat"),
        (["run", "--data", "nowhere"], "DATA='nowhere' does not exist"),
        (["run", "--data", "photos", "--profile", "quik"], "did you mean 'quick'?"),
        (["run", "--data", "photos", "--set", "epoch=3"], "did you mean 'epochs'?"),
        (["run", "--data", "photos", "--seed", "1.5"], "seed = '1.5' (SEED): must be a whole number"),
        (["run", "--data", "photos", "--run", "../x"], "RUN='../x'"),
        (["report"], "There is no run 'quick'"),
        (["verify", "--profile", "smoke"], "There is no run 'smoke'"),
        (["predict"], "by PHOTO=path"),
        (["lab"], "There is no run 'quick'"),
    ],
)
def test_a_mistake_is_one_line_and_2(reports, capsys, words, message):
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("carseg: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not reports.exists()


def test_variables_of_make_are_the_defaults(reports, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(pipeline, "make_run", lambda study, until: asked.append((study, until)) or ["01"])
    for name, value in {
        "DATA": "photos",
        "PROFILE": "smoke",
        "SEED": "0",
        "SET": "epochs=3",
        "RUN": "mine",
    }.items():
        monkeypatch.setenv(f"CARSEG_{name}", value)
    assert main(["run", "--until", "03_training", "--seed", "4"]) == 0
    (study, until) = asked[0]
    assert (study.run, study.profile, study.seed, study.epochs, until) == (
        "mine",
        "smoke",
        4,
        3,
        "03_training",
    )
    assert capsys.readouterr().out.splitlines()[0] == "run mine: smoke profile, photos, seed 4, device auto"


def test_nothing_to_be_done_is_said(reports, capsys, monkeypatch):
    monkeypatch.setattr(pipeline, "make_run", lambda study, until: [])
    assert main(["run", "--data", "photos"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == "nothing to be done: reports/quick/index.html is up to date"
    )


def test_a_failure_that_is_no_mistake_is_1(reports, capsys, monkeypatch):
    def fail(study: object, until: str) -> None:
        raise NotebookFailedError("03_training.ipynb, cell [4]:\nZeroDivisionError: division by zero")

    monkeypatch.setattr(pipeline, "make_run", fail)
    assert main(["run", "--data", "photos"]) == 1
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_a_full_disk_is_one_line(reports, capsys, monkeypatch):
    def fail(study: object, until: str) -> None:
        raise OSError(28, "No space left on device", "/reports/x")

    monkeypatch.setattr(pipeline, "make_run", fail)
    assert main(["run", "--data", "photos"]) == 2
    assert capsys.readouterr().err == (
        "carseg: The disk is full: /reports/x was not written. Free some space and run again.\n"
    )


def test_settings_are_listed_with_their_ranges(reports, capsys):
    assert main(["settings", "--profile", "paper"]) == 0
    listed = capsys.readouterr().out
    assert "epochs                 30 " in listed
    assert "(a whole number from 1 up to 1,000)" in listed
