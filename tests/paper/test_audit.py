import re
from pathlib import Path

import numpy as np
import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.paper import audit as paper_audit
from carseg_lib.paper import claims as paper
from carseg_lib.paper import verdicts
from carseg_lib.paper.claims import HEADLINE, TABLE_1
from carseg_lib.paper.verdicts import CONSISTENT, IMPOSSIBLE, NOT_THIS_READING, ONE_EVALUATION, UNKNOWN, WHATEVER
from tests.paper.quotes import HASHES, hashes_of, is_of_the_paper

# --- the claims


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


def test_quotes_are_the_papers_words():
    for claim in paper.CLAIMS:
        assert is_of_the_paper(claim.quote), claim
    assert not is_of_the_paper("the average validation accuracy was 91.3%")
    assert not is_of_the_paper("Mask R-CNN")


def test_the_hashes_are_of_the_papers_text():
    text = Path(__file__).parents[3] / "shared" / "paper.txt"
    if not text.exists():
        pytest.skip("the paper's text is not part of the repository; its hashes are")
    assert hashes_of(text.read_text(encoding="utf-8")) == set(HASHES.read_text(encoding="ascii").split())
    words = " ".join(text.read_text(encoding="utf-8").split())
    for claim in paper.CLAIMS:
        assert claim.quote in words, claim


def test_the_texts_of_the_checks_are_complete():
    texts = verdicts.CHECKS
    assert list(texts) == ["setup", "whole_photos", "masks", "table", "averages", "headline"]
    names = {claim.what for claim in paper.CLAIMS}
    for check in texts["setup"]:
        assert set(check["claims"]) <= names
        if "split" in check:
            assert check.keys() == {"claims", "split"} and f"{check['split']} photos" in names
        else:
            assert check.keys() == {"claims", "check", "scope", "working", "implied", "verdict", "why"}
            assert check["verdict"] in (CONSISTENT, UNKNOWN)
    for part in ("table", "averages", "headline"):
        for name, check in texts[part].items():
            assert check.keys() >= {"check", "scope", "working", "implied", "possible"}, name
            assert check["scope"] in verdicts.SCOPES
            assert all(isinstance(text, str) for text in check.values())


def test_photos_of_each_split():
    assert paper.PAPER_COUNTS == {"train": 4957, "validation": 2887, "test": 590}
    assert paper.claimed_number("headline f1") == 0.896
    with pytest.raises(ValueError, match="'std' is of several numbers"):
        paper.claimed_number("std")


# --- the audit as a whole


@pytest.fixture(scope="module")
def audit():
    return paper_audit.audit()


def test_every_number_of_the_paper_has_a_verdict(audit):
    assert tuple(audit.columns) == verdicts.COLUMNS
    assert set(audit["verdict"]) == set(verdicts.VERDICTS)
    judged = {name for claims in audit["claim"] for name in claims.split(", ")}
    assert judged == {claim.what for claim in paper.CLAIMS} | {"boxes and masks"}
    texts = audit[["claim", "place", "check", "scope", "working", "implied", "verdict", "why"]]
    assert texts.map(lambda text: isinstance(text, str) and text != "").all(axis=None)
    assert not texts.map(lambda text: "{" in text or "}" in text).any(axis=None)
    assert audit.equals(paper_audit.audit()) and audit is not paper_audit.audit()


def test_verdicts(audit):
    def verdict(claim: str, check: str) -> str:
        rows = audit[(audit["claim"] == claim) & audit["check"].str.contains(check, regex=False)]
        assert len(rows) == 1, (claim, check, len(rows))
        return rows["verdict"].iloc[0]

    for name in TABLE_1.index:
        assert verdict(f"{name} f1", "F1 from precision and recall") == IMPOSSIBLE
    whole = audit.set_index("check")["verdict"]
    for check in (
        "the implied shares make 1",
        "one confusion matrix for precision, recall, f1, accuracy",
        "which columns contradict each other",
        "the fewest cells that must be wrong",
        "the fewest cells that must be wrong, if the accuracy is of the same photos",
    ):
        assert whole[check] == IMPOSSIBLE
    assert whole["as many predictions as photos"] == UNKNOWN
    assert whole["the split's sum"] == CONSISTENT
    assert whole["validation above training"] == UNKNOWN
    assert verdict("flip interval, rotation interval", "III against V") == UNKNOWN
    for metric in TABLE_1.columns:
        assert verdict(f"headline {metric}", "macro average of the table's column") == NOT_THIS_READING
    assert verdict("headline f1", "F1 against headline") == CONSISTENT  # 0.89542 at most 0.89592 ≥ 0.8955
    assert verdict("headline f1", "harmonic mean") == CONSISTENT  # the same, as a reading
    assert verdict("headline f1", "macro average of the column accuracy") == CONSISTENT  # 0.8950 … 0.8960
    assert verdict("headline accuracy", "by support") == NOT_THIS_READING  # at most 0.9104
    assert verdict("headline accuracy", "by recall") == IMPOSSIBLE
    assert verdict("headline accuracy", "each photo predicted") == NOT_THIS_READING
    assert verdict("headline accuracy", "without a prediction") == IMPOSSIBLE
    for photos, fits in (("590", False), ("2,887", False), ("4,957", True), ("8,434", True)):
        assert whole.filter(like=f"rows as whole photos, {photos}").to_list() == [
            CONSISTENT if fits else NOT_THIS_READING
        ]


