"""The paper's claims as data: the printed figures, the quotes, six statements, and our numbers beside the paper's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.claim_table import statements
from carseg_lib.paper import claims as paper
from carseg_lib.paper.claims import HEADLINE, TABLE_1


def test_table_1_is_the_printed_one():
    assert list(TABLE_1.index) == ["suv", "sedan", "convertible", "minivan"]
    assert list(TABLE_1.columns) == ["precision", "recall", "f1", "accuracy"]
    assert TABLE_1.to_numpy().tolist() == [
        [0.814, 0.781, 0.890, 0.825],
        [0.750, 0.717, 0.672, 0.876],
        [0.961, 0.527, 0.897, 0.954],
        [0.992, 0.899, 0.871, 0.927],
    ]
    assert HEADLINE == {"precision": 0.904, "recall": 0.887, "f1": 0.896, "accuracy": 0.912}


def test_rows_are_in_the_order_of_the_body_types():
    catalogue = pytest.importorskip("carseg_lib.data.catalogue")
    assert tuple(TABLE_1.index) == catalogue.BODY_TYPES


def test_claims_have_values_that_are_printed_and_names_of_their_own():
    names = [claim.what for claim in paper.CLAIMS]
    assert len(names) == len(set(names))
    for claim in paper.CLAIMS:
        words = {"four": "4", "eight": "8", "thirty": "30"}
        digits = [float(n) for n in re.findall(r"-?[\d.]+", words.get(claim.printed, claim.printed).replace(",", ""))]
        if claim.what in ("mean", "std"):  # their commas separate numbers
            digits = [float(n) for n in claim.printed.strip("[]").split(", ")]
        elif "interval" in claim.what:
            digits = [-90, 90]
        values = list(claim.value) if isinstance(claim.value, tuple) else [claim.value]
        scale = 100 if claim.printed.endswith("%") else 1
        assert digits == pytest.approx([v * scale for v in values]), claim


def test_quotes_stand_in_the_paper():
    text = Path(__file__).parents[3] / "shared" / "paper.txt"
    if not text.exists():
        pytest.skip("the paper's text is not part of the repository")
    words = " ".join(text.read_text().split())
    for claim in (*paper.CLAIMS, *paper.STATEMENTS):
        assert claim.quote in words, claim


def test_photos_of_each_split():
    assert paper.PAPER_COUNTS == {"train": 4957, "validation": 2887, "test": 590}
    assert paper.claimed_number("headline f1") == 0.896
    with pytest.raises(ValueError, match="'std' is of several numbers"):
        paper.claimed_number("std")


def test_the_papers_results_are_22_figures():
    assert len(paper.FIGURES) == len(set(paper.FIGURES)) == 22
    assert set(paper.AVERAGES) == {"average validation accuracy", "average training accuracy"}
    assert {f"headline {metric}" for metric in HEADLINE} <= set(paper.FIGURES)
    assert {f"{name} {metric}" for name in TABLE_1.index for metric in TABLE_1.columns} <= set(paper.FIGURES)


def test_six_statements_have_a_quote_and_a_test_that_exists():
    assert len(paper.STATEMENTS) == len({statement.what for statement in paper.STATEMENTS}) == 6
    for statement in paper.STATEMENTS:
        assert statement.quote and statement.tested_as.endswith(".")
        assert statement.section in ("Abstract", "IV. Methods", paper.VI, paper.VII)
        assert statement.test["name"] in statements._TESTS


def estimate(value, low, high, n=100):
    return {"value": value, "low": low, "high": high, "n": n}


@pytest.fixture
def metrics():
    row = {m: estimate(0.80, 0.75, 0.85) for m in ("precision", "recall", "f1", "accuracy")} | {"support": 25}
    split = {
        "accuracy": estimate(0.90, 0.85, 0.95, 200),
        "macro": {m: estimate(0.70, 0.65, 0.75, 200) for m in ("precision", "recall", "f1", "accuracy")},
        "per_type": {name: dict(row) for name in ("suv", "sedan", "convertible", "minivan")},
    }
    return {"splits": {"test": split}, "training": {"mean_train_accuracy": 0.8, "mean_validation_accuracy": None}}


def test_compare_with_paper(metrics):
    metrics["splits"]["test"]["per_type"]["sedan"]["f1"] = None
    table = paper.compare_with_paper(metrics, "test")
    assert list(table.columns) == ["what", "paper", "ours", "low", "high", "n"]
    assert len(table) == 2 + 4 + 16
    rows = table.set_index("what")
    assert rows.loc["headline accuracy"].to_list() == [0.912, 0.90, 0.85, 0.95, 200]
    assert rows.loc["headline recall", ["paper", "ours"]].to_list() == [0.887, 0.70]
    assert rows.loc["average training accuracy", ["paper", "ours"]].to_list() == [0.876, 0.8]
    assert np.isnan(rows.loc["average validation accuracy", "ours"])
    assert rows.loc["sedan f1", ["ours", "low", "high"]].isna().all()
    assert str(table["n"].dtype) == "Int64"


def test_compare_with_paper_names_the_splits_it_has(metrics):
    with pytest.raises(CarsegError, match=r"no split 'train' \(it has: test\)"):
        paper.compare_with_paper(metrics, "train")
