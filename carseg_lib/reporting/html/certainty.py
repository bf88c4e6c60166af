"""The section "Certainty" of the page: what notebook 06 measured, if it has been run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import interval, percent, points
from carseg_lib.evaluation.certainty import read_certainty
from carseg_lib.evaluation.corruptions import CORRUPTION_COLUMNS, CORRUPTIONS, ROTATION_COLUMNS, SEVERITIES
from carseg_lib.reporting.html.run_files import RunFiles, records


def section(run: RunFiles) -> dict[str, Any]:
    """The content of the section; none where the run has no certainty.json."""
    found = read_certainty(run.folder)
    if found is None:
        return {}
    copies = found.get("near_copies")
    return {
        "stale": found["stale"],
        "numbers": _numbers(found),
        "figures": run.figures["certainty"],
        "robustness": _robustness(run, found),
        "robustness_figures": run.figures["robustness"],
        "near_copies": copies,
        "near_copies_sentence": near_copies_sentence(copies) if copies else "",
        "near_copies_figures": run.figures["near_copies"],
    }


@dataclass(frozen=True)
class Number:
    """A row of the section's first table: what was measured, on which photos, and an estimate or a plain text."""

    what: str
    photos: str
    estimate: dict[str, Any] | None = None
    text: str = ""


def _numbers(found: dict[str, Any]) -> list[Number]:
    """Calibration, selective accuracy, conformal sets and doubted labels in a few rows, as far as measured."""
    rows: list[Number] = []
    if calibration := found.get("calibration"):
        for split, part in calibration["splits"].items():
            rows.append(Number("Expected calibration error", split, part["before"]["ece"]))
            after = f"Expected calibration error at temperature {calibration['temperature']:.2f}"
            rows.append(Number(after, split, part["after"]["ece"]))
    if selective := found.get("selective"):
        for share, part in selective["by_validation"].items():
            answered = f"answered: {percent(part['coverage']['value'])}"
            what = f"Accuracy of the most confident, threshold of validation's top {percent(float(share), 0)}"
            rows.append(Number(what, f"test, {answered}", part["accuracy"]))
    for row in found.get("conformal") or []:
        if row["group"] == "all":
            what = f"Coverage of conformal sets that promise {percent(row['level'], 0)} ({row['kind']})"
            size = f"test, {row['size']:.2f} types a set"
            rows.append(Number(what, size, {end: row[name] for end, name in _COVERAGE.items()} | {"n": row["n"]}))
    if issues := found.get("label_issues"):
        photos = "validation and test"
        rows.append(Number("Labels that confident learning doubts", photos, text=f"{issues['doubted']:,}"))
        proof = pd.DataFrame(found["label_proof"])
        for name in ("precision", "recall"):
            what = f"{name.capitalize()} on 2% of labels flipped on purpose, mean of {len(proof)} draws"
            spread = f"{percent(proof[name].mean())} ({percent(proof[name].min())} to {percent(proof[name].max())})"
            rows.append(Number(what, photos, text=spread))
    return rows


_COVERAGE = {"value": "coverage", "low": "coverage_low", "high": "coverage_high"}


def near_copies_sentence(summary: dict[str, Any]) -> str:
    """What the search for near copies found, from the summary of `evaluation.near_copies.NearCopies`."""
    return (
        f"Among {summary['photos']:,} photos, {summary['pairs']:,} pairs are near copies: "
        f"{summary['missed_by_hash']:,} of them are missed by perceptual hashes, "
        f"{summary['missed_by_hash_across_splits']:,} of those across splits."
    )


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
