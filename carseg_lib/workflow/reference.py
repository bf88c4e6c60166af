"""Whether a run came out like the committed reference of its profile and data.

A reference is a small JSON, `reports/reference/<profile>--<data name>.json`:

profile    the profile's name
data       name and fingerprint of the photos, splits, boxes and masks: these must be equal
recipe     the facts of the run that make it the profile's: these must be equal
made       where and when the reference run was made, for the reader; not compared
metrics    by path in metrics.json ("splits.test.accuracy.value"): value and tolerance

On one machine a rerun gives the same numbers to the bit. On another, sums are taken in another order,
training drifts apart, and the run ends with a different model of the same quality. How far two such models
may differ on the same photos is stated in the reference, a tolerance a number: the half-width of its 95%
interval, the measure of what so many photos can tell apart, and at least 0.01, because an interval may be
empty (all photos right). A tolerance is thus wide where photos are few, as for a single body type: it
catches a broken rerun, not one that is slightly worse.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError

LEAST_TOLERANCE = 0.01  # of a fraction: one percentage point
RECIPE = (
    "weights",
    "backbone",
    "parameters",
    "epochs",
    "batch_size",
    "image_height",
    "image_width",
    "augmentation",
)
MADE = ("made", "carseg", "python", "system", "packages", "hardware", "seed", "device", "workers", "seconds")
COLUMNS = ["metric", "run", "reference", "difference", "tolerance", "ok"]


def reference_path(metrics: dict[str, Any], folder: Path) -> Path:
    """Where the reference of a run's profile and data lies: ``folder / "<profile>--<data name>.json"``."""
    return folder / f"{metrics['run']['profile']}--{metrics['data']['name']}.json"


def build_reference(
    metrics: dict[str, Any], made: dict[str, Any], least_tolerance: float = LEAST_TOLERANCE
) -> dict[str, Any]:
    """The reference that later runs are compared with.

    Args:
        metrics: metrics.json of the run that others should come out like.
        made: Hardware, versions, seed and the like, for the reader.
        least_tolerance: Tolerance where half of the 95% interval is less; a fraction.

    Returns:
        The reference, see the top of this module. Every number with an interval is in it, none without one.

    Raises:
        CarsegError: A number of the run is not finite, or none has an interval.
    """
    for path, value in _numbers(metrics):
        if not math.isfinite(value):
            raise CarsegError(f"metrics.json: {path} is {value}; a run with such a number is no reference")
    expected = {
        f"{path}.value": {
            "value": estimate["value"],
            "tolerance": max(least_tolerance, (estimate["high"] - estimate["low"]) / 2),
        }
        for path, estimate in _estimates(metrics)
    }
    if not expected:
        raise CarsegError("metrics.json: no number with an interval to compare by; evaluate the run first")
    return {
        "profile": metrics["run"]["profile"],
        "data": {key: metrics["data"][key] for key in ("name", "fingerprint")},
        "recipe": {key: metrics["run"].get(key) for key in RECIPE},
        "made": made,
        "metrics": expected,
    }


def compare_to_reference(metrics: dict[str, Any], reference: dict[str, Any]) -> pd.DataFrame:
    """Compare a run with a reference.

    Args:
        metrics: metrics.json of the run.
        reference: As :func:`build_reference` returns it.

    Returns:
        A row per comparison: metric (path in metrics.json), run, reference, difference (run - reference),
        tolerance, ok. First what must be equal (profile, data, recipe: texts and numbers; difference and
        tolerance NaN), then the reference's numbers, then any other number of the run that is not finite.
        A number that is missing from the run, null or not finite is NaN or infinite here, and not ok.
    """
    equal = {"run.profile": reference["profile"]}
    equal |= {f"data.{key}": value for key, value in reference["data"].items()}
    equal |= {f"run.{key}": value for key, value in reference["recipe"].items()}
    rows: list[tuple[Any, ...]] = []
    for path, expected in equal.items():
        ours = _lookup(metrics, path)
        rows.append((path, ours, expected, math.nan, math.nan, ours == expected))
    for path, expected in reference["metrics"].items():
        ours = _lookup(metrics, path)
        if isinstance(ours, bool) or not isinstance(ours, int | float):
            ours = math.nan  # missing, null or no number
        difference = ours - expected["value"]
        ok = abs(difference) <= expected["tolerance"] + 1e-12  # False for NaN; float error of the subtraction
        rows.append((path, ours, expected["value"], difference, expected["tolerance"], ok))
    for path, value in _numbers(metrics):
        if not math.isfinite(value) and path not in reference["metrics"]:
            rows.append((path, value, math.nan, math.nan, math.nan, False))
    return pd.DataFrame(rows, columns=COLUMNS)


