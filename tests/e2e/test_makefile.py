"""The Makefile: what it passes on, refuses and removes. A stand-in takes the place of .venv's Python."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from carseg_lib.core.paths import project_folder
from carseg_lib.workflow.cli import VARIABLES
from carseg_rendering.cli import VARIABLES as RENDERING

MAKEFILE = project_folder() / "Makefile"
STAND_IN = f"""#!/bin/sh
exec {sys.executable} -c '
import json, os, sys
if sys.argv[1:2] != ["-c"]:
    given = {{k[7:]: v for k, v in os.environ.items() if k.startswith("CARSEG_") and v}}
    print(json.dumps([sys.argv[1:], given]))
' "$@"
"""


class Clone:
    """A folder with the Makefile, an environment that is ready, and some results."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        (folder / "Makefile").write_text(MAKEFILE.read_text())
        for name in ("requirements.lock", "pyproject.toml"):
            (folder / name).write_text("")
        (folder / ".venv" / "bin").mkdir(parents=True)
        self.python = folder / ".venv" / "bin" / "python"
        self.python.write_text(STAND_IN)
        self.python.chmod(0o755)
        (folder / ".venv" / ".ready").write_text(os.path.realpath(folder))

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        clean = {
            k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CARSEG_", "CONDA_"))
        }
        clean = {k: v for k, v in clean.items() if k not in VARIABLE_NAMES}
        command = ["make", *words]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, env=clean | environment
        )

    def asked(self, *words: str, **environment: str) -> list:
        """What the stand-in was asked: its arguments, and the variables it saw."""
        done = self.make(*words, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def environment(self, prefix: str, **given: str) -> list[str]:
        """The variables of a command, as NAME=value, whose names begin like this."""
        self.python.write_text(f'#!/bin/sh\nif [ "$1" != -c ]; then env | grep ^{prefix} | sort; fi\n')
        return self.make("settings", **given).stdout.split()


VARIABLE_NAMES = {*(name.upper() for name in VARIABLES | RENDERING), "PYTHON"}


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path / "a clone")


def test_help_is_the_default_and_names_every_target_and_variable(clone):
    done = clone.make()
    assert done.returncode == 0
    text = MAKEFILE.read_text()
    targets = {
        name
        for line in re.findall(r"^\.PHONY: (.*)$", text, re.M)
        if "$" not in line
        for name in line.split()
    }
    assert {"reproduce", "test", "lab", "report", "predict", "verify", "clean", "help"} <= targets
    for target in targets - {"help"}:
        assert re.search(rf"^  make {target} +\S", done.stdout, re.M), target
    for variable in VARIABLE_NAMES:
        assert re.search(rf"^  {variable}=\S+ +\S", done.stdout, re.M), variable
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_every_variable_of_the_command_line_is_one_of_make(clone):
    declared = re.search(r"^VARIABLES := (.*)$", MAKEFILE.read_text(), re.M).group(1).split()
    assert set(declared) == VARIABLE_NAMES


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("reproduce", ["run"]),
        ("explore", ["run", "--until", "01_data_exploration"]),
        ("preprocess", ["run", "--until", "02_preprocessing"]),
        ("train", ["run", "--until", "03_training"]),
        ("evaluate", ["run", "--until", "04_evaluation"]),
        *[
            (name, [name])
            for name in (
                "catalogue",
                "report",
                "verify",
                "reference",
                "predict",
                "lab",
                "settings",
                "teacher",
            )
        ],
    ],
)
def test_targets_call_the_command_line(clone, target, arguments):
    assert clone.asked(target, "DATA=cars") == [["-m", "carseg_lib", *arguments], {"DATA": "cars"}]


def test_values_arrive_as_they_were_written(clone):
    values = {
        "DATA": '/my cars/it\'s $HOME $(touch broken) `touch broken` "x"; touch broken #',
        "SET": "epochs=3 lr=0.001",
        "TYPES": "suv='ein $Wagen',4x4 sedan",
        "PROFILE": "smoke",
        "RUN": "r",
        "SEED": "0",
        "DEVICE": "cpu",
        "WEIGHTS": "none",
        "WORKERS": "2",
        "PHOTO": "é.jpg",
    }
    _, seen = clone.asked("reproduce", *(f"{name}={value}" for name, value in values.items()))
    assert seen == values
    assert not (clone.folder / "broken").exists()


def test_the_environment_sets_variables_too(clone):
    assert clone.asked("reproduce", DATA="/cars")[1] == {"DATA": "/cars"}


