"""Rendered to real: what does a network that learned from rendered cars know of photos of real ones?

Two questions, both answered on the validation photos of a real data set; its test photos are never answered.

- Versions: trained on rendered photos alone, how many real ones are answered right? One training for each version of
  the renderer, each on the same number of photos.
- Curve: from the same n real photos, in the same number of steps, what is learned with the rendered network as a
  start, and what with the profile's weights?

Each training is a cell, `reports/<run>/<cell>/` (see `carseg_lib.experiments.trials`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import use_runs_root
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.inference import choose_device
from carseg_lib.experiments.sim2real.config import Cell, TransferPlan, planned_cells, study_of, study_of_cell
from carseg_lib.experiments.sim2real.results import write_results
from carseg_lib.experiments.trials import (
    cached_catalogue,
    eval_images,
    initial_model,
    run_trial,
    trial_dataset,
)
from carseg_lib.workflow import pipeline


def run_sim2real(plan: TransferPlan, say: Callable[[str], None] = print) -> Path:
    """Make what is missing of a plan; the tables of results are written after each cell, the page at the end.

    Args:
        plan: from `transfer_plan.create_plan`.
        say: is given each line for the terminal.

    Returns:
        The page of the results.

    Raises:
        CarsegError: too few photos, a real validation photo among the rendered ones, a start that does not fit, or
            another process makes this run.
    """
    from carseg_lib.experiments.sim2real.report import write_transfer_report  # imports matplotlib

    choose_device(plan.device)
    with pipeline.run_lock(plan):
        files.remove_leftovers(plan.folder)
        say("reading the photos")
        catalogues = {data: _catalogued(plan, data) for data in (plan.real, *plan.rendered.values())}
        cells = planned_cells(plan, catalogues)
        _check(plan, cells, catalogues)
        real = catalogues[plan.real]
        judged = eval_images(real, plan.validation_photos, plan.seed)
        for number, cell in enumerate(cells, start=1):
            place = f"[{number}/{len(cells)}] {cell.name}"
            say(f"{place}: {_make(plan, cell, catalogues[cell.data], judged, say)}")
            write_results(plan, cells[:number], real, judged)
        return write_transfer_report(plan.folder)


def _make(
    plan: TransferPlan, cell: Cell, source: Catalogue, judged: Catalogue, say: Callable[[str], None]
) -> str:
    """Bring one cell up to date and say what came of it."""
    run = study_of_cell(plan, cell)
    dataset = trial_dataset(source, cell.photos, cell.seed) if cell.photos else None
    with use_runs_root(plan.folder):
        return run_trial(
            run,
            dataset,
            judged,
            {"cell": asdict(cell)},
            say,
            with_masks=source.has_masks,
            whole=cell.start == "rendered",
        )


def _catalogued(plan: TransferPlan, data: str) -> Catalogue:
    return cached_catalogue(study_of(plan, "data", data), plan.folder / "data")


def _check(plan: TransferPlan, cells: list[Cell], catalogues: Mapping[str, Catalogue]) -> None:
    """Refuse what would fail, or flatter, before hours are spent."""
    real = catalogues[plan.real]
    validation = real.split("validation").photos
    if plan.validation_photos > len(validation):
        asked = f"validation_photos asks for {plan.validation_photos:,}"
        raise CarsegError(f"REAL={plan.real} has {len(validation):,} validation photos; {asked}.")
    for data in plan.rendered.values():
        rendered = catalogues[data]
        if both := set(rendered.photos.pixel_sha256) & set(validation.pixel_sha256):
            raise CarsegError(
                f"RENDERED={data}: {len(both)} of its photos are validation photos of REAL={plan.real}."
            )
        if real.has_masks and not rendered.has_masks:
            raise CarsegError(
                f"RENDERED={data} has no masks, and REAL={plan.real} has: masks are compared too."
            )
    for cell in cells:
        if cell.photos:
            trial_dataset(catalogues[cell.data], cell.photos, cell.seed)
    if plan.start:
        initial_model(study_of_cell(plan, cells[-1]), real.has_masks, whole=True)
