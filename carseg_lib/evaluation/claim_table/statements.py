"""The paper's statements in words, judged. What is tested in place of each stands in claims.yaml (`tested_as`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from statsmodels.stats.proportion import confint_proportions_2indep

from carseg_lib.core.formatting import interval, percent, points
from carseg_lib.evaluation.bootstrap import Z
from carseg_lib.evaluation.claim_table.comparison import THIS_RUN, Comparison
from carseg_lib.evaluation.claim_table.evidence import (
    UNTRAINED,
    Evidence,
    epoch_average,
    main_split,
    other_types,
    run_on_data,
)
from carseg_lib.evaluation.claim_table.states import NOT_REPRODUCED, NOT_RUN, REPRODUCED, UNTESTABLE
from carseg_lib.evaluation.equivalence import UNDECIDED
from carseg_lib.evaluation.presence import GIVEN
from carseg_lib.paper.claims import Statement

_Judged = tuple[str, str, tuple[Comparison, ...]]  # state, why, our numbers


def judge_statement(statement: Statement, evidence: Evidence) -> _Judged:
    """The state of a statement, the reason in a sentence or two, and our numbers, those that decide first."""
    settings = dict(statement.test)
    test = _TESTS[settings.pop("name")]
    state, why, numbers = test(evidence, **settings)
    if state not in (UNTESTABLE, NOT_RUN) and (unfit := unfit_run(evidence.metrics)):
        return *unfit, numbers
    return state, why, numbers


def unfit_run(metrics: Mapping[str, Any]) -> tuple[str, str] | None:
    """State and reason of every claim that a run could decide, if it is no evidence on the paper; else None."""
    if types := other_types(metrics):
        return UNTESTABLE, f"The types of this run ({', '.join(types)}) are not the paper's four."
    if metrics["run"]["profile"] == UNTRAINED:
        return NOT_RUN, f"Profile {UNTRAINED} tests the pipeline; its model is hardly trained."
    return None


def _state(low: float, high: float) -> str:
    """Of a difference with this interval, that should lie above 0."""
    return REPRODUCED if low > 0 else NOT_REPRODUCED if high < 0 else UNDECIDED


def _measured(evidence: Evidence, name: str) -> tuple[Comparison, ...]:
    """A number of the split of the verdict: this run's, then that of runs on other data."""
    runs = [(THIS_RUN, evidence.metrics)]
    runs += [(run_on_data(run, other), other) for run, other in evidence.others.items()]
    numbers = []
    for run, metrics in runs:
        split = main_split(metrics)
        if estimate := (metrics["splits"][split].get(name) if split else None):
            numbers.append(Comparison(run, split, estimate, "", None))
    return tuple(numbers)


def _of_this_run(numbers: tuple[Comparison, ...]) -> Mapping[str, Any] | None:
    estimate = numbers[0].estimate if numbers and numbers[0].run == THIS_RUN else None
    return estimate if estimate and estimate.get("low") is not None else None


def _masks(evidence: Evidence, least_iou: float) -> _Judged:
    numbers = _measured(evidence, "mask_iou")
    masks = evidence.metrics["data"]["masks"]
    if masks == "none":
        return UNTESTABLE, "These photos have no labelled masks.", numbers
    if masks == "pseudo":
        return (
            UNTESTABLE,
            "The masks of these photos are the predictions of another network: overlap measures agreement with it.",
            numbers,
        )
    if (iou := _of_this_run(numbers)) is None:
        return NOT_RUN, "This run has no mask overlap.", numbers
    state = _state(iou["low"] - least_iou, iou["high"] - least_iou)
    where = {REPRODUCED: "above", NOT_REPRODUCED: "below", UNDECIDED: "on both sides of"}[state]
    return state, f"The interval of the mean mask overlap lies {where} {least_iou:g}.", numbers


def _detection(evidence: Evidence, most_false_alarms: float) -> _Judged:
    sets = (evidence.metrics.get("presence") or {}).get("without_car") or {}
    if not sets:
        return UNTESTABLE, "Every photo of this run shows a car: nothing tells what is found where there is none.", ()
    # photos of their own are worth more than those of the data set, which training may have been given
    name, part = next(((name, part) for name, part in sets.items() if name == GIVEN), list(sets.items())[-1])
    alarms = part["scores"]["object_score"]["false_alarms"]
    both = part["scores"]["score"]["false_alarms"]
    state = _state(most_false_alarms - alarms["high"], most_false_alarms - alarms["low"])
    why = (
        f"A car is found in {percent(alarms['value'])} ({interval(alarms)}) of {part['photos']:,} photos without one "
        f"({name}); with the second look in {percent(both['value'])} ({interval(both)})."
    )
    return state, why, ()


