"""The section "Certainty" of the page: what notebook 06 measured, if it has been run."""

from __future__ import annotations

from typing import Any

from carseg_lib.core.formatting import interval, percent, points
from carseg_lib.evaluation.certainty import read_certainty
from carseg_lib.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from carseg_lib.evaluation.robustness import CORRUPTION_COLUMNS, ROTATION_COLUMNS
from carseg_lib.reporting.html.run_files import RunFiles, records


def section(run: RunFiles) -> dict[str, Any]:
    """The content of the section; none where the run has no certainty.json."""
    found = read_certainty(run.folder)
    if found is None:
        return {}
    return {"stale": found["stale"], "robustness": _robustness(run, found), "figures": run.figures["robustness"]}


def _robustness(run: RunFiles, found: dict[str, Any]) -> dict[str, Any] | None:
    """The tables of robustness and what they say in words; None if it was not measured."""
    summary = found.get("robustness")
    corruptions = run.table("corruptions.csv", CORRUPTION_COLUMNS)
    rotation = run.table("rotation.csv", ROTATION_COLUMNS)
    if summary is None or corruptions is None or rotation is None:
        return None
    cells = {(row["corruption"], row["severity"]): row for row in records(corruptions)}
    rows = [
        {
            "title": kind.title,
            "levels": [_estimate(cells[name, severity], "accuracy") for severity in SEVERITIES],
            **summary["corruptions"][name],
        }
        for name, kind in CORRUPTIONS.items()
    ]
    turned = [
        {
            "photo": row["photo"],
            "angle": row["angle"],
            "accuracy": _estimate(row, "accuracy"),
            "difference": points(_estimate(row, "difference")),
            "no_car_found": _estimate(row, "no_car_found"),
            "p_holm": row["p_holm"],
        }
        for row in records(rotation)
    ]
    return {
        "summary": summary,
        "severities": SEVERITIES,
        "corruptions": rows,
        "rotation": turned,
        "sentences": robustness_sentences(summary),
    }


def robustness_sentences(summary: dict[str, Any]) -> list[str]:
    """The result of robustness in sentences, from the summary of `evaluation.robustness.Robustness`."""
    clean, mean = summary["clean"], summary["mean_corruption"]
    worst = min(summary["corruptions"], key=lambda name: summary["corruptions"][name]["accuracy"]["value"])
    best = max(summary["corruptions"], key=lambda name: summary["corruptions"][name]["accuracy"]["value"])
    turned = summary["rotation"]
    texts = [
        f"On {summary['photos']:,} {summary['split']} photos as they are, accuracy is {percent(clean['value'])} "
        f"({interval(clean)}). Over eight corruptions at five severities it is {percent(mean['accuracy']['value'])} "
        f"({interval(mean['accuracy'])}) on average: {points(mean['difference'])} points.",
        f"{CORRUPTIONS[worst].title} costs most ({percent(summary['corruptions'][worst]['accuracy']['value'])} on "
        f"average, {percent(summary['corruptions'][worst]['strongest']['value'])} at severity 5), "
        f"{CORRUPTIONS[best].title.lower() if best != 'jpeg' else 'JPEG'} least "
        f"({percent(summary['corruptions'][best]['accuracy']['value'])} on average).",
        "Rotated photos, both directions together: "
        + "; ".join(f"{angle}° {percent(part['accuracy']['value'])}" for angle, part in turned.items())
        + ".",
    ]
    return texts


def _estimate(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"], "n": row["n"]}
