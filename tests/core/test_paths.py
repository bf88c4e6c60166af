"""carseg_lib.core.paths: where a run's files lie, and the names that runs may have."""

from __future__ import annotations

import os
import re

import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import check_run_name, runs_root, use_runs_root
from carseg_lib.core.run import Run


def photos(folder):
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"x")
    return folder


def finished(run: Run) -> Run:
    """The run, saved and with a finished step."""
    run.save()
    (run.folder / "stamps").mkdir()
    (run.folder / "stamps" / "01.json").write_text("{}")
    return run


def test_the_default_name_of_a_run_is_one_that_holds_no_other_data(data, tmp_path):
    finished(Run.create(data=data))
    assert Run.create(data=data).name == "quick"
    assert Run.create(data=data, profile="smoke").name == "smoke"
    second = finished(Run.create(data=photos(tmp_path / "set" / "my images.html")))
    assert second.name == "quick-my-images-html"
    assert "RUN=quick-my-images-html" in second.command()
    assert Run.create(data=second.config.data.source).name == second.name
    third = finished(Run.create(data=photos(tmp_path / "other" / "my images.html")))
    assert re.fullmatch(r"quick-my-images-html-[0-9a-f]{6}", third.name)
    assert Run.create(data=third.config.data.source).name == third.name
    assert re.fullmatch(r"quick-[0-9a-f]{6}", Run.create(data=photos(tmp_path / "фото")).name)
    table = tmp_path / "set" / "cars.json"
    table.write_text("{}")
    assert Run.create(data=table).name == "quick-cars"


def test_a_named_run_that_holds_other_data_is_refused(data, tmp_path):
    first = Run.create("mine", data=data)
    first.save()
    others = photos(tmp_path / "others")
    assert Run.create("mine", data=others).name == "mine"  # nothing is finished: nothing is lost
    finished(first)
    assert Run.create("mine", data=data, seed=1).config.seed == 1
    with pytest.raises(CarsegError) as refused:
        Run.create("mine", data=others)
    assert f"RUN=mine: this run holds the results of DATA={data}" in str(refused.value)
    assert f"those of DATA={others} need a name of their own: RUN=another" in str(refused.value)
    (first.folder / "config.json").write_text("{")
    assert Run.create("mine", data=others).config.data.source == str(others)


@pytest.mark.parametrize("run", ["index.html", "Index.HTML", "a.json", "reference"])
def test_names_of_files_are_no_names_of_runs(data, run):
    with pytest.raises(CarsegError, match="this name is kept for carseg's own files"):
        Run.create(run, data=data)


def test_paths_stay_in_the_runs_folder(data, tmp_path):
    run = Run.create("mine", data=data)
    assert run.folder == (tmp_path / "reports" / "mine").resolve()
    for name in ("catalogue", "dataset", "checkpoints", "best_weights", "best_card", "history", "predictions"):
        assert getattr(run, name).is_relative_to(run.folder)
    assert (run.metrics.name, run.page.name, run.provenance.name) == ("metrics.json", "index.html", "provenance.json")


def test_reports_lie_elsewhere_for_a_while(tmp_path, monkeypatch):
    for before in (str(tmp_path / "usual"), None):
        monkeypatch.delenv("CARSEG_REPORTS", raising=False)
        if before:
            monkeypatch.setenv("CARSEG_REPORTS", before)
        with pytest.raises(RuntimeError), use_runs_root(tmp_path / "parts"):
            assert runs_root() == (tmp_path / "parts").resolve()
            raise RuntimeError
        assert os.environ.get("CARSEG_REPORTS") == before


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x" * 81, "bench", "Reference"])
def test_names_that_no_folder_of_a_run_may_have(name):
    with pytest.raises(CarsegError, match="RUN="):
        check_run_name(name)
    assert check_run_name("x" * 80) == "x" * 80
