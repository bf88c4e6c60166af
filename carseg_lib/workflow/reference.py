"""Whether a run agrees with the committed reference of its profile and data.

A reference is a small JSON, `reports/reference/<profile>--<data name>.json`:

profile    the profile's name
data       name and fingerprint of the photos, splits, boxes and masks: these must be equal
recipe     the facts of the run that make it the profile's: these must be equal
made       when and on what the reference run was made: number format, threads, processor, versions, seed
seeds      the runs that tell the spread between seeds, the reference run first: seed, made, commit, processor,
           number_format, and numbers (value by path, of each headline number)
metrics    by path in metrics.json ("splits.test.accuracy.value"): value and, where known, low, high and n

The headline numbers are judged (`reference_tolerance`); the others are listed, and fail only if missing or not finite.
Where the circumstances of both runs are the same, the numbers should be equal to the bit, and it is said whether they
are. That is no part of the judgement: processors of one name can differ, and so does the code of another commit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.provenance import NUMBER_FORMATS
from carseg_lib.workflow.reference_tolerance import HEADLINE, expected

RECIPE = ("weights", "backbone", "parameters", "epochs", "batch_size", "image_height", "image_width", "augmentation")
MADE = (
    *("made", "carseg", "python", "system", "packages", "hardware", "threads", "number_format"),
    *("seed", "device", "num_processes", "seconds"),
)
COLUMNS = ["metric", "kind", "run", "reference", "difference", "tolerance", "ok"]


@dataclass(frozen=True)
class Comparison:
    """A run beside its reference.

    Attributes:
        table: A row a comparison: metric (path in metrics.json), kind, run, reference, difference (run - reference),
            tolerance, ok. The kinds, in this order: "equal" (profile, data, recipe: difference and tolerance are NaN),
            "headline" (judged), "information" (tolerance is NaN). A number that is missing from the run, null or not
            finite is NaN or infinite here, and not ok.
        seeds: How many runs the reference's spread between seeds is of.
        circumstances: What keeps bits from being comparable, a text each ("threads: 2, reference 4"); empty if nothing.
        numbers: How many numbers the reference has.
        unequal: How many of them are not equal to the bit.
    """

    table: pd.DataFrame
    seeds: int
    circumstances: tuple[str, ...]
    numbers: int
    unequal: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong: all that must be equal is, all numbers are there, the eight within tolerance."""
        return bool(self.table["ok"].all())


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


