"""The notebooks as files: thin, without outputs, and honest about what they read and write."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from carseg_lib.core.paths import project_folder
from carseg_lib.workflow.notebooks import declared_parameters
from carseg_lib.workflow.stages import CERTAINTY, STAGES

FOLDER = project_folder() / "notebooks"
READINGS = "05_readings"  # of an experiment, not of a run
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LIBRARIES = {"carseg_lib", "pandas", "numpy", "matplotlib", "IPython", "torch"}
LINES = 60


def code_of(notebook: nbformat.NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_there_is_a_notebook_for_each_step():
    steps = [step.name for step in STAGES if not step.function]
    assert [path.stem for path in NOTEBOOKS] == [*steps, READINGS, CERTAINTY.name]


def test_it_is_a_valid_notebook_of_our_kernel(path, notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "carseg"
    assert path.read_text().endswith("}\n")


def test_it_holds_no_outputs(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


def test_it_opens_with_purpose_and_data_contract(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    for word in ("Purpose", "You will see", "Reads", "Writes"):
        assert re.search(rf"\*\*{word}", first.source), word


def test_it_ends_with_what_comes_next(notebook):
    last = notebook.cells[-1]
    assert last.cell_type == "markdown" and "**Next.**" in last.source
    for name in re.findall(r"\]\(([^)]+)\)", last.source):
        assert (FOLDER / name).is_file(), name


def test_each_section_asks_a_question_and_answers_it(notebook):
    """A sentence of the library follows each heading, or a figure, whose finding is its caption."""
    sections = []
    for cell in notebook.cells[3:]:
        if cell.source.startswith("## "):
            sections.append([cell.source.splitlines()[0], ""])
        elif cell.cell_type == "code" and sections:
            sections[-1][1] += cell.source
    assert sections
    for heading, code in sections:
        assert heading.endswith("?") or heading == "## All numbers", heading
        assert re.search(r"\b(say|show|show_all|table|code_of_loop)\(", code), heading


def test_it_is_thin(notebook):
    code = code_of(notebook)
    nodes = list(ast.walk(ast.parse(code)))
    defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    assert not [node.name for node in nodes if isinstance(node, defined)]
    assert not [node for node in nodes if isinstance(node, ast.While | ast.Try)]
    assert sum(1 for line in code.splitlines() if line.strip()) <= LINES
    prose = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(prose) >= len(notebook.cells) / 4


def test_no_cell_is_empty(notebook):
    assert all(cell.source.strip() for cell in notebook.cells)


def test_its_parameters_cell_names_the_run_and_does_nothing(path, notebook):
    assert declared_parameters(path) == ({"run_name"} if path.stem == READINGS else {"run_name", "settings"})
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values = [ast.literal_eval(node.value) for node in ast.parse(tagged[0].source).body]
    assert values == (["readings"] if path.stem == READINGS else ["quick", {}])
    assert notebook.cells.index(tagged[0]) == 1


def test_it_opens_the_run_of_its_own_stage(path, notebook):
    if path.stem != READINGS:
        assert f'carseg_lib.open_run(run_name, settings, stage="{path.stem}")' in code_of(notebook)


def test_it_names_no_path_of_a_machine_and_no_address_to_load(path):
    text = json.dumps([cell["source"] for cell in json.loads(path.read_text())["cells"]])
    assert not re.search(r"""["'\s(](/[a-z]+/|~/|[A-Z]:\\\\)""", text)
    assert not re.search(r"<img|!\[[^\]]*\]\(https?:", text)


def test_it_imports_the_library_and_little_else(notebook):
    names = set()
    for node in ast.walk(ast.parse(code_of(notebook))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert "carseg_lib" in names
    assert names <= LIBRARIES | set(sys.stdlib_module_names)


def test_it_has_no_magic_and_no_blanket_filter(notebook):
    code = code_of(notebook)
    assert not re.search(r"^\s*[%!]", code, re.M)
    assert "filterwarnings" not in code
    assert "sys.exit" not in code


def test_it_imports_the_figures_it_draws_and_no_others(notebook):
    """An edit of a module of figures reruns the notebooks that import it."""
    for node in ast.walk(ast.parse(code_of(notebook))):
        if isinstance(node, ast.ImportFrom):
            assert node.module != "carseg_lib.reporting.plots"
            assert "plots" not in [alias.name for alias in node.names]


def test_every_figure_is_written_by_one_notebook():
    """A figure's name stands in one notebook, and where a loop writes it, in one cell."""
    names = [
        name
        for path in NOTEBOOKS
        for name in re.findall(r"run\.figures / f?\"([^\"]+)\.png", code_of(nbformat.read(path, 4)))
    ]
    assert "near_duplicates" in names and "accuracy_curves" in names
    assert len(names) == len(set(names))
