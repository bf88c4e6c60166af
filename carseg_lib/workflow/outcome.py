"""What a finished run found, in a few lines for the terminal: a table of the types, our number beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.formatting import interval, percent
from carseg_lib.core.paths import RunPaths
from carseg_lib.paper.claims import HEADLINE

_SPLITS = ("validation", "test")


def outcome(run: RunPaths) -> str:
    """The numbers of a run that a reader asks for first.

    Args:
        run: finished.

    Returns:
        Lines of at most 100 characters: precision, recall and F1 of each type on test; accuracy of validation and test,
        with intervals, beside the paper's; box and mask AP; and the address of the page.
    """
    splits = files.read_json(run.metrics)["splits"]
    test = splits["test"]
    width = max(len(name) for name in (*test["per_type"], "body type"))
    lines = [f"{'body type':<{width}}  test photos  precision  recall      F1"]
    for name, scores in test["per_type"].items():
        row = [_cell(scores[measure]) for measure in ("precision", "recall", "f1")]
        lines.append(f"{name:<{width}}  {scores['support']:>11,}  {row[0]:>9}  {row[1]:>6}  {row[2]:>6}")
    for split in _SPLITS:
        lines.append(f"{split} accuracy: {_estimate(splits[split]['accuracy'])}")
    lines[-2] += f"; the paper: {percent(HEADLINE['accuracy'])}"
    aps = [f"{name} AP {_estimate(test[key])}" for name, key in (("box", "box_ap"), ("mask", "mask_ap")) if test[key]]
    lines += [f"test {', '.join(aps)}"] if aps else []
    return "\n".join([*lines, f"open: {run.page.resolve().as_uri()}"])


def _cell(found: Mapping[str, Any] | None) -> str:
    return percent(found["value"] if found else None)


def _estimate(found: Mapping[str, Any]) -> str:
    return f"{percent(found['value'])} ({interval(found)}) of {found['n']:,} photos"
