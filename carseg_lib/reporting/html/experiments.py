"""The experiments in the list of runs: what lies in `reports/<experiment>/`, as sentences, a table and links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.formatting import interval, number, percent, points
from carseg_lib.evaluation.paired import NO_DIFFERENCE, significance

Cell = str | Mapping[str, Any] | None  # a text, or an estimate
_PAGES = {  # of an experiment, best first: file and what it is
    "index.html": "page",
    "notebooks/05_readings.html": "notebook",
    "results.md": "report",
    "elsewhere.md": "on other photos",
    "bench.md": "report",
}
_TABLES = ("results.csv", "readings.csv", "epochs.csv", "trials.csv", "elsewhere.csv", "results.json", "bench.json")


@dataclass(frozen=True)
class Experiment:
    """An experiment, as the list shows it."""

    folder: str
    kind: str
    data: str  # name of the data set; "" if its results do not say
    made: str  # ISO 8601; "" if its results do not say
    sentences: list[str]
    columns: list[str]
    rows: list[list[Cell]]
    links: list[tuple[str, str]]  # address from the list, text


def experiments(reports: Path) -> list[Experiment]:
    """The experiments beside the runs, by name of their folders.

    Args:
        reports: the folder of runs. A results.json that is of none of the experiments is no experiment.

    Raises:
        CarsegError: A file of results is broken.
    """
    found = []
    for path in sorted([*reports.glob("*/results.json"), *reports.glob("*/bench.json")]):
        results = files.read_json(path)
        kind = _kind(results) if isinstance(results, dict) else ""
        if not kind:
            continue
        sentences, columns, rows = _SHOWN[kind](results)
        data = results.get("data") or (results.get("evaluated") or {}).get("name") or ""
        made, links = str(results.get("made") or ""), list(_links(path.parent))
        found.append(Experiment(path.parent.name, kind, str(data), made, sentences, columns, rows, links))
    return found


def _kind(results: Mapping[str, Any]) -> str:
    """Which experiment results are of; "" if of none."""
    signs = {"readings": "Readings", "unseen": "Generalisation", "curve": "Sim-to-real transfer", "rows": "Benchmark"}
    named = next((kind for key, kind in signs.items() if key in results), "")
    return named or ("Ablation" if "groups" in results and "differences" in results else "")


def _links(folder: Path) -> Iterator[tuple[str, str]]:
    for name, text in _PAGES.items():
        if (folder / name).is_file():
            yield f"{folder.name}/{name}", text
    for path in [*(folder / name for name in _TABLES), *sorted(folder.glob("*.png"))]:
        if path.is_file():
            yield f"{folder.name}/{path.name}", path.name


_Shown = tuple[list[str], list[str], list[list[Cell]]]


def _readings(results: Mapping[str, Any]) -> _Shown:
    columns = ["Reading", "Trainings", "Last epoch", "Best epoch", "Mean over epochs"]
    ordered = sorted(results["readings"], key=lambda one: -one["last"]["value"])
    rows: list[list[Cell]] = [
        [one["title"], str(one["seeds"]), one["last"], one["best"], one["mean"]] for one in ordered
    ]
    return list(results.get("answer") or []), columns, rows


def _ablation(results: Mapping[str, Any]) -> _Shown:
    effects = {pair["group"]: pair for pair in results["differences"]}
    columns = ["Variant", "Trainings", "Accuracy", "Difference, points", "Mask IoU"]
    rows: list[list[Cell]] = []
    for group in results["groups"]:
        difference = (effects.get(group["group"]) or {}).get("accuracy")
        title = group.get("title") or group["group"]
        rows.append([title, str(group["trainings"]), group["accuracy"], points(difference), group["mask_iou"]])
    clear = [
        f"{name} {points(pair['accuracy'])} points"
        for name, pair in effects.items()
        if pair["accuracy"] and significance(pair["accuracy"]) != NO_DIFFERENCE
    ]
    base = results["groups"][0]
    verdict = f"Clear differences to it: {'; '.join(clear)}." if clear else "No variant differs significantly from it."
    return (
        [f"{base['group']}: {_estimate(base['accuracy'])} of the validation photos correct. {verdict}"],
        columns,
        rows,
    )


def _generalisation(results: Mapping[str, Any]) -> _Shown:
    sentences = []
    if results["unseen"]:
        every = results["unseen"][0]
        beside = f", {_estimate(every['seen'])} where training showed them" if every.get("seen") else ""
        sentences.append(f"On groups that training never showed, accuracy is {_estimate(every['unseen'])}{beside}.")
    columns = ["Training photos", "Trainings", "Accuracy", "Gain, points"]
    rows: list[list[Cell]] = [
        [number(row["photos"]), str(row["trainings"]), row["accuracy"], points(row["gain"])] for row in results["curve"]
    ]
    return sentences, columns, rows


def _sim2real(results: Mapping[str, Any]) -> _Shown:
    trials = results["trials"]
    columns = ["Training", "Photos", "Epochs", "Accuracy", "Mask IoU"]
    rows: list[list[Cell]] = [
        [one["name"], number(one["photos"]), str(one["epochs"]), one["accuracy"], one["mask_iou"]] for one in trials
    ]
    versions = [one for one in trials if one.get("question") == "version"]
    sentences = [
        f"Trained on {one['photos']:,} rendered photos alone ({one['version']}): {_estimate(one['accuracy'])} of "
        f"{one['accuracy']['n']:,} real validation photos correct."
        for one in versions[-1:]
    ]
    return sentences, columns, rows


def _benchmark(results: Mapping[str, Any]) -> _Shown:
    columns = ["What", "Unit", "torchvision", "carseg", "Ratio (above 1: carseg is better)"]
    rows: list[list[Cell]] = []
    for row in results["rows"]:
        ratio = "–" if row.get("ratio") is None else f"{row['ratio']:.3g}×"
        rows.append([row["what"], row["unit"], number(row["torchvision"]), number(row["carseg"]), ratio])
    hardware = results.get("hardware") or {}
    text = f"{hardware['processor']}, {hardware['cores']} cores; medians of interleaved repeats." if hardware else ""
    return [text] if text else [], columns, rows


def _estimate(found: Mapping[str, Any]) -> str:
    between = interval(found)
    return percent(found["value"]) + (f" ({between})" if between else "")


_SHOWN: dict[str, Callable[[Mapping[str, Any]], _Shown]] = {
    "Readings": _readings,
    "Ablation": _ablation,
    "Generalisation": _generalisation,
    "Sim-to-real transfer": _sim2real,
    "Benchmark": _benchmark,
}