def test_freed_memory_is_kept_for_the_next_step_unless_the_user_wants_otherwise(clone, monkeypatch):
    names = ("MALLOC_ARENA_MAX", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    usual = clone.environment("MALLOC_")
    assert usual == ["MALLOC_ARENA_MAX=1", "MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=4000000000"]
    assert clone.environment("MALLOC_", MALLOC_ARENA_MAX="4") == ["MALLOC_ARENA_MAX=4", *usual[1:]]


def test_compiled_modules_are_kept_also_where_the_environment_forbids_it(clone):
    told = clone.environment("PYTHON", PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1")
    assert "PYTHONUNBUFFERED=1" in told and not any("BYTECODE" in one for one in told)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("PROFIL=smoke", "there is no variable PROFIL; did you mean PROFILE?"),
        ("data=/cars", "there is no variable data; did you mean DATA?"),
        ("EPOCHS=3", "there is no variable EPOCHS"),
        ("A'b=1", "there is no variable A'b"),
    ],
)
def test_an_unknown_variable_is_refused_before_anything_runs(clone, word, said):
    done = clone.make("reproduce", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "The variables are: DATA PROFILE" in done.stderr


def test_clean_removes_runs_but_no_reference(clone):
    for name in ("quick", "mine", "reference"):
        (clone.folder / "reports" / name).mkdir(parents=True)
        (clone.folder / "reports" / name / "a.json").write_text("{}")
    for name in (".pytest_cache", "reports/.data", ".rendering/full-0"):
        (clone.folder / name).mkdir(parents=True)
    assert clone.make("clean", "RUN=mine").stdout == "removed reports/mine\n"
    removed = ["reports/quick", "reports/.data", ".rendering/full-0", ".pytest_cache"]
    assert clone.make("clean").stdout.splitlines() == [f"removed {name}" for name in removed]
    assert (clone.folder / "reports" / "reference" / "a.json").is_file()
    assert clone.make("clean").stdout == ""
    assert clone.python.is_file()


@pytest.mark.parametrize("run", ["../outside", "reference", ".", "a/b"])
def test_clean_stays_in_the_reports(clone, run):
    (clone.folder / "reports" / "reference").mkdir(parents=True)
    (clone.folder / "outside").mkdir()
    done = clone.make("clean", f"RUN={run}")
    assert done.returncode == 2
    assert "is no run" in done.stderr
    assert (clone.folder / "reports" / "reference").is_dir()
    assert (clone.folder / "outside").is_dir()


def test_clean_of_a_run_that_is_not_there_says_so(clone):
    (clone.folder / "reports").mkdir()
    (clone.folder / "reports" / "index.html").write_text("the runs")
    for run in ("mine", "index.html"):
        done = clone.make("clean", f"RUN={run}")
        assert done.returncode == 2
        assert f"carseg: there is no run {run} (reports/{run} is missing)" in done.stderr
    assert (clone.folder / "reports" / "index.html").is_file()


@pytest.mark.parametrize("words", [["RUN=mine"], []])
def test_clean_leaves_a_run_that_is_being_made(clone, words):
    for name in ("a", "mine"):
        (clone.folder / "reports" / name).mkdir(parents=True)
    with (clone.folder / "reports" / "mine" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = clone.make("clean", *words)
        assert done.returncode == 2
        assert "carseg: mine is being made" in done.stderr
        assert sorted(path.name for path in (clone.folder / "reports").iterdir()) == ["a", "mine"]
    assert "removed reports/mine" in clone.make("clean", *words).stdout


def test_clean_of_a_run_brings_the_list_of_runs_up_to_date(clone):
    """The stand-in cannot write the list: then it is gone, and the next run writes it."""
    (clone.folder / "reports" / "mine").mkdir(parents=True)
    (clone.folder / "reports" / "index.html").write_text("the runs: mine")
    assert clone.make("clean", "RUN=mine").stdout == "removed reports/mine\n"
    assert not (clone.folder / "reports" / "index.html").exists()


def test_the_renderer_is_installed_for_the_data_set_alone(clone):
    (clone.folder / "requirements-rendering.lock").write_text("")
    said = clone.make("--dry-run", "dataset").stdout
    assert "--require-hashes" in said
    assert "-r requirements-rendering.lock" in said
    assert "rendering" not in clone.make("--dry-run", "reproduce").stdout
    (clone.folder / ".venv" / ".renderer").write_text("")
    values = {"N": "8434", "VERSION": "plain", "OUT": "a folder", "SEED": "1"}
    assert clone.asked("dataset", *(f"{name}={value}" for name, value in values.items())) == [
        ["-m", "carseg_rendering", "dataset"],
        values,
    ]
    os.utime(clone.folder / ".venv" / ".ready", (2**32 - 1, 2**32 - 1))  # installed anew
    assert "requirements-rendering.lock" in clone.make("--dry-run", "dataset").stdout


def test_no_python_is_one_line(clone):
    (clone.folder / ".venv" / ".ready").unlink()
    done = clone.make("setup", "PYTHON=/no/such/python")
    assert done.returncode == 2
    assert "carseg: Python 3.11 or newer is needed: install it, or name it by PYTHON=path" in done.stderr


@pytest.mark.parametrize("change", ["moved", "interrupted", "no python", "a newer lock"])
def test_the_environment_is_made_again(clone, change):
    ready = clone.folder / ".venv" / ".ready"
    if change == "moved":
        ready.write_text("/elsewhere")
    elif change == "interrupted":
        ready.unlink()
    elif change == "no python":
        clone.python.unlink()
    else:
        os.utime(clone.folder / "requirements.lock", (2**32 - 1, 2**32 - 1))
    done = clone.make("--dry-run", "setup")
    assert "uv pip sync" in done.stdout
    assert "uv pip sync" not in Clone(clone.folder.parent / "other").make("--dry-run", "setup").stdout


def test_an_active_conda_environment_is_used(clone, tmp_path):
    (clone.folder / "environment.yml").write_text("")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(STAND_IN)
    (tmp_path / "bin" / "python").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = clone.make("settings", CONDA_DEFAULT_ENV="carseg", PATH=path)
    first, *_, last = done.stdout.splitlines()
    assert first == "installing carseg_lib into the conda environment"
    assert json.loads(last) == [["-m", "carseg_lib", "settings"], {}]
    again = clone.make("settings", CONDA_DEFAULT_ENV="carseg", PATH=path)
    assert len(again.stdout.splitlines()) == 1
