"""Whether a run agrees with the committed reference of its profile and data.

A reference is a small JSON, `reports/reference/<profile>--<data name>.json`:

profile    the profile's name
data       name and fingerprint of the photos, splits, boxes and masks: these must be equal
recipe     the facts of the run that make it the profile's: these must be equal
made       where and when the reference run was made, for the reader; not compared
metrics    by path in metrics.json ("splits.test.accuracy.value"): value and tolerance

On one machine a rerun gives the same numbers to the bit; on another, training ends with a different model of the same
quality. A number's tolerance is what so many photos can resolve, the half-width of its 95% interval, and at least 0.01,
because an interval may be empty (all photos right). It is wide where photos are few, as for a single body type: it
catches a broken rerun, not one that is slightly worse.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError

LEAST_TOLERANCE = 0.01  # of a fraction: one percentage point
RECIPE = ("weights", "backbone", "parameters", "epochs", "batch_size", "image_height", "image_width", "augmentation")
MADE = ("made", "carseg", "python", "system", "packages", "hardware", "seed", "device", "num_processes", "seconds")
COLUMNS = ["metric", "run", "reference", "difference", "tolerance", "ok"]


def reference_path(metrics: Mapping[str, Any], folder: Path) -> Path:
    """Return where the reference of a run's profile and data lies: `folder / "<profile>--<data name>.json"`."""
    return folder / f"{metrics['run']['profile']}--{metrics['data']['name']}.json"


def flatten(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of every leaf of a JSON value; list items by position."""
    if isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from flatten(child, f"{path}.{key}" if path else str(key))
    else:
        yield path, node


def build_reference(metrics: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reference (see the top of this module) that later runs are compared with.

    Args:
        metrics: metrics.json of the run; the reference has every number with an interval, none without.
        made: Hardware, versions, seed and the like, for the reader.

    Raises:
        CarsegError: A number of the run is not finite, or none has an interval.
    """
    values = dict(flatten(dict(metrics)))
    for path, value in _not_finite(values):
        raise CarsegError(f"metrics.json: {path} is {value}; a run with such a number is no reference")
    expected = {}
    for path, value in values.items():
        stem, _, last = path.rpartition(".")
        if last == "value" and f"{stem}.low" in values:
            half = (values[f"{stem}.high"] - values[f"{stem}.low"]) / 2
            expected[path] = {"value": value, "tolerance": max(LEAST_TOLERANCE, half)}
    if not expected:
        raise CarsegError("metrics.json: no number with an interval to compare by; evaluate the run first")
    return {
        "profile": metrics["run"]["profile"],
        "data": {key: metrics["data"][key] for key in ("name", "fingerprint")},
        "recipe": {key: metrics["run"].get(key) for key in RECIPE},
        "made": dict(made),
        "metrics": expected,
    }


def compare_to_reference(metrics: Mapping[str, Any], reference: Mapping[str, Any]) -> pd.DataFrame:
    """Compare a run, by its metrics.json, with a reference.

    Returns:
        A row a comparison: metric (path in metrics.json), run, reference, difference (run - reference), tolerance,
        ok. First what must be equal (profile, data, recipe: difference and tolerance are NaN), then the reference's
        numbers, then any other number of the run that is not finite. A number that is missing from the run, null or
        not finite is NaN or infinite here, and not ok.
    """
    values, expected = dict(flatten(dict(metrics))), reference["metrics"]
    equal = {"run.profile": reference["profile"]}
    equal |= {f"data.{key}": value for key, value in reference["data"].items()}
    equal |= {f"run.{key}": value for key, value in reference["recipe"].items()}
    none = math.nan
    rows = [(path, ours := values.get(path), value, none, none, ours == value) for path, value in equal.items()]
    for path, row in expected.items():
        value = values.get(path)
        ours = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        difference = ours - row["value"]
        # False for NaN; 1e-12 for the rounding error of the subtraction
        ok = abs(difference) <= row["tolerance"] + 1e-12
        rows.append((path, ours, row["value"], difference, row["tolerance"], ok))
    rows += [(path, value, none, none, none, False) for path, value in _not_finite(values) if path not in expected]
    return pd.DataFrame(rows, columns=COLUMNS)


def mismatches(table: pd.DataFrame) -> list[str]:
    """Return a line for each row of a table of `compare_to_reference` that is not ok; empty if all is in tolerance."""
    return [_mismatch(row) for row in table[~table["ok"]].to_dict("records")]


def _mismatch(row: Mapping[str, Any]) -> str:
    metric, run, reference, difference, tolerance, _ = (row[column] for column in COLUMNS)
    finite = not isinstance(run, float) or math.isfinite(run)
    if math.isnan(tolerance):
        return f"{metric}: {run}, {reference} expected" if finite else f"{metric}: not finite ({run})"
    if not finite:
        return f"{metric}: missing or not finite ({reference:.4f} expected)"
    return f"{metric}: {run:.4f}, {reference:.4f} ± {tolerance:.4f} expected (off by {difference:+.4f})"


def compare_run(run_folder: Path, reference_folder: Path) -> pd.DataFrame:
    """Compare `reports/<run>` with the reference of its profile and data in `reports/reference`.

    Returns:
        As `compare_to_reference`; see `mismatches`. Differences do not raise.

    Raises:
        CarsegError: The run has no metrics.json, or there is no (readable) reference for it; the message names those
            that exist.
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
    """Make a run the reference of its profile and data, in place of an older one; returns the file written.

    Its field `made` comes from provenance.json, if the run has one: no paths, no command.

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


def _not_finite(values: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(path, value) for path, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
