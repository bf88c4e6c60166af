"""The section on the readings of the paper's text: those that were trained on the photos of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from carseg_lib.reporting.html.render import FigureOnPage, figure_on_page
from carseg_lib.reporting.html.run_files import RunFiles

_FIGURES = {
    "specification_curve": "Validation accuracy of each reading with 95% interval, and its choices; the paper across.",
    "training_beside_validation": "Mean training and validation accuracy over the epochs of each reading.",
}


def section(run: RunFiles) -> dict[str, Any]:
    """The readings in the folders beside the run that are of its data: answer, table and figures of each."""
    of_data = {
        folder: results
        for folder, results in run.evidence.readings.items()
        if results["data"] == run.metrics["data"]["name"]
    }
    return {
        "experiments": [
            {
                "folder": folder,
                "answer": results.get("answer") or [],
                "epochs": results["epochs"],
                "photos": results["photos"],
                "trainings": sum(one["seeds"] for one in results["readings"]),
                "planned": results["planned"],
                "claimed": results["claimed"],
                "margin": 100 * results["margin"],
                "readings": sorted(results["readings"], key=lambda one: -one["last"]["value"]),
                "figures": _figures(run.folder.parent / folder / "figures"),
            }
            for folder, results in of_data.items()
        ]
    }


def _figures(folder: Path) -> list[FigureOnPage]:
    paths = {folder / f"{name}.png": caption for name, caption in _FIGURES.items()}
    return [figure_on_page(path, caption) for path, caption in paths.items() if path.is_file()]