def test_whole_photos_of_the_headline(audit):
    rows = audit[audit["check"].str.startswith("whole photos of the test split")].set_index("claim")
    # 538 of 590 is 91.2%; no count is 90.4, 88.7 or 89.6%
    assert rows["implied"].to_dict() == {
        "headline accuracy": "538", "headline precision": "none", "headline recall": "none", "headline f1": "none"
    }  # fmt: skip
    assert (rows["verdict"] == NOT_THIS_READING).sum() == 3
    rows = audit[audit["check"].str.contains("whole photos of the (?:validation|training) split")]
    assert len(rows) == 4 and set(rows["verdict"]) == {UNKNOWN}  # some count always fits


def test_only_what_needs_no_unstated_reading_is_impossible(audit):
    impossible = audit[audit["verdict"] == IMPOSSIBLE]
    assert set(impossible["scope"]) == {WHATEVER, ONE_EVALUATION} and len(impossible) == 12
    assert set(audit[audit["verdict"] == NOT_THIS_READING]["scope"]) == {verdicts.THIS_READING}
    # P + R - 1 <= F1 <= 2PR/(P+R) for means: sedan 0.466 ... 0.734 contains 0.672; the others stay outside
    scopes = {row.claim: row.scope for row in impossible.itertuples() if row.claim.endswith(" f1")}
    assert [name for name, scope in scopes.items() if scope == ONE_EVALUATION] == ["sedan f1"]
    assert len(scopes) == 4


def test_every_figure_has_one_verdict(audit):
    figures = paper_audit.figure_verdicts(audit).set_index("claim")
    assert list(figures.columns) == ["printed", "verdict", "scope", "why"]
    assert set(figures.index) == {claim.what for claim in paper.CLAIMS} | {"boxes and masks"}
    for name in TABLE_1.index:
        for metric in TABLE_1.columns:
            assert figures.loc[f"{name} {metric}", "verdict"] == IMPOSSIBLE
    assert figures.loc["headline accuracy", "verdict"] == IMPOSSIBLE  # if of the photos of Table 1
    assert figures.loc["headline precision", "verdict"] == figures.loc["headline recall", "verdict"] == NOT_THIS_READING
    assert figures.loc["headline f1", ["printed", "verdict"]].to_list() == ["89.6%", CONSISTENT]
    assert "column accuracy" in figures.loc["headline f1", "why"] and "harmonic" in figures.loc["headline f1", "why"]
    assert figures.loc["average validation accuracy", "verdict"] == UNKNOWN
    assert figures.loc["input size", "verdict"] == UNKNOWN


def test_workings_show_the_numbers(audit):
    rows = audit.set_index(["claim", "check"])
    f1 = rows.loc[("suv f1", "F1 from precision and recall")]
    assert "2·0.814·0.781/(0.814+0.781) = 0.7972" in f1["working"] and f1["implied"] == "0.7967…0.7977"
    by_check = audit.set_index("check")
    shares = by_check.loc["the implied shares make 1"]
    assert shares["working"] == "0.440 + 0.238 + 0.093 + 0.674 = 1.445" and shares["implied"] == "1.4299…1.4608"
    assert by_check.loc["the split's sum", "working"].startswith("4,957 + 2,887 + 590 = 8,434; 58.8%")
    assert by_check.loc["steps of the training", "working"] == "30·620 = 18,600"
    assert "√(0.912·0.088/2,887 + 0.876·0.124/4,957) = 0.71" in by_check.loc["validation above training", "working"]
    fewest = by_check.loc["the fewest cells that must be wrong"]
    assert fewest["implied"].startswith("5 of 16; 5 if each photo has a prediction (5 sets")
    assert fewest["working"].startswith("116 sets of 5 of the 16 cells would do")
    assert by_check.loc["one confusion matrix for precision, recall, f1, accuracy", "implied"].startswith("none; the")


# --- beside our numbers


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
