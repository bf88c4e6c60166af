"""The Makefile: what it passes on and refuses. Stand-ins take the places of .venv's Python and of carseg."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from carseg_lib.core.paths import project_folder
from carseg_lib.workflow import cli
from carseg_lib.workflow.commands.options import RENAMED, VARIABLES
from carseg_rendering.cli import RENAMED as RENAMED_RENDERING
from carseg_rendering.cli import VARIABLES as RENDERING

MAKEFILE = project_folder() / "Makefile"
SCRIPTS = project_folder() / "scripts"
STAND_IN = f"""#!/bin/sh
exec {sys.executable} -c '
import json, os, sys
if sys.argv[1:2] != ["-c"]:  # the question whether it works
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
        shutil.copytree(SCRIPTS, folder / "scripts")
        for name in ("requirements.lock", "requirements-rendering.lock", "pyproject.toml"):
            (folder / name).write_text("")
        (folder / ".venv" / "bin").mkdir(parents=True)
        self.python, self.carseg = (folder / ".venv" / "bin" / name for name in ("python", "carseg"))
        for program in (self.python, self.carseg):
            write_program(program, STAND_IN)
        (folder / ".venv" / ".ready").write_text(os.path.realpath(folder))

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CARSEG_", "CONDA_"))}
        clean = {k: v for k, v in clean.items() if k not in VARIABLE_NAMES}
        command = ["make", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=clean | environment)

    def asked(self, *words: str, **environment: str) -> list:
        """What the stand-in was asked: its arguments, and the variables it saw."""
        done = self.make(*words, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def environment(self, prefix: str, **given: str) -> list[str]:
        """The variables of a command, as NAME=value, whose names begin like this."""
        write_program(self.carseg, f"#!/bin/sh\nenv | grep ^{prefix} | sort\n")
        return self.make("show-config", **given).stdout.split()


def write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


VARIABLE_NAMES = {*(name.upper() for name in VARIABLES | RENDERING), "ADVISORIES", "PYTHON", "TORCH"}


@pytest.fixture
def clone(tmp_path):
    return Clone(tmp_path / "a clone")


def test_help_is_the_default_and_names_every_target_and_variable(clone):
    done = clone.make()
    assert done.returncode == 0
    targets = {
        "reproduce", "explore", "preprocess", "train", "evaluate", "report", "predict", "export", "export-model", "lab",
        "inspect",
        "render-dataset", "setup-rendering", "eval-annotator", "train-segmenter", "ablation", "sim2real", "benchmark",
        "archive", "rerun", "try-page", "pack-model", "test-gpu", "faults", "audit-deps",
        "audit", "readings", "certainty", "generalisation",
        "check-reference", "update-reference", "show-config", "setup", "test", "test-slow", "check", "lint",
        "typecheck", "format", "docs", "coverage", "lock", "clean", "help",
    }  # fmt: skip
    assert set(declared("TARGETS")) == targets
    for target in targets - {"help"}:
        assert re.search(rf"^  make {target} +\S", done.stdout, re.M), target
    for variable in VARIABLE_NAMES:
        assert re.search(rf"^  {variable}=\S+ +\S", done.stdout, re.M), variable
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert done.stdout.splitlines()[:5] == [
        "To begin with:",
        "  make reproduce",
        "  make reproduce DATA=~/cars",
        "  make predict IMAGES=~/new.jpg",
        "  make test",
    ]


def declared(name: str) -> list[str]:
    """The words of a variable of the Makefile."""
    text = MAKEFILE.read_text().replace("\\\n", " ")
    words = re.search(rf"^{name} := (.*)$", text, re.M).group(1).split()
    return [name for word in words for name in (declared("COMMANDS") if word == "$(COMMANDS)" else [word])]


def test_every_variable_of_the_command_line_is_one_of_make(clone):
    assert set(declared("VARIABLES")) == VARIABLE_NAMES


def test_every_command_of_the_command_line_has_a_target(clone):
    called = set(re.findall(r"^\t@\$\(CARSEG\) ([a-z0-9-]+)", MAKEFILE.read_text(), re.M))
    assert called | set(declared("COMMANDS")) == set(cli.cli.commands)


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("reproduce", ["run"]),
        ("explore", ["run", "--until", "01_data_exploration"]),
        ("preprocess", ["run", "--until", "02_preprocessing"]),
        ("train", ["run", "--until", "03_training"]),
        ("evaluate", ["run", "--until", "04_evaluation"]),
        *[(name, [name]) for name in sorted(cli.cli.commands.keys() - {"run"})],
    ],
)
def test_targets_call_the_command_line(clone, target, arguments):
    assert clone.asked(target, "DATA=cars") == [arguments, {"DATA": "cars"}]


@pytest.mark.parametrize(
    ("target", "arguments"),
    [("test", ["-m", "pytest"]), ("test-slow", ["-m", "pytest", "-m", "slow"]), ("typecheck", ["-m", "mypy"])],
)
def test_targets_call_the_tools(clone, target, arguments):
    assert clone.asked(target) == [arguments, {}]


