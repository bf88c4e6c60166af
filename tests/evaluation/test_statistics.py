"""Simulated studies whose truth is known: a smaller number of those behind docs/statistics.md, and its tables."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carseg_lib.evaluation.average_precision import estimates_of_matches

DOCS = Path(__file__).parents[2] / "docs"


def _load():
    spec = importlib.util.spec_from_file_location("docs_simulate", DOCS / "results" / "simulate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


simulate = _load()


def covered(rows: list[dict]) -> dict[str, float]:
    return {row["number"]: row["covered"] for row in rows}


@pytest.mark.parametrize("name", list(simulate.PARTS))
def test_the_page_has_the_tables_of_the_csv_files(name):
    text = (DOCS / "statistics.md").read_text(encoding="utf-8")
    printed = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.S)[1]
    assert printed == simulate.blocks()[name]


def test_what_the_page_claims():
    tables = {name: pd.read_csv(DOCS / "results" / f"statistics-{name}.csv") for name in simulate.PARTS}
    large = tables["coverage"].query("n >= 148 and photos == 'independent'")
    assert large["covered"].between(0.93, 0.975).all() and (large["studies"] == 1000).all()
    assert tables["average-precision"]["covered"].between(0.93, 0.99).all()  # the page: 93 to 98.5%
    decisions = tables["decisions"]
    wrong = decisions[decisions["decision"].str.startswith("equivalent") & (decisions["truth"] != "accuracy 0.912")]
    assert len(wrong) == 8 and (wrong["share"] <= 0.05).all()
    ours = decisions["decision"].str.endswith("paired, photos and seeds") & decisions["truth"].str.startswith("no diff")
    assert ours.sum() == 12 and (decisions[ours]["share"] <= 0.07).all()


def test_the_simulated_matrix_is_a_distribution_of_the_stated_accuracy():
    assert simulate.ROWS.sum(axis=1) == pytest.approx(np.ones(4))
    assert pytest.approx(0.928, abs=5e-4) == simulate.SHARES @ simulate.RECALLS


def test_two_trainings_of_the_simulation_disagree_as_real_ones():
    rng = np.random.default_rng(0)
    photos = rng.standard_normal(200_000)
    pair = simulate.trainings(len(photos), 2, rng, 0.0, photos)
    assert pair.mean(axis=1) == pytest.approx([0.92, 0.92], abs=0.003)
    assert (pair[0] != pair[1]).mean() == pytest.approx(0.08, abs=0.01)


@pytest.mark.parametrize("background", [False, True])
def test_the_interval_of_ap_is_centred_below_the_value(background):
    matches = simulate.detections(148, np.random.default_rng(0), background=background)
    found = estimates_of_matches(matches, simulate.plain_ap(matches), 200, 0)["AP"]
    assert found["low"] < found["value"] < found["high"]
    assert (found["low"] + found["high"]) / 2 < found["value"] - 0.002


@pytest.mark.slow
@pytest.mark.parametrize("n", simulate.SIZES)
def test_intervals_of_the_confusion_matrix_cover(n):
    found = covered(simulate.coverage(lambda rng: simulate.classification_study(n, rng, samples=300), 250))
    assert all(0.90 <= share <= 0.99 for share in found.values()), found
    grouped = covered(simulate.coverage(lambda rng: simulate.classification_study(n, rng, 7, samples=300), 150))
    assert all(share >= 0.88 for share in grouped.values()), grouped


@pytest.mark.slow
@pytest.mark.parametrize("n", simulate.SIZES)
def test_intervals_of_ap_cover(n):
    truth = simulate.true_ap(background=False)
    study = simulate.coverage(lambda rng: simulate.ap_study(n, rng, truth, background=False, samples=100), 60)
    assert all(share >= 0.86 for share in covered(study).values()), study


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_two_baselines_of_different_seeds_are_not_told_apart(seeds):
    for spread in (0.01, 0.015):
        told = {row["decision"].split(": ")[1]: row["share"] for row in simulate.told_apart(722, seeds, spread, 0, 300)}
        assert told["paired, photos and seeds"] <= 0.08
        assert told["resampling photos alone"] >= 0.12  # what the seeds' spread does to a test that ignores it


@pytest.mark.slow
def test_slices_without_an_effect_are_hardly_named():
    named = {row["decision"].split(": ")[1]: row["share"] for row in simulate.slices_named(722, 80)}
    assert named["false discovery rate of 5%"] <= 0.12 and named["its interval excludes the mean"] >= 0.5
