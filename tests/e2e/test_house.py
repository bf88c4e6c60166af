"""The rules of the house: sizes, packages, imports, notebooks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from carseg_lib.core.paths import project_folder

ROOT = project_folder()
PACKAGES = ("carseg_lib", "carseg_rendering")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def from_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in MODULES if path.name != "__init__.py"], ids=from_root)
def test_no_module_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_the_library_has_nine_packages():
    entries = {path.name for path in (ROOT / "carseg_lib").iterdir()} - {"__pycache__"}
    packages = {path.parent.name for path in (ROOT / "carseg_lib").glob("*/__init__.py")}
    assert entries - packages == {"__init__.py", "py.typed"}
    assert packages == {
        "core",
        "paper",
        "models",
        "data",
        "engine",
        "evaluation",
        "reporting",
        "experiments",
        "workflow",
    }


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=from_root)
def test_a_package_imports_nothing_by_itself(path):
    """Every module reaches its packages' __init__: what they imported, each stage of a run would depend on."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert isinstance(body[0], ast.Expr)
    assert isinstance(body[0].value, ast.Constant)
    assert isinstance(body[0].value.value, str)
    if path == ROOT / "carseg_lib" / "__init__.py":  # the API, whose names are found when they are used
        imported = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = [node.names[0].name if isinstance(node, ast.Import) else node.module for node in imported]
        assert set(names) <= {"__future__", "importlib", "typing"}
    else:
        assert len(body) == 1, "a docstring alone"


def test_the_makefile_is_short():
    lines = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 170
    assert max(map(len, lines)) <= 120


def test_import_contracts_hold():
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-c", script, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Contracts: 3 kept, 0 broken." in done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_thin(path):
    """It asks and shows: no function, no class, no output kept, few names from few packages."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    tree = ast.parse("\n".join("".join(cell["source"]) for cell in code))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    assert [node for node in ast.walk(tree) if isinstance(node, defined)] == []
    assert all(len("".join(cell["source"]).splitlines()) <= 30 for cell in code)
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = [module for module in imported if module.split(".")[0] in PACKAGES]
    assert own
    assert not any(module.startswith(("carseg_rendering", "carseg_lib.workflow")) for module in own)


def test_there_is_a_notebook_for_each_question():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_data_exploration",
        "01b_rendered_cars",
        "02_preprocessing",
        "03_training",
        "04_evaluation",
        "05_readings",
        "06_certainty",
    ]
