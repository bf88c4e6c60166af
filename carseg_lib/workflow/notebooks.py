"""Notebooks: their code, running them with papermill, refusing an incomplete run, export to HTML."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg_lib.core import files
from carseg_lib.core.environment import environment_variables, thread_waiting
from carseg_lib.core.errors import CarsegError, exhaustion, without_secrets
from carseg_lib.workflow.live import live_bar
from carseg_lib.workflow.memory import MemoryWatch

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERNEL = "carseg"
# Of tqdm, where ipywidgets are not installed; it would put a path into the notebook.
NO_WIDGET_WARNING = {"PYTHONWARNINGS": "ignore:IProgress not found"}
BY_STAGE = "CARSEG_BY_STAGE"  # set for notebooks that a stage runs, not for those that a user opens
_ERROR_LINE = re.compile(r"\w*Error\b")  # of a traceback: an error, or its cause
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Without the blocks of nbconvert's page that load scripts from the web (MathJax, RequireJS, Mermaid), and with numbers
# of cells and comments of code that are dark enough to be read.
_OFFLINE_PAGE = """{% extends 'lab/index.html.j2' %}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
:root { --jp-cell-prompt-not-active-opacity: 1; }
.highlight .c1, .highlight .c { color: #2f6363 !important; }
.highlight .ow { color: #7718b3 !important; }
</style>
{%- endblock -%}
"""
_LINK_TO_NOTEBOOK = re.compile(r'<a href="[^":/]+\.ipynb">(.*?)</a>')
_LOADS_FROM_THE_WEB = re.compile(
    r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=\s*[\"']?(?:https?:)?//[^\s\"'>]*", re.I
)


class NotebookFailedError(Exception):
    """A cell raised something that is not a CarsegError; the text is the traceback."""


def notebook_code(path: Path) -> str:
    """Return the source of a notebook's code cells, each ending with a newline.

    Raises:
        CarsegError: The file is missing or is no notebook.
    """
    return "".join(text + "\n" for kind, text in _cells(path) if kind == "code")


def notebook_prose(path: Path) -> str:
    """Return a digest of the text between a notebook's code; the executed copy shows that text."""
    return files.sha256_text("\0".join(text for kind, text in _cells(path) if kind != "code"))


def _cells(path: Path) -> list[tuple[str, str]]:
    content = files.read_json(path)
    with files.written_by_carseg(path, "restore it from git"):
        return [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]


def declared_parameters(path: Path) -> set[str]:
    """Return the names that the cell tagged "parameters" of a notebook assigns.

    Raises:
        CarsegError: There is no such cell.
    """
    content = files.read_json(path)
    with files.written_by_carseg(path, "restore it from git"):
        cells = [cell for cell in content["cells"] if "parameters" in cell.get("metadata", {}).get("tags", [])]
        source = "".join(cells[0]["source"]) if cells else ""
    if not cells:
        raise CarsegError(f"{path} has no cell tagged 'parameters': tag the cell that says run_name = \"quick\".")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise CarsegError(f"{path}: its cell tagged 'parameters' is not Python ({error}).") from None
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def run_notebook(
    path: Path, parameters: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[NotebookNode, float]:
    """Execute a notebook in a fresh kernel of this Python; its output appears on the terminal at once.

    Args:
        path: The notebook; its folder is the kernel's working folder.
        parameters: Values for its parameters cell.
        environment: Variables for the kernel, besides those of this process.

    Returns:
        The executed notebook, all cells run, without paths of this machine in its metadata; and the peak memory of
        this process and of all that it started, MB.

    Raises:
        CarsegError: A parameter is not one of the notebook's, or a cell raised a CarsegError (its text).
        NotebookFailedError: A cell failed otherwise, was not run, or the kernel died.
    """
    if unknown := set(parameters) - declared_parameters(path):
        raise CarsegError(f"{path}: its parameters cell has no {', '.join(sorted(unknown))}.")
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.ERROR)  # it warns of parameters, which are checked above
    source = nbformat.read(path, as_version=4)
    with live_bar(), _own_kernel(environment), MemoryWatch() as watch:
        try:
            # No output path: write_executed writes the notebook once the run is known to be complete.
            executed = papermill.execute_notebook(
                source,
                None,
                parameters=dict(parameters),
                kernel_name=KERNEL,
                language="python",
                cwd=path.parent,
                progress_bar=False,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                start_timeout=120,
            )
        except papermill.PapermillExecutionError as error:
            if error.ename == "CarsegError":
                raise CarsegError(" ".join(str(error.evalue).split())) from error
            trace = without_secrets(_ANSI.sub("", "\n".join(error.traceback) or f"{error.ename}: {error.evalue}"))
            causes = [line for line in trace.splitlines() if _ERROR_LINE.match(line)]
            if exhausted := exhaustion("\n".join([f"{error.ename}: {error.evalue}", *causes])):
                raise exhausted from error
            raise NotebookFailedError(f"{path.name}, cell [{error.exec_count}]:\n{trace}") from error
        except DeadKernelError as error:
            raise NotebookFailedError(
                f"{path.name}: its kernel died, perhaps for want of memory (peak: {watch.peak_mb:,.0f} MB). "
                "The same command resumes after the last epoch."
            ) from error
        finally:
            watch.end_processes()
    _check_complete(executed, path.name)
    executed.metadata["papermill"].update(input_path=f"notebooks/{path.name}", output_path=None)
    return executed, round(watch.peak_mb, 1)


def _check_complete(notebook: NotebookNode, name: str) -> None:
    """Refuse a notebook with a cell that failed or never ran: sys.exit(0) in a cell ends papermill without error."""
    for number, cell in enumerate(notebook.cells, start=1):
        failed = any(output.output_type == "error" for output in cell.get("outputs", []))
        status = cell.metadata.get("papermill", {}).get("status")
        if cell.cell_type == "code" and (failed or status != "completed"):
            what = "ended the notebook early" if failed else "was not run"
            raise NotebookFailedError(f"{name}: cell {number} {what}; the cells after it were not run.")


def export_html(notebook: NotebookNode, title: str) -> str:
    """Return the notebook as one HTML page that loads nothing from the network; links to notebooks become their names.

    Raises:
        CarsegError: The page would load something from the web (an image by its address in a markdown cell).
    """
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(raw_template=_OFFLINE_PAGE, embed_images=True)
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    if found := _LOADS_FROM_THE_WEB.search(page):
        raise CarsegError(f"{title}: the page would load from the web: {found.group(0)[:200]}")
    return _LINK_TO_NOTEBOOK.sub(r"\1", page)


@contextmanager
def _own_kernel(environment: Mapping[str, str]) -> Iterator[None]:
    """Register a kernel of this Python, found before any other; the user's IPython settings are not read."""
    with tempfile.TemporaryDirectory(prefix="carseg-", ignore_cleanup_errors=True) as folder:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
        spec = {"argv": argv, "display_name": KERNEL, "language": "python"}
        files.write_json(Path(folder, "kernels", KERNEL, "kernel.json"), spec)
        changed = {
            **thread_waiting(),
            **environment,
            "JUPYTER_PATH": folder,
            "IPYTHONDIR": str(Path(folder, "ipython")),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",  # "agg" would drop every figure
            BY_STAGE: "1",
            "TQDM_DISABLE": "1",  # progress bars would fill the notebook
            **NO_WIDGET_WARNING,
        }
        with environment_variables(changed):
            yield


def write_executed(notebook: NotebookNode, folder: Path, name: str) -> list[Path]:
    """Write an executed notebook and its HTML page, each atomically; returns their paths."""
    page = export_html(notebook, name)
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    return [files.write_text(folder / f"{name}.ipynb", text), files.write_text(folder / f"{name}.html", page)]
