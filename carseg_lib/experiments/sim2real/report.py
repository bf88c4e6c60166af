"""The page of the sim-to-real experiment: one HTML file like that of a run, from results.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import interval, percent, points
from carseg_lib.evaluation.paired import NO_DIFFERENCE, significance
from carseg_lib.experiments.sim2real import plots
from carseg_lib.reporting.html.render import figure_on_page, render
from carseg_lib.reporting.plots.style import save_figure

CAPTIONS = {
    "versions": "Networks trained on rendered photos alone, one for each version of the renderer, on real photos.",
    "curve": "Training on the same real photos from the rendered start and from the other one; below, the difference.",
}
VERDICTS = {"more": "is better", "less": "is worse", NO_DIFFERENCE: "makes no significant difference"}


def write_sim2real_report(folder: Path) -> Path:
    """Write versions.png, curve.png and index.html from results.json.

    Args:
        folder: `reports/<run>` of a sim-to-real experiment.

    Returns:
        The path of the page.

    Raises:
        CarsegError: results.json is missing or broken, or a file cannot be written.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise CarsegError(f"{path} is missing: run make sim2real REAL=folder first.")
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
        "significance": significance,
        "points": points,
    }
    return files.write_text(folder / "index.html", render("sim2real.html", context))


def sentences(results: Mapping[str, Any]) -> list[str]:
    """The findings in words: the last and the best version, then the points of the curve."""
    found = []
    versions = [trial for trial in results["trials"] if trial["question"] == "version"]
    if versions:
        last = versions[-1]
        found.append(
            f"A network trained on {last['photos']:,} rendered photos ({last['version']}) and no real one predicts "
            f"{percent(last['accuracy']['value'])} ({interval(last['accuracy'])}) of "
            f"{last['accuracy']['n']:,} real validation photos correctly; always predicting the most frequent type "
            f"would be correct for {percent(plots.most_frequent(results))}."
        )
        if last["mask_iou"]:
            overlap = f"{percent(last['mask_iou']['value'])} ({interval(last['mask_iou'])})"
            found.append(f"Its masks have a mean IoU (intersection over union) of {overlap} with the labelled masks.")
        best = max(versions, key=lambda trial: trial["accuracy"]["value"])
        if best is not last:
            significant = best["accuracy"]["low"] > last["accuracy"]["value"]
            found.append(
                f"The version {best['version']} has the highest accuracy: {percent(best['accuracy']['value'])}"
                f"{'' if significant else ', a difference within chance for so many photos'}."
            )
    for pair in results["differences"]:
        if pair["question"] == "curve":
            found.append(
                f"With {pair['photos']:,} real photos the rendered start "
                f"{VERDICTS[significance(pair['accuracy'])]}: {points(pair['accuracy'])} points of accuracy over "
                f"{pair['from']} weights."
            )
    return found