def build_reference(runs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the reference (see the top of this module) that later runs are compared with.

    Args:
        runs: metrics.json and provenance.json (empty if there is none) of each run, the reference run first. The others
            tell the spread between seeds.

    Raises:
        CarsegError: A number of a run is not finite, the reference run has no number with an interval, or a run is not
            of the first one's profile, data, recipe and number format, or has the seed of another.
    """
    (metrics, provenance), *_ = runs
    _check_alike([run for run, _ in runs])
    values = dict(flatten(dict(metrics)))
    estimates = {}
    for path, value in values.items():
        stem, _, last = path.rpartition(".")
        if last == "value" and f"{stem}.low" in values:
            estimates[path] = {"value": value} | {key: values[f"{stem}.{key}"] for key in ("low", "high", "n")}
    if not estimates:
        raise CarsegError("metrics.json: no number with an interval to compare by; evaluate the run first")
    judged = [path for path in HEADLINE if path in estimates]
    return {
        "profile": metrics["run"]["profile"],
        "data": {key: metrics["data"][key] for key in ("name", "fingerprint")},
        "recipe": {key: metrics["run"].get(key) for key in RECIPE},
        "made": _made(metrics, provenance),
        "seeds": [_seed(run, made, judged) for run, made in runs],
        "metrics": estimates,
    }


def compare_to_reference(
    metrics: Mapping[str, Any], provenance: Mapping[str, Any], reference: Mapping[str, Any]
) -> Comparison:
    """Compare a run, by its metrics.json and provenance.json (empty if there is none), with a reference."""
    values, estimates = dict(flatten(dict(metrics))), reference["metrics"]
    seeds = reference["seeds"]
    equal = {"run.profile": reference["profile"]}
    equal |= {f"data.{key}": value for key, value in reference["data"].items()}
    equal |= {f"run.{key}": value for key, value in reference["recipe"].items()}
    none = math.nan
    rows = [
        (path, "equal", ours := values.get(path), value, none, none, ours == value) for path, value in equal.items()
    ]
    judged = [path for path in HEADLINE if path in estimates]
    for path in judged:
        ours = _number(values.get(path))
        target = expected(estimates[path], [run["numbers"][path] for run in seeds])
        difference = ours - target.value
        # False for NaN; 1e-12 for the rounding error of the subtraction
        ok = abs(difference) <= target.tolerance + 1e-12
        rows.append((path, "headline", ours, target.value, difference, target.tolerance, ok))
    for path, estimate in estimates.items():
        if path not in HEADLINE:
            ours = _number(values.get(path))
            difference = ours - estimate["value"]
            rows.append((path, "information", ours, estimate["value"], difference, none, math.isfinite(ours)))
    rows += [
        (path, "information", value, none, none, none, False)
        for path, value in _not_finite(values)
        if path not in estimates
    ]
    return Comparison(
        pd.DataFrame(rows, columns=COLUMNS),
        len(seeds),
        tuple(_other_circumstances(_made(metrics, provenance), reference["made"])),
        len(estimates),
        sum(values.get(path) != estimate["value"] for path, estimate in estimates.items()),
    )


def compare_run(run_folder: Path, reference_folder: Path) -> Comparison:
    """Compare `reports/<run>` with the reference of its profile and data in `reports/reference`.

    Raises:
        CarsegError: The run has no metrics.json, or there is no (readable) reference for it; the message names those
            that exist. Differences do not raise.
    """
    metrics, provenance = _read_run(run_folder)
    with files.written_by_carseg(run_folder, "run make reproduce again; or restore the reference from git"):
        path = reference_path(metrics, reference_folder)
        if not path.is_file():
            known = ", ".join(sorted(file.stem for file in reference_folder.glob("*--*.json"))) or "none"
            raise CarsegError(
                f"{reference_folder}: no reference for profile '{metrics['run']['profile']}' on data "
                f"'{metrics['data']['name']}' (profile--data there: {known}); run one of these to compare"
            )
        return compare_to_reference(metrics, provenance, read_reference(path))


def read_reference(path: Path) -> dict[str, Any]:
    """Read a reference.

    Raises:
        CarsegError: The file is not readable, or lacks one of a reference's fields.
    """
    reference = files.read_json(path)
    fields = ("profile", "data", "recipe", "made", "seeds", "metrics")
    if not isinstance(reference, dict) or not set(fields) <= reference.keys():
        raise CarsegError(f"{path}: not a reference ({', '.join(fields)}); restore it from git")
    return reference


def write_reference(run_folders: Sequence[Path], reference_folder: Path) -> Path:
    """Make a run the reference of its profile and data, in place of an older one; returns the file written.

    Args:
        run_folders: The reference run, then the runs of other seeds.
        reference_folder: `reports/reference`.

    Raises:
        CarsegError: As `build_reference`, a run has no metrics.json, or the folder cannot be written.
    """
    runs = [_read_run(folder) for folder in run_folders]
    path = reference_path(runs[0][0], reference_folder)
    files.write_json(path, build_reference(runs))
    return path


def _check_alike(runs: Sequence[Mapping[str, Any]]) -> None:
    """Raise unless all runs are of one profile, data, recipe and number format, of a seed each, all numbers finite."""
    facts = ("run.profile", "data.name", "data.fingerprint", *(f"run.{key}" for key in RECIPE), "run.precision")
    first = dict(flatten(dict(runs[0])))
    seeds: dict[int, str] = {}
    for run in runs:
        name, values = run["run"]["name"], dict(flatten(dict(run)))
        for path, value in _not_finite(values):
            raise CarsegError(f"run {name}: {path} is {value} in metrics.json; such a run is no reference")
        for fact in facts:
            if values.get(fact) != first.get(fact):
                raise CarsegError(
                    f"run {name}: {fact} is {values.get(fact)}, {first.get(fact)} in run {runs[0]['run']['name']}; "
                    "runs of one reference differ in the seed alone"
                )
        seed = run["run"]["seed"]
        if seed in seeds:
            raise CarsegError(f"run {name}: seed {seed} is that of run {seeds[seed]}; give runs of different seeds")
        seeds[seed] = name


def _made(metrics: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a run's circumstances: no paths, no command."""
    run = metrics["run"]
    known = dict(provenance) | {key: run[key] for key in ("seed", "device") if key in run}
    if "precision" in run:
        known["number_format"] = NUMBER_FORMATS.get(run["precision"], run["precision"])
    return {key: known[key] for key in MADE if key in known}


def _seed(metrics: Mapping[str, Any], provenance: Mapping[str, Any], judged: Sequence[str]) -> dict[str, Any]:
    made, values = _made(metrics, provenance), dict(flatten(dict(metrics)))
    if missing := [path for path in judged if not math.isfinite(_number(values.get(path)))]:
        raise CarsegError(f"run {metrics['run']['name']}: {missing[0]} is missing in metrics.json; evaluate it again")
    return {
        "seed": metrics["run"]["seed"],
        "made": made.get("made"),
        "commit": made.get("carseg", {}).get("commit"),
        "processor": made.get("hardware", {}).get("processor"),
        "number_format": made.get("number_format"),
        "numbers": {path: values[path] for path in judged},
    }


def _other_circumstances(ours: Mapping[str, Any], reference: Mapping[str, Any]) -> Iterator[str]:
    """A text for each circumstance that changes digits and is another one, or is not known of both runs."""
    mine, theirs = _circumstances(ours), _circumstances(reference)
    for name in mine | theirs:
        if mine.get(name) is None or mine.get(name) != theirs.get(name):
            run, other = ("not recorded" if known.get(name) is None else known[name] for known in (mine, theirs))
            yield f"{name}: {run}, reference {other}"


def _circumstances(made: Mapping[str, Any]) -> dict[str, Any]:
    """What the last digits of a result depend on besides the code, None where it is not known."""
    hardware = made.get("hardware") or {}
    return {
        **{name.replace("_", " "): made.get(name) for name in ("seed", "device", "number_format", "threads")},
        "processes": made.get("num_processes"),
        "processor": hardware.get("processor"),
        "processor model": hardware.get("processor_model"),
        "GPUs": ", ".join(hardware["gpus"]) or "none" if "gpus" in hardware else None,
        "architecture": made["system"].split()[-1] if made.get("system") else None,
        "Python": made.get("python"),
        **(made.get("packages") or {"packages": None}),
    }


def _read_run(run_folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """metrics.json and provenance.json of a run; the latter empty if there is none."""
    path = run_folder / "metrics.json"
    if not path.is_file():
        raise CarsegError(f"{path}: not there, so the run is not evaluated; finish it (make reproduce) first")
    metrics = files.read_json(path)
    if not isinstance(metrics, dict) or not {"run", "data", "splits"} <= metrics.keys():
        raise CarsegError(f"{path}: not the metrics of a run; delete it and run make reproduce again")
    provenance = run_folder / "provenance.json"
    return metrics, files.read_json(provenance) if provenance.is_file() else {}


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _not_finite(values: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(path, value) for path, value in values.items() if isinstance(value, float) and not math.isfinite(value)]
