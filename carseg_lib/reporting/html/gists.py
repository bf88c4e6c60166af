"""What a folded section says, in one line beside its heading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from carseg_lib.core.formatting import interval, percent
from carseg_lib.reporting.html.run_files import RunFiles

_Gist = Callable[[RunFiles, Mapping[str, Any]], str]


def _presence(_: RunFiles, content: Mapping[str, Any]) -> str:
    found = []
    for name, part in content["found"]["without_car"].items():
        alarms = part["scores"]["score"]["false_alarms"]
        found.append(f"{percent(alarms['value'])} ({interval(alarms)}) of {part['photos']:,} ({name})")
    if not found:
        return "These data have no photos without a car."
    return f"Photos without a car that are called one: {', '.join(found)}."


def _certainty(_: RunFiles, content: Mapping[str, Any]) -> str:
    if content["robustness"]:
        return str(content["robustness"]["sentences"][0])
    return "Calibration, corrupted and rotated photos, doubted labels."


def _claims(_: RunFiles, content: Mapping[str, Any]) -> str:
    return f"{content['total']} claims: " + ", ".join(f"{n} {state}" for state, n in content["counts"].items()) + "."


def _readings(_: RunFiles, content: Mapping[str, Any]) -> str:
    first = content["experiments"][0]["answer"]
    return str(first[0]) if first else ""


def _deviations(_: RunFiles, content: Mapping[str, Any]) -> str:
    rows = content["rows"]
    differ = sum(row.state == "differs" for row in rows)
    unsaid = sum(row.state == "not stated" for row in rows)
    return (
        f"This is not an exact replication: {differ} of the {len(rows)} settings compared differ, {unsaid} are not "
        "stated in the paper."
    )


def _preprocessing(run: RunFiles, _: Mapping[str, Any]) -> str:
    made = run.metrics["run"]
    return f"{made['image_width']} × {made['image_height']} pixels, augmentation {made['augmentation']}."


def _model(run: RunFiles, _: Mapping[str, Any]) -> str:
    made = run.metrics["run"]
    return f"Mask R-CNN on {made['backbone']} from {made['weights']} weights, {made['parameters']:,} parameters."


def _evaluation(_: RunFiles, content: Mapping[str, Any]) -> str:
    return "Precision, recall, F1, accuracy and average precision of every type and split."


def _more(_: RunFiles, content: Mapping[str, Any]) -> str:
    count = len(content["figures"])
    return f"{count} figure{'' if count == 1 else 's'} of no other section."


def _summary(_: RunFiles, content: Mapping[str, Any]) -> str:
    return "The study in the form of the ML Reproducibility Challenge."


GISTS: dict[str, _Gist] = {  # by name of a section; one that is not here is not folded
    "presence": _presence,
    "certainty": _certainty,
    "claim_table": _claims,
    "readings": _readings,
    "deviations": _deviations,
    "preprocessing": _preprocessing,
    "model": _model,
    "evaluation": _evaluation,
    "more": _more,
    "summary_of_study": _summary,
}
