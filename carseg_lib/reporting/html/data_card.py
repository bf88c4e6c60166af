"""The data card of a run, `data.html` beside its page: what describes the photos rather than the result."""

from __future__ import annotations

from pathlib import Path

from carseg_lib.core import files
from carseg_lib.data import metadata
from carseg_lib.reporting.html import answers
from carseg_lib.reporting.html.render import render
from carseg_lib.reporting.html.run_files import RunFiles, records

NAME = "data.html"
MAX_ROWS = 200  # of a long list that the card shows


def write_data_card(run: RunFiles) -> Path:
    """Write `data.html` of a run.

    Args:
        run: its catalogue and figures may be missing; the card states so.

    Raises:
        CarsegError: A file is broken, or the card cannot be written.
    """
    catalogue = run.catalogue
    data = run.metrics["data"]
    context = {
        "run": run.metrics["run"],
        "data": data,
        "body_types": run.body_types,
        "photos": answers.kind_of_photos(run.metrics, run.rendered),
        "counts": data.get("counts") or {},
        "excluded": [] if catalogue is None else catalogue.excluded.to_dict("records"),
        "background": {} if catalogue is None else catalogue.background["split"].value_counts(sort=False).to_dict(),
        "duplicates": run.duplicates,
        "metadata": None if catalogue is None else metadata.describe_metadata(catalogue),
        "parameters": [] if catalogue is None else records(metadata.metadata_table(catalogue).reset_index()),
        "drawn": run.card_figures,
        "max_rows": MAX_ROWS,
    }
    return files.write_text(run.folder / NAME, render("data.html", context))