def test_lint_checks_types_style_and_imports(clone):
    write_program(clone.folder / ".venv" / "bin" / "lint-imports", "#!/bin/sh\necho lint-imports\n")
    *programs, last = clone.make("lint").stdout.splitlines()
    called = [json.loads(line)[0] for line in programs]
    assert called == [["-m", "mypy"], ["-m", "ruff", "check"], ["-m", "ruff", "format", "--check"]]
    assert last == "lint-imports"


def test_values_arrive_as_they_were_written(clone):
    values = {
        "DATA": '/my cars/it\'s $HOME $(touch broken) `touch broken` "x"; touch broken #',
        "SET": "epochs=3 lr=0.001",
        "CLASSES": "suv='ein $Wagen',4x4 sedan",
        "PROFILE": "smoke",
        "RUN": "r",
        "SEED": "0",
        "DEVICE": "cpu",
        "WEIGHTS": "none",
        "NPROC": "2",
        "IMAGES": "é.jpg",
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
    assert "The variables are: DATA CLASSES FORMAT PROFILE" in done.stderr


# N is a variable again, of make audit; the renderer still refuses it (tests/rendering/test_dataset.py).
FORMER = {old: new for old, new in (RENAMED | RENAMED_RENDERING).items() if old.upper() not in VARIABLE_NAMES}


@pytest.mark.parametrize(("former", "name"), [(old.upper(), new.upper()) for old, new in FORMER.items()])
def test_a_former_variable_is_refused_by_its_present_name(clone, former, name):
    done = clone.make("reproduce", f"{former}=x")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"carseg: {former} is now called {name}" in done.stderr


@pytest.mark.parametrize(
    ("former", "name"), [*cli.RENAMED.items(), ("dataset", "render-dataset"), ("renderer", "setup-rendering")]
)
def test_a_former_target_is_refused_by_its_present_name(clone, former, name):
    done = clone.make(former)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"carseg: make {former} is now called make {name}\n")
    assert name in declared("TARGETS")


def test_every_former_name_is_one_of_the_command_line(clone):
    spec = importlib.util.spec_from_file_location("explain_name", SCRIPTS / "explain_name.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.FORMER["variable"] == {old.upper(): new.upper() for old, new in FORMER.items()}
    rendering = {"dataset": "render-dataset", "renderer": "setup-rendering"}
    assert module.FORMER["target"] == cli.RENAMED | rendering


def test_an_unknown_target_is_refused_with_the_nearest_one(clone):
    done = clone.make("reprodce")
    assert done.returncode == 2
    assert "carseg: there is no target reprodce; did you mean reproduce? The targets are: reproduce" in done.stderr


def test_files_without_a_rule_are_no_unknown_targets(clone):
    assert clone.asked("--always-make", "clean") == [["clean"], {}]


def test_clean_installs_nothing(clone):
    clone.carseg.unlink()
    (clone.folder / ".venv" / ".ready").unlink()
    done = clone.make("clean")
    assert (done.returncode, done.stdout) == (2, "")
    assert "carseg: nothing is installed, so there are no runs" in done.stderr


def test_the_renderer_is_installed_for_the_data_set_alone(clone):
    said = clone.make("--dry-run", "render-dataset").stdout
    assert "scripts/setup_environment.py rendering" in said
    assert "rendering" not in clone.make("--dry-run", "reproduce").stdout
    (clone.folder / ".venv" / ".rendering").write_text("")
    values = {"NUM_IMAGES": "8434", "REALISM": "plain", "OUT": "a folder", "SEED": "1"}
    assert clone.asked("render-dataset", *(f"{name}={value}" for name, value in values.items())) == [
        ["-m", "carseg_rendering", "dataset"],
        values,
    ]
    os.utime(clone.folder / ".venv" / ".ready", (2**32 - 1, 2**32 - 1))  # installed anew
    assert "setup_environment.py rendering" in clone.make("--dry-run", "render-dataset").stdout


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
    assert "scripts/setup_environment.py" in done.stdout
    other = Clone(clone.folder.parent / "other")
    assert "setup_environment.py" not in other.make("--dry-run", "setup").stdout


def test_an_active_conda_environment_is_used(clone, tmp_path):
    """The stand-in for conda's Python leaves what the script would leave."""
    (clone.folder / "environment.yml").write_text("")
    (tmp_path / "bin").mkdir()
    install = 'echo $2; printf %s "$(pwd -P)" >.venv/.conda-ready'
    text = f"#!/bin/sh\nif [ $1 = scripts/setup_environment.py ]; then {install}; fi\n"
    write_program(tmp_path / "bin" / "python", text)
    write_program(tmp_path / "bin" / "carseg", STAND_IN)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = clone.make("show-config", CONDA_DEFAULT_ENV="carseg", PATH=path)
    first, *_, last = done.stdout.splitlines()
    assert first == "conda"
    assert json.loads(last) == [["show-config"], {}]
    again = clone.make("show-config", CONDA_DEFAULT_ENV="carseg", PATH=path)
    assert len(again.stdout.splitlines()) == 1
