"""The page of "rendered to real": one HTML file like that of a run, from transfer.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import interval, percent, points
from carseg_lib.experiments.sim2real import plots as plots
from carseg_lib.experiments.sim2real.results import finding
from carseg_lib.reporting.html.render import figure_on_page, render
from carseg_lib.reporting.plots.style import save_figure

CAPTIONS = {
    "versions": "Networks trained on rendered photos alone, one for each version of the renderer, on real photos.",
    "curve": "The same real photos learned from the rendered start and from the other one; below, the difference.",
}


def write_transfer_report(folder: Path) -> Path:
    """Write versions.png, curve.png and index.html from transfer.json.

    Args:
        folder: `reports/<run>` of a transfer study.

    Returns:
        The path of the page.

    Raises:
        CarsegError: transfer.json is missing or broken, or a file cannot be written.
    """
    path = folder / "transfer.json"
    if not path.is_file():
        raise CarsegError(f"{path} is missing: run make transfer REAL=folder first.")
    results = files.read_json(path)
    drawn = {"versions": plots.versions(results), "curve": plots.curve(results)}
    pictures = {
        name: figure_on_page(save_figure(figure, folder / f"{name}.png"), CAPTIONS[name])
        for name, figure in drawn.items()
    }
    context = {
        "results": results,
        "pictures": pictures,
        "sentences": sentences(results),
        "finding": finding,
        "points": points,
    }
    return files.write_text(folder / "index.html", render("transfer.html", context))


def sentences(results: Mapping[str, Any]) -> list[str]:
    """The findings in words: the best and the last version, then the curve's ends."""
    said = []
    versions = [cell for cell in results["cells"] if cell["question"] == "version"]
    if versions:
        last = versions[-1]
        said.append(
            f"A network that saw {last['photos']:,} rendered cars ({last['version']}) and no real one answers "
            f"{percent(last['accuracy']['value'])} ({interval(last['accuracy'])}) of "
            f"{last['accuracy']['n']:,} real validation photos right; always answering the most frequent type would be "
            f"right in {percent(plots.most_frequent(results))}."
        )
        if last["mask_iou"]:
            overlap = f"{percent(last['mask_iou']['value'])} ({interval(last['mask_iou'])})"
            said.append(
                f"Its masks and the true ones overlap by {overlap} on average (intersection over union)."
            )
        best = max(versions, key=lambda cell: cell["accuracy"]["value"])
        if best is not last:
            told_apart = best["accuracy"]["low"] > last["accuracy"]["value"]
            said.append(
                f"The version {best['version']} does best: {percent(best['accuracy']['value'])}"
                f"{'' if told_apart else ', by no more than chance would do on so many photos'}."
            )
    pairs = [pair for pair in results["differences"] if pair["question"] == "curve"]
    for pair in pairs:
        word = {"more": "is better", "less": "is worse", "not told apart": "cannot be told from the other"}
        said.append(
            f"With {pair['photos']:,} real photos the rendered start {word[finding(pair['accuracy'])]}: "
            f"{points(pair['accuracy'])} points of accuracy over {pair['from']} weights."
        )
    return said
