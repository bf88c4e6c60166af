"""carseg_lib.workflow.clean: what is removed, and what never is."""

from __future__ import annotations

import fcntl
import json

import pytest

from carseg_lib.workflow import clean
from carseg_lib.workflow.cli import main


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with runs, a reference and caches."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    monkeypatch.delenv("CARSEG_RUN", raising=False)
    monkeypatch.setattr(clean, "project_folder", lambda: tmp_path)
    for name in ("quick", "mine", "reference"):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "a.json").write_text("{}")
    for name in (".pytest_cache", "reports/.data", ".rendering/full-0", "notebooks"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_runs_and_caches_are_removed_but_no_reference(root, capsys):
    assert main(["clean", "--run", "mine"]) == 0
    assert capsys.readouterr().out == "removed reports/mine\n"
    assert main(["clean"]) == 0
    removed = ["reports/quick", "reports/.data", ".rendering/full-0", ".pytest_cache"]
    assert capsys.readouterr().out.splitlines() == [f"removed {name}" for name in removed]
    assert (root / "reports" / "reference" / "a.json").is_file()
    assert (root / "notebooks").is_dir()
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("run", ["../outside", "reference", ".", "a/b", ".data"])
def test_what_is_no_run_is_refused(root, capsys, run):
    (root / "outside").mkdir()
    assert main(["clean", "--run", run]) == 2
    assert capsys.readouterr().err == f"carseg: RUN={run} is no run\n"
    for kept in ("reports/reference", "outside", "reports/.data", "reports/mine"):
        assert (root / kept).is_dir()


def test_a_run_that_is_not_there_is_named(root, capsys):
    (root / "reports" / "index.html").write_text("the runs")
    for run in ("others", "index.html"):
        assert main(["clean", "--run", run]) == 2
        said = capsys.readouterr().err
        assert said == f"carseg: there is no run {run} (reports/{run} is missing)\n"
    assert (root / "reports" / "index.html").is_file()


@pytest.mark.parametrize("words", [["--run", "mine"], []])
def test_a_run_that_is_being_made_is_left_alone(root, capsys, words):
    with (root / "reports" / "mine" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["clean", *words]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("carseg: mine is being made already")
        assert said.err.endswith("stop it, or wait; nothing was removed.\n")
        assert said.out == ""
        left = sorted(path.name for path in (root / "reports").iterdir())
        assert left == [".data", "mine", "quick", "reference"]
    assert main(["clean", *words]) == 0
    assert "removed reports/mine" in capsys.readouterr().out


def test_the_list_of_runs_is_brought_up_to_date(root, monkeypatch):
    from carseg_lib.reporting.html import runs

    written = []
    monkeypatch.setattr(runs, "write_index", written.append)
    index = root / "reports" / "index.html"
    index.write_text("the runs: mine, quick")
    (index.parent / "compare.html").write_text("mine and quick")
    (root / "reports" / "quick" / "metrics.json").write_text(json.dumps({}))
    assert main(["clean", "--run", "mine"]) == 0
    assert written == [root / "reports"] and not (index.parent / "compare.html").exists()
    index.write_text("the runs: quick")
    assert main(["clean", "--run", "quick"]) == 0
    assert written == [root / "reports"]  # no run is left to list
    assert not index.exists()
