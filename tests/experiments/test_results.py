"""Comparison of groups of trials, its table, and its figure."""

from __future__ import annotations

import pandas as pd
import pytest

from carseg_lib.evaluation.multiple import holm
from carseg_lib.experiments.plots import effects_figure
from carseg_lib.experiments.results import compare, macro_f1, results_table


def predictions(correct: str, mask_iou: float = 0.5) -> pd.DataFrame:
    """A table of photos of suvs: "1" where the prediction is correct."""
    predicted = ["suv" if one == "1" else "sedan" for one in correct]
    return pd.DataFrame({"body_type": "suv", "predicted": predicted, "mask_iou": mask_iou})


def test_groups_are_compared_over_the_seeds_that_both_have():
    tables = {
        "base": {0: predictions("0011"), 1: predictions("0001"), 2: predictions("0000")},
        "changed": {0: predictions("0111", 0.75), 1: predictions("0011", 0.75)},
    }
    found = compare(tables, [("base", "changed"), ("base", "missing")])
    assert list(found.measure) == ["accuracy", "mask_iou"] and set(found.group) == {"changed"}
    assert list(found.value) == pytest.approx([0.25, 0.25]) and set(found.trainings) == {2}
    assert list(found.p_table) == list(holm(found.p.to_numpy()))
    assert ((found.low <= found.value) & (found.value <= found.high)).all() and set(found.n) == {4}


def test_without_masks_only_the_accuracy_is_compared():
    tables = {"base": {0: predictions("0011")}, "changed": {0: predictions("0111", float("nan"))}}
    assert list(compare(tables, [("base", "changed")]).measure) == ["accuracy"]
    empty = compare(tables, [("base", "missing")])
    assert empty.empty and {"baseline", "group", "measure", "value", "low", "high", "n"} <= set(empty.columns)


def test_macro_f1_by_hand():
    table = pd.DataFrame({"body_type": ["suv", "suv", "sedan"], "predicted": ["suv", "sedan", "sedan"]})
    assert macro_f1(table, ("suv", "sedan")) == pytest.approx(2 / 3)


def example() -> dict:
    """results.json of a baseline, a variant near it and one far from it; none has masks."""

    def group(name: str) -> dict:
        accuracy = {"value": 0.8, "low": 0.7, "high": 0.9, "n": 100}
        row = {"group": name, "title": f"what {name} does", "trainings": 1, "accuracy": accuracy}
        return row | {"mask_iou": None, "macro_f1": 0.75, "seconds": 90.0}

    def difference(name: str, value: float, low: float, high: float) -> dict:
        accuracy = {"value": value, "low": low, "high": high, "n": 100}
        return {"baseline": "base", "group": name, "trainings": 1, "accuracy": accuracy, "mask_iou": None}

    return {
        "plan": {"profile": "smoke"},
        "evaluated": {"photos": {"suv": 60, "sedan": 40}},
        "groups": [group(name) for name in ("base", "near", "far")],
        "differences": [difference("near", -0.02, -0.05, 0.01), difference("far", -0.5, -0.55, -0.45)],
    }


def test_a_far_difference_is_named_and_does_not_squeeze_the_others():
    figure = effects_figure(example(), "What each change does", "Some photos.")
    accuracy = figure.axes[0]
    assert accuracy.get_xlim()[0] == pytest.approx(-5.5)
    assert [text.get_text() for text in accuracy.texts] == ["-2.0", "-50.0"]
    assert [line.get_marker() for line in accuracy.lines].count("<") == 1
    assert not figure.axes[1].texts  # neither has masks
    assert "near -2.0; far -50.0" in figure.alt


def test_the_table_has_a_row_a_group_with_its_difference():
    lines = results_table(example()).splitlines()
    assert lines[0].startswith("Profile `smoke`, 1 seed; n = 100 validation photos.")
    assert lines[4] == "| **base**: what base does | 80.0% (70.0–90.0%) | – | 75.0% | – | – | 1.5 |"
    assert "| −2.0 (−5.0 to +1.0) |" in lines[5] and len(lines) == 7
    assert "| **−50.0 (−55.0 to −45.0)** |" in lines[6]  # significant
