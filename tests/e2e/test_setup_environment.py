"""scripts/setup_environment.py: the commands by which an environment is made; no package is installed here."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from types import ModuleType

import pytest

from carseg_lib.core.paths import project_folder

SCRIPT = project_folder() / "scripts" / "setup_environment.py"
UV = "uv==2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
LOCK = f"torch==1 \\\n    --hash=sha256:aa\n{UV}zipp==3 \\\n    --hash=sha256:dd\n"


class Repository:
    """A folder with a lock, in which the script notes its commands instead of running them."""

    def __init__(self, script: ModuleType, folder, monkeypatch):
        self.script, self.folder, self.commands = script, folder, []
        self.works = {"uv": True, ".venv/bin/python": True}
        monkeypatch.setattr(script, "ROOT", folder)
        monkeypatch.setattr(script, "run", lambda *command, quiet=False: self.commands.append(" ".join(command)))
        monkeypatch.setattr(script, "works", self.answer)
        monkeypatch.chdir(folder)
        for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "CARSEG_PYTHON", "CARSEG_TORCH", "CARSEG_TOOLS"):
            monkeypatch.delenv(name, raising=False)
        (folder / "requirements.lock").write_text(LOCK)

    def answer(self, *command: str) -> bool:
        return self.works["uv"] if "uv" in command else self.works.get(command[0], True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("setup_environment", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = (tmp_path / "a clone").resolve()
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / ".folder").write_text(str(folder))
    return Repository(module, folder, monkeypatch)


def test_the_lock_is_installed_with_hashes_and_the_mark_comes_last(repository, capsys):
    (repository.folder / ".venv" / ".ready").write_text("old")
    assert repository.script.main([]) == 0
    python = ".venv/bin/python"
    assert repository.commands == [
        f"{python} -m uv pip sync --quiet --python {python} --require-hashes requirements.lock",
        f"{python} -m uv pip install --quiet --python {python} --no-deps --no-build-isolation --editable .",
        f"{python} -m ipykernel install --sys-prefix --name carseg --display-name carseg",
    ]
    assert (repository.folder / ".venv" / ".ready").read_text() == str(repository.folder)
    assert capsys.readouterr().out.startswith("installing requirements.lock into .venv, Python 3.")


FULL = (
    "cuda-toolkit==13 ; sys_platform == 'linux' \\\n    --hash=sha256:ee\n"
    "nvidia-cublas==13 \\\n    --hash=sha256:ff\n"
    "pytest==9 \\\n    --hash=sha256:99\n"
    "torch==1 \\\n    --hash=sha256:aa\n"
    "torchmetrics==4 \\\n    --hash=sha256:bb\n"
    "torchvision==0.5 ; python_version > '3' \\\n    --hash=sha256:cc\n"
    "triton==2 \\\n    --hash=sha256:dd\n" + UV
)


@pytest.mark.parametrize("variable", ["CARSEG_TORCH", "CARSEG_TOOLS", "both"])
def test_a_smaller_environment_is_a_part_of_the_lock_and_stays_what_it_is(repository, monkeypatch, capsys, variable):
    script, folder = repository.script, repository.folder
    (folder / "requirements.lock").write_text(FULL)
    (folder / "requirements.in").write_text("torch  # tensors\n\n# tests and tools\npytest  # tests\nuv  # installs\n")
    monkeypatch.setattr(script.sys, "platform", "linux")
    chosen = {"CARSEG_TORCH": "cpu", "CARSEG_TOOLS": "none"}
    chosen = chosen if variable == "both" else {variable: chosen[variable]}
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    for _ in range(2):  # the second time by what .venv was made with
        repository.commands.clear()
        assert script.main([]) == 0
        sync, *rest = repository.commands
        assert sync.endswith("--require-hashes .venv/part.lock")
        kept = {
            line.split("==")[0] for line in (folder / ".venv" / "part.lock").read_text().splitlines() if "==" in line
        }
        cuda = {"cuda-toolkit", "nvidia-cublas", "torch", "torchvision", "triton"}
        expected = {"pytest", "torchmetrics", "uv"} | cuda
        expected -= cuda if "CARSEG_TORCH" in chosen else set()
        expected -= {"pytest"} if "CARSEG_TOOLS" in chosen else set()
        assert kept == expected
        torch = [command for command in rest if "torch==1+cpu torchvision==0.5+cpu" in command]
        assert len(torch) == ("CARSEG_TORCH" in chosen)
        assert all(f"--no-deps --default-index {script.CPU_INDEX}" in command for command in torch)
        assert ("without a hash" in capsys.readouterr().out) == ("CARSEG_TORCH" in chosen)
        for name in chosen:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARSEG_TORCH", "default")
    monkeypatch.setenv("CARSEG_TOOLS", "all")
    repository.commands.clear()
    assert script.main([]) == 0
    assert repository.commands[0].endswith("--require-hashes requirements.lock")


def test_a_smaller_environment_elsewhere_and_a_wrong_word(repository, monkeypatch, capsys):
    monkeypatch.setenv("CARSEG_TORCH", "cpu")
    monkeypatch.setattr(repository.script.sys, "platform", "darwin")
    assert repository.script.main([]) == 0
    assert "no CUDA on this system anyway" in capsys.readouterr().out
    assert repository.commands[0].endswith("--require-hashes requirements.lock")
    monkeypatch.setenv("CARSEG_TORCH", "gpu")
    assert repository.script.main([]) == 2
    assert capsys.readouterr().err == "carseg: TORCH=gpu: use default or cpu\n"


def test_a_failure_leaves_no_mark(repository, monkeypatch, capsys):
    def fail(*command: str, quiet: bool = False) -> None:
        raise repository.script.SetupError("uv failed")

    (repository.folder / ".venv" / ".ready").write_text("old")
    monkeypatch.setattr(repository.script, "run", fail)
    assert repository.script.main([]) == 2
    assert capsys.readouterr().err == "carseg: uv failed\n"
    assert not (repository.folder / ".venv" / ".ready").exists()


def test_uv_comes_by_pip_from_the_lock_alone(repository):
    repository.works["uv"] = False
    assert repository.script.main([]) == 0
    options = "--quiet --disable-pip-version-check --require-hashes --no-deps"
    assert repository.commands[0] == f".venv/bin/python -m pip install {options} -r .venv/uv.lock"
    assert (repository.folder / ".venv" / "uv.lock").read_text() == UV


@pytest.mark.parametrize("change", ["moved", "its Python is gone"])
def test_an_environment_of_another_folder_is_made_anew(repository, monkeypatch, change):
    if change == "moved":
        (repository.folder / ".venv" / ".folder").write_text("/elsewhere")
    else:
        repository.works[".venv/bin/python"] = False
    made = []
    real = subprocess.run

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess:
        if "venv" in command:
            made.append(command)
            return subprocess.CompletedProcess(command, 0, "")
        return real(command, **options)

    monkeypatch.setattr(repository.script.subprocess, "run", run)
    assert repository.script.main([]) == 0
    assert [command[1:] for command in made] == [["-m", "venv", "--clear", ".venv"]]
    assert (repository.folder / ".venv" / ".folder").read_text() == str(repository.folder)


def test_a_python_without_venv_is_one_line(repository, monkeypatch, capsys):
    (repository.folder / ".venv" / ".folder").unlink()
    failed = subprocess.CompletedProcess([], 1, "ensurepip is\nnot available")
    real = subprocess.run
    monkeypatch.setattr(repository.script.subprocess, "run", lambda c, **o: failed if "venv" in c else real(c, **o))
    assert repository.script.main([]) == 2
    said = capsys.readouterr().err
    assert "cannot make .venv (Debian, Ubuntu: apt install python3-venv): ensurepip is not available\n" in said
    assert said.count("\n") == 1


def test_the_python_that_is_named_is_the_only_one_tried(repository, monkeypatch, capsys):
    monkeypatch.setattr(repository.script, "works", lambda *command: command[0] != "python2")
    assert repository.script.find_python("")[0] == "python3"
    with pytest.raises(repository.script.SetupError, match=r"Python 3\.11 or newer is needed"):
        repository.script.find_python("python2")


def test_a_program_that_is_not_there_does_not_work():
    spec = importlib.util.spec_from_file_location("setup_environment", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.works(sys.executable)
    assert not module.works("/no/such/python")
    assert not module.works(sys.executable, "-c", "raise SystemExit(1)")
    with pytest.raises(module.SetupError, match="-c raise SystemExit\\(3\\) failed with 3"):
        module.run(sys.executable, "-c", "raise SystemExit(3)")


def test_uv_takes_packages_from_where_pip_does(repository, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    assert repository.script.main([]) == 0
    assert os.environ["UV_DEFAULT_INDEX"] == "https://example.org/simple"
    own = {"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"}
    repository.script.use_the_index_of_pip(own)
    assert own["UV_DEFAULT_INDEX"] == "b"


def test_conda_gets_carseg_alone(repository, capsys):
    assert repository.script.main(["conda"]) == 0
    assert [command.partition(" ")[2] for command in repository.commands] == [
        "-m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .",
        "-m ipykernel install --sys-prefix --name carseg --display-name carseg",
    ]
    assert (repository.folder / ".venv" / ".conda-ready").read_text() == str(repository.folder)
    assert capsys.readouterr().out == "installing carseg_lib into the conda environment\n"


@pytest.mark.parametrize("name", ["rendering", "docs", "cluster", "remote"])
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_other_locks_are_added_with_hashes(repository, name, installer):
    repository.works["uv"] = installer == "uv"
    assert repository.script.main([name]) == 0
    (command,) = repository.commands
    assert f"-m {'uv pip' if installer == 'uv' else 'pip'} install" in command
    assert command.endswith(f"--no-deps --require-hashes -r requirements-{name}.lock")
    assert (repository.folder / ".venv" / f".{name}").is_file()


def test_all_locks_are_written_with_hashes_and_without_addresses(repository):
    assert repository.script.main(["lock"]) == 0
    assert len(repository.commands) == 5
    for command, name in zip(repository.commands, ("", "-rendering", "-docs", "-cluster", "-remote"), strict=True):
        assert command.endswith(f"--output-file requirements{name}.lock requirements{name}.in")
        assert {"--universal", "--generate-hashes", "--no-emit-index-url"} <= set(command.split())
        constraint = ".venv/for-remote.lock" if name == "-remote" else "requirements.lock"
        assert (f"--constraint {constraint}" in command) == bool(name)
    assert "python-dateutil" not in (repository.folder / ".venv" / "for-remote.lock").read_text()


@pytest.mark.parametrize("name", ["setup_environment.py", "explain_name.py"])
def test_an_old_python_can_read_the_scripts(name):
    ast.parse((SCRIPT.parent / name).read_text(encoding="utf-8"), feature_version=(3, 7))