def _effectiveness(evidence: Evidence) -> _Judged:
    numbers = _measured(evidence, "accuracy")
    if (accuracy := _of_this_run(numbers)) is None:
        return NOT_RUN, "This run has no accuracy with an interval.", numbers
    support = [
        part["support"] for part in evidence.metrics["splits"][main_split(evidence.metrics)]["per_type"].values()
    ]
    constant = max(support) / sum(support)
    state = _state(accuracy["low"] - constant, accuracy["high"] - constant)
    return state, f"Always naming the most frequent type answers {percent(constant)} of these photos.", numbers


def _validation_above_training(evidence: Evidence) -> _Judged:
    averages = [epoch_average(f"average {split} accuracy", evidence) for split in ("validation", "training")]
    numbers = tuple(Comparison(THIS_RUN, photos, mean, "", None) for photos, mean in filter(None, averages))
    state, whys = NOT_RUN, ["This run has no accuracies by epoch."]
    if len(numbers) == 2:
        validation, training = (number.estimate for number in numbers)
        counts = [part for mean in (validation, training) for part in (mean["value"] * mean["n"], mean["n"])]
        low, high = confint_proportions_2indep(*counts, method="newcomb")
        difference = {"value": validation["value"] - training["value"], "low": low, "high": high}
        state = _state(low, high)
        whys = [f"Validation less training in this run, in points: {points(difference)}."]
    readings = [reading for found in evidence.readings.values() for reading in found["readings"] if reading.get("mean")]
    if readings:  # they are the paper's recipe, which the run need not be
        shown = sum(reading["mean"]["low"] > reading["training_running"] for reading in readings)
        state = REPRODUCED if shown else NOT_REPRODUCED
        whys.insert(
            0, f"Under {shown} of {len(readings)} readings validation lies above training on augmented batches."
        )
    return state, " ".join(whys), numbers


def _choices(evidence: Evidence, without: Mapping[str, str]) -> _Judged:
    """Readings with and without something, in pairs that differ in one choice alone.

    Args:
        evidence: with the readings.
        without: for each choice that is compared, the option that lacks the thing.

    Returns:
        Reproduced if each choice that has pairs is better with it; not reproduced if one is worse.
    """
    states, whys = [], []
    for choice, option in without.items():
        if pairs := list(_pairs(evidence.readings, choice, option)):
            difference = _mean_difference(pairs)
            states.append(_state(difference["low"], difference["high"]))
            whys.append(
                f"Last epoch, {choice} less {option.replace('_', ' ')}, in points: {points(difference)} "
                f"(pairs of readings: {len(pairs)})."
            )
    if not states:
        return NOT_RUN, "One run cannot tell, and no two trained readings of the paper differ in this alone.", ()
    state = NOT_REPRODUCED if NOT_REPRODUCED in states else UNDECIDED if UNDECIDED in states else REPRODUCED
    return state, " ".join(whys), ()


def _mean_difference(pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, float]:
    """The mean difference of pairs of readings, first less second, with a 95% interval.

    The estimates are taken as independent; of the same photos they are not, which makes the interval too wide.
    """
    differences = [first["last"]["value"] - second["last"]["value"] for first, second in pairs]
    variances = [((e["high"] - e["low"]) / (2 * Z)) ** 2 for pair in pairs for e in (one["last"] for one in pair)]
    mean, half = math.fsum(differences) / len(pairs), Z * math.sqrt(math.fsum(variances)) / len(pairs)
    return {"value": mean, "low": mean - half, "high": mean + half}


def _pairs(
    readings: Mapping[str, Mapping[str, Any]], choice: str, without: str
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for found in readings.values():
        trained = [reading for reading in found["readings"] if choice in reading["choices"] and reading.get("last")]
        lacking = {_rest(r, choice): r for r in trained if r["choices"][choice] == without}
        for reading in trained:
            if reading["choices"][choice] != without and (other := lacking.get(_rest(reading, choice))):
                yield reading, other


def _rest(reading: Mapping[str, Any], choice: str) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, option) for name, option in reading["choices"].items() if name != choice))


def _untestable(_: Evidence) -> _Judged:
    return UNTESTABLE, "A prospect that no run can confirm or refute.", ()


_TESTS: dict[str, Callable[..., _Judged]] = {  # by their name in claims.yaml
    "masks": _masks,
    "detection": _detection,
    "effectiveness": _effectiveness,
    "validation_above_training": _validation_above_training,
    "choices": _choices,
    "untestable": _untestable,
}
