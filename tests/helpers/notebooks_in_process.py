"""Whole runs in this process: the same notebooks, pipeline and command line, without kernels and without nbconvert.

What a kernel and papermill add is tested by `smoke_run`; these runs test what the notebooks' code makes of other data.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import nbformat
import pytest
from matplotlib.figure import Figure

from carseg_lib.reporting.plots import style
from carseg_lib.workflow import notebooks, pipeline
from carseg_lib.workflow.cli import main

DPI = 25  # of the figures: a twentieth of the time of the study's 150


def run_notebook(
    path: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[nbformat.NotebookNode, float]:
    """Stands for `carseg_lib.workflow.notebooks.run_notebook`: the cells in order, in one namespace, here."""
    missing = set(parameters) - notebooks.declared_parameters(path)
    assert not missing, f"{path} has no parameters {missing}"
    notebook = nbformat.read(path, as_version=4)
    namespace: dict[str, Any] = {"__name__": "__main__", "display": render}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, notebooks.BY_STAGE: "1"}.items():
            patch.setenv(name, value)
        patch.setattr("IPython.display.display", render)
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            run_cell(cell.source, namespace, f"{path.name}[{number}]")
            if "parameters" in cell.metadata.get("tags", []):
                namespace |= parameters
    return notebook, 100.0


def run_cell(source: str, namespace: dict[str, Any], name: str) -> None:
    """Execute a cell and render the value of its last expression, as a kernel does."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    if last is not None:
        render(eval(compile(ast.Expression(last.value), name, "eval"), namespace))


def render(*values: object) -> None:
    """Make what a kernel would send of each value, so that one that cannot be shown fails here too."""
    for value in values:
        forms = [getattr(value, name) for name in ("_repr_html_", "_repr_png_") if hasattr(value, name)]
        assert any(form() for form in forms) if forms else repr(value)


def study_in_process(monkeypatch: pytest.MonkeyPatch, reports: Path, *arguments: str, **variables: str) -> int:
    """`carseg run ...` in this process.

    Args:
        monkeypatch: Puts the stand-ins in place until the test ends.
        reports: The folder of runs.
        arguments: After `run`.
        variables: Of the environment.

    Returns:
        The exit code.
    """
    monkeypatch.setenv("CARSEG_REPORTS", str(reports))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    draw, drawn = style.png_bytes, WeakKeyDictionary()

    def png_bytes(figure: Figure, dpi: int = DPI) -> bytes:
        if figure not in drawn:  # saved, then shown
            drawn[figure] = draw(figure, DPI)
        return drawn[figure]

    monkeypatch.setattr(style, "png_bytes", png_bytes)
    monkeypatch.setattr(notebooks, "run_notebook", run_notebook)
    monkeypatch.setattr(notebooks, "export_html", lambda notebook, name: f"<!DOCTYPE html><title>{name}</title>")
    monkeypatch.setattr(pipeline, "_check", lambda check, run: check(run))
    return main(["run", *arguments])