def mismatches(table: pd.DataFrame) -> list[str]:
    """What is not ok in a table of :func:`compare_to_reference`, a line each; empty if all is within tolerance."""
    lines = []
    for row in table[~table["ok"]].itertuples():
        if not math.isnan(row.tolerance) and not math.isfinite(row.run):
            lines.append(f"{row.metric}: missing or not finite ({row.reference:.4f} expected)")
        elif not math.isnan(row.tolerance):
            expected = f"{row.reference:.4f} ± {row.tolerance:.4f}"
            lines.append(f"{row.metric}: {row.run:.4f}, {expected} expected (off by {row.difference:+.4f})")
        elif isinstance(row.run, float) and not math.isfinite(row.run):
            lines.append(f"{row.metric}: not finite ({row.run})")
        else:
            lines.append(f"{row.metric}: {row.run}, {row.reference} expected")
    return lines


def compare_run(run_folder: Path, reference_folder: Path) -> pd.DataFrame:
    """Compare a run's folder with the committed reference of its profile and data.

    Args:
        run_folder: ``reports/<run>``, with metrics.json.
        reference_folder: ``reports/reference``.

    Returns:
        As :func:`compare_to_reference`; see :func:`mismatches`. Differences do not raise.

    Raises:
        CarsegError: The run has no metrics.json, or there is no (readable) reference for it; the message
            names those that exist.
    """
    metrics = _read_metrics(run_folder)
    path = reference_path(metrics, reference_folder)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in reference_folder.glob("*--*.json"))) or "none"
        raise CarsegError(
            f"{reference_folder}: no reference for profile '{metrics['run']['profile']}' on data "
            f"'{metrics['data']['name']}' (profile--data there: {known}); run one of these to compare"
        )
    reference = files.read_json(path)
    if not isinstance(reference, dict) or not {"profile", "data", "recipe", "metrics"} <= reference.keys():
        raise CarsegError(f"{path}: not a reference (profile, data, recipe, metrics); restore it from git")
    return compare_to_reference(metrics, reference)


def write_reference(run_folder: Path, reference_folder: Path) -> Path:
    """Make a run the reference of its profile and data; an older one is replaced.

    What it says of its making comes from provenance.json, if the run has one: no paths, no command.

    Returns:
        The file written.

    Raises:
        CarsegError: No metrics.json, numbers that are not finite, or the folder cannot be written.
    """
    metrics = _read_metrics(run_folder)
    provenance_path = run_folder / "provenance.json"
    provenance = files.read_json(provenance_path) if provenance_path.is_file() else {}
    made = {key: provenance[key] for key in MADE if key in provenance}
    made |= {key: metrics["run"][key] for key in ("seed", "device") if key in metrics["run"]}
    path = reference_path(metrics, reference_folder)
    files.write_json(path, build_reference(metrics, made))
    return path


def _read_metrics(run_folder: Path) -> dict[str, Any]:
    path = run_folder / "metrics.json"
    if not path.is_file():
        raise CarsegError(f"{path}: not there, so the run is not evaluated; finish it (make reproduce) first")
    metrics = files.read_json(path)
    if not isinstance(metrics, dict) or not {"run", "data", "splits"} <= metrics.keys():
        raise CarsegError(f"{path}: not the metrics of a run; delete it and run make reproduce again")
    return metrics


def _estimates(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Paths and contents of all {"value", "low", "high", "n"} below a node."""
    if isinstance(node, dict):
        if {"value", "low", "high"} <= node.keys():
            yield path, node
        else:
            for key, child in node.items():
                yield from _estimates(child, f"{path}.{key}" if path else str(key))


def _numbers(node: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Paths and values of all numbers below a node; list items by position."""
    if isinstance(node, int | float) and not isinstance(node, bool):
        yield path, node
    elif isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _numbers(child, f"{path}.{key}" if path else str(key))


def _lookup(metrics: dict[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none. A body type may have dots in its name."""
    if not isinstance(metrics, dict):
        return None
    if path in metrics:
        return metrics[path]
    heads = [key for key in metrics if path.startswith(f"{key}.")]
    return _lookup(metrics[max(heads, key=len)], path[len(max(heads, key=len)) + 1 :]) if heads else None
