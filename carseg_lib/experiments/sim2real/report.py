"""The page of the sim-to-real experiment: one HTML file like that of a run, from results.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import percent, points
from carseg_lib.evaluation.paired import NO_DIFFERENCE, significance
from carseg_lib.experiments.results import INTERVALS, share_text
from carseg_lib.experiments.sim2real import plots
from carseg_lib.experiments.sim2real.missing import MISSING
from carseg_lib.reporting.html.render import figure_on_page, render
from carseg_lib.reporting.plots.style import save_figure

CAPTIONS = {
    "versions": "Networks trained on rendered photos alone, one for each version of the renderer, on real photos.",
    "curve": "Training on the same real photos from the rendered start and from the other one; below, the difference.",
}
VERDICTS = {"more": "is better", "less": "is worse", NO_DIFFERENCE: "makes no significant difference"}


def write_sim2real_report(folder: Path) -> Path:
    """Write versions.png, curve.png and index.html from an experiment's results.json; returns the page's path.

    Raises:
        CarsegError: results.json is missing or broken, or a file cannot be written.
    """
    path = folder / "results.json"
    if not path.is_file():
        raise CarsegError(f"{path} is missing: run make sim2real REAL=folder first.")
    results = files.read_json(path)
    drawn = {"versions": plots.versions(results), "curve": plots.curve(results)}
    saved = {name: save_figure(figure, folder / f"{name}.png") for name, figure in drawn.items()}
    pictures = {name: figure_on_page(path, CAPTIONS[name]) for name, path in saved.items()}
    context = {"results": results, "pictures": pictures, "sentences": sentences(results)}
    context["intervals"] = INTERVALS
    missing = folder / MISSING
    context["missing"] = files.read_json(missing) if missing.is_file() else None
    page = render("sim2real.html", context | {"significance": significance, "points": points})
    return files.write_text(folder / "index.html", page)


def sentences(results: Mapping[str, Any]) -> list[str]:
    """The findings in words: the last and the best version, then the points of the curve."""
    found = []
    versions = [trial for trial in results["trials"] if trial["question"] == "version"]
    if versions:
        last = versions[-1]
        found.append(
            f"A network trained on {last['photos']:,} rendered photos ({last['version']}) and no real one predicts "
            f"{share_text(last['accuracy'])} of {last['accuracy']['n']:,} real validation photos correctly; always "
            f"predicting the most frequent type would be correct for {percent(plots.most_frequent(results))}."
        )
        if overlap := last["mask_iou"]:
            found.append(
                f"Its masks have a mean IoU (intersection over union) of {share_text(overlap)} with the labelled masks."
            )
        best = max(versions, key=lambda trial: trial["accuracy"]["value"])
        if best is not last:
            significant = best["accuracy"]["low"] > last["accuracy"]["value"]
            found.append(
                f"The version {best['version']} has the highest accuracy: {percent(best['accuracy']['value'])}"
                f"{'' if significant else ', a difference within chance for so many photos'}."
            )
    found += [
        f"With {pair['photos']:,} real photos the rendered start {VERDICTS[significance(pair['accuracy'])]}: "
        f"{points(pair['accuracy'])} points of accuracy over {pair['from']} weights."
        for pair in results["differences"]
        if pair["question"] == "curve"
    ]
    return found
