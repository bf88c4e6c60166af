"""Removal of runs and caches; a run that is being made is left alone."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import folder_lock
from carseg_lib.core.paths import RESERVED_RUNS, project_folder, runs_root

logger = logging.getLogger(__name__)

KEPT = "reference"  # the committed references lie among the runs
TOOL_CACHES = (".pytest_cache", ".ruff_cache", ".mypy_cache", ".import_linter_cache", ".hypothesis")


def clean(run: str = "", *, root: Path | None = None) -> list[Path]:
    """Remove one run, or all runs and caches, and bring the list of runs up to date; each removal is logged.

    Args:
        run: Name of the run; empty removes all runs, the photos and caches beside them, parts of a rendered data set
            and the caches of tools. References stay.
        root: The repository; this one if not given.

    Returns:
        What was removed.

    Raises:
        CarsegError: There is no such run, or one of those to remove is being made; nothing is removed then.
    """
    root, reports = root or project_folder(), runs_root()
    found = [_run_folder(reports, run)] if run else list(filter(Path.exists, _everything(root, reports)))
    with ExitStack() as held:
        for path in found:
            if (path / ".lock").is_file():
                # Held until it is removed: no run begins in between.
                held.enter_context(folder_lock(path, path.name, advice="stop it, or wait; nothing was removed"))
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            logger.info("removed %s", _shown(path, root))
    _update_index(reports)
    return found


def _run_folder(reports: Path, run: str) -> Path:
    if "/" in run or run.startswith(".") or run in RESERVED_RUNS:
        raise CarsegError(f"RUN={run} is no run")
    if not (reports / run).is_dir():
        raise CarsegError(f"there is no run {run} ({_shown(reports / run, reports.parent)} is missing)")
    return reports / run


def _everything(root: Path, reports: Path) -> Iterator[Path]:
    yield from sorted(path for path in reports.glob("[!.]*") if path.name not in (KEPT, "index.html"))
    yield from (reports / name for name in (".data", ".cache", ".reruns"))
    yield from sorted((root / ".rendering").glob("*"))
    yield from (root / name for name in TOOL_CACHES)


def _update_index(reports: Path) -> None:
    """Write the list of runs again; it is gone where no run is left."""
    index = reports / "index.html"
    if not index.is_file():
        return
    for page in (index, reports / "compare.html"):  # whatever comes of the new ones, these name runs that are gone
        page.unlink(missing_ok=True)
    if any(reports.glob("*/metrics.json")):
        from carseg_lib.reporting.html.runs import write_index

        write_index(reports)


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
