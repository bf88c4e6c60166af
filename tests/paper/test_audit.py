import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from carseg_lib.paper import arithmetic as arithmetic
from carseg_lib.paper import audit as paper_audit
from carseg_lib.paper import claims as paper
from carseg_lib.paper import table_audit
from carseg_lib.paper.claims import HEADLINE, TABLE_1
from carseg_lib.paper.table_audit import CONSISTENT, IMPOSSIBLE, NOT_THIS_READING, UNKNOWN

ROW = {name: tuple(TABLE_1.loc[name, ["precision", "recall", "accuracy"]]) for name in TABLE_1.index}


def test_the_texts_of_the_checks_are_complete():
    texts = paper.read_texts("checks.yaml")
    assert list(texts) == ["setup", "masks", "table", "headline"]
    names = {claim.what for claim in paper.CLAIMS}
    for check in texts["setup"]:
        assert set(check["claims"]) <= names
        if "photos" in check:
            assert check.keys() == {"claims", "check", "scope", "photos", "why"} and check["photos"] in names
        else:
            assert check.keys() == {"claims", "check", "scope", "working", "implied", "verdict", "why"}
            assert check["verdict"] in (CONSISTENT, UNKNOWN)
    for part in ("table", "headline"):
        for name, check in texts[part].items():
            more = {"unknown"} if name == "predictions" else set()
            assert check.keys() == {"check", "scope", "working", "implied", "possible", "impossible"} | more
            assert check["scope"] in table_audit.SCOPES
            assert all(isinstance(text, str) for text in check.values())


# --- the formulas, by hand


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("suv", 1.271468 / 1.595),  # 2 · 0.814 · 0.781 = 1.271468; 0.814 + 0.781 = 1.595
        ("sedan", 1.0755 / 1.467),  # 2 · 0.750 · 0.717; 0.750 + 0.717
        ("convertible", 1.012894 / 1.488),  # 2 · 0.961 · 0.527; 0.961 + 0.527
        ("minivan", 1.783616 / 1.891),  # 2 · 0.992 · 0.899; 0.992 + 0.899
    ],
)
def test_f1_of_the_rows_is_not_the_printed_one(name, by_hand):
    precision, recall, _ = ROW[name]
    assert arithmetic.f1(precision, recall) == pytest.approx(by_hand, abs=1e-12)
    low, high = arithmetic.f1_interval(precision, recall)
    assert low < by_hand < high and high - low < 0.0012
    printed = TABLE_1.loc[name, "f1"]
    assert not low - 0.0005 <= printed <= high + 0.0005


def test_f1_interval_ends_by_hand():
    # SUV: 2 · 0.8135 · 0.7805 / 1.594 = 1.2698735/1.594 and 2 · 0.8145 · 0.7815 / 1.596 = 1.2730635/1.596
    assert arithmetic.f1_interval(0.814, 0.781) == pytest.approx((1.2698735 / 1.594, 1.2730635 / 1.596))
    assert arithmetic.f1_interval(0.0, 0.0) == pytest.approx((0.0, 0.0005))


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("suv", 0.4403),  # 0.175 / (0.219 + 0.781 · 0.186/0.814 = 0.17846) = 0.175 / 0.39746
        ("sedan", 0.2375),  # 0.124 / (0.283 + 0.717 · 0.250/0.750 = 0.23900) = 0.124 / 0.52200
        ("convertible", 0.0930),  # 0.046 / (0.473 + 0.527 · 0.039/0.961 = 0.02139) = 0.046 / 0.49439
        ("minivan", 0.6744),  # 0.073 / (0.101 + 0.899 · 0.008/0.992 = 0.00725) = 0.073 / 0.10825
    ],
)
def test_support_share_by_hand(name, share):
    assert arithmetic.support_share(*ROW[name]) == pytest.approx(share, abs=5e-5)
    low, high = arithmetic.support_share_interval(*ROW[name])
    assert low < share < high


def test_support_shares_come_to_145_percent():
    assert sum(arithmetic.support_share(*row) for row in ROW.values()) == pytest.approx(1.445, abs=5e-4)
    spans = [arithmetic.support_share_interval(*row) for row in ROW.values()]
    assert sum(low for low, _ in spans) == pytest.approx(1.430, abs=5e-4)
    assert sum(high for _, high in spans) == pytest.approx(1.461, abs=5e-4)


def test_support_share_of_a_matrix_by_hand():
    # 100 photos, 40 of the type: 30 found, 10 missed, 10 false alarms. P = R = 30/40, A = 80/100.
    assert arithmetic.support_share(0.75, 0.75, 0.80) == pytest.approx(0.40)
    assert np.isnan(arithmetic.support_share(0.0, 0.0, 0.9)) and np.isnan(arithmetic.support_share(1.0, 1.0, 1.0))
    assert arithmetic.support_share_interval(1.0, 1.0, 1.0) == (0.0, 1.0)  # nothing wrong: any share
    # none found: the type is at most the 10.05% that are wrong
    low, high = arithmetic.support_share_interval(0.0, 0.0, 0.9)
    assert low == 0.0 and high == pytest.approx(0.1005, abs=1e-4)


@pytest.mark.parametrize(
    ("metric", "mean"), [("precision", 0.87925), ("recall", 0.731), ("f1", 0.8325), ("accuracy", 0.8955)]
)  # sums 3.517, 2.924, 3.330, 3.582
def test_macro_averages_by_hand(metric, mean):
    assert arithmetic.mean_interval(TABLE_1[metric]) == pytest.approx((mean - 0.0005, mean + 0.0005))
    assert not arithmetic.overlap(
        arithmetic.mean_interval(TABLE_1[metric]), arithmetic.rounding_interval(HEADLINE[metric])
    )


def test_overall_accuracy_that_the_table_allows():
    assert arithmetic.accuracy_from_recalls(TABLE_1) == pytest.approx((0.5265, 0.8995))
    # errors 0.175 + 0.124 + 0.046 + 0.073 = 0.418 ± 0.002; halved 0.209 ± 0.001
    assert arithmetic.accuracy_from_errors(TABLE_1, all_predicted=True) == pytest.approx((0.790, 0.792))
    assert arithmetic.accuracy_from_errors(TABLE_1, all_predicted=False) == pytest.approx((0.580, 0.792))


def test_predictions_are_fewer_than_photos():
    # the largest R/P at its most: 0.7815/0.8135 (SUV); the smallest at its least: 0.5265/0.9615 (convertible)
    low, high = arithmetic.predicted_interval(TABLE_1)
    assert low == pytest.approx(0.5265 / 0.9615) and high == pytest.approx(0.7815 / 0.8135)


def test_counts_of_right_photos():
    assert arithmetic.correct_counts(0.912, 2887) == range(2632, 2635)  # 2631.50 … 2634.39
    assert arithmetic.correct_counts(0.876, 4957) == range(4340, 4345)  # 4339.85 … 4344.81
    assert arithmetic.correct_counts(0.912, 590) == range(538, 539)  # 537.79 … 538.38
    assert len(arithmetic.correct_counts(0.887, 590)) == 0  # 523.04 … 523.63
    assert arithmetic.correct_counts(0.5, 2) == range(1, 2)
    assert arithmetic.correct_counts(1.0, 7) == range(7, 8) and arithmetic.correct_counts(0.0, 7) == range(0, 1)


def test_no_matrix_gives_table_1_but_parts_of_it_fit():
    assert not arithmetic.matrix_exists(TABLE_1)
    assert arithmetic.matrix_exists(TABLE_1, ("precision", "recall"))
    assert not arithmetic.matrix_exists(TABLE_1, ("precision", "recall", "f1"))
    least = arithmetic.smallest_half_width(TABLE_1)
    assert arithmetic.matrix_exists(TABLE_1, half_width=least)
    assert not arithmetic.matrix_exists(TABLE_1, half_width=least - 2e-4)
    assert 0.015 < least < 0.020


def test_no_weighting_of_the_rows_gives_the_headline():
    rates = {metric: HEADLINE[metric] for metric in ("precision", "recall", "f1")}
    assert arithmetic.weighting_gap(TABLE_1, rates) > 0.02
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    own = {metric: float(weights @ TABLE_1[metric]) for metric in rates}
    assert arithmetic.weighting_gap(TABLE_1, own) == pytest.approx(0.0, abs=1e-9)
    # precision alone: all weight on minivan misses 0.995 by 0.003
    assert arithmetic.weighting_gap(TABLE_1, {"precision": 0.995}) == pytest.approx(0.003)


# --- what a real matrix gives is never called impossible


def report(matrix: np.ndarray) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Table and averages, to three decimals, of photos counted by (4 true types, 4 answers + none)."""
    truth, answers = (np.repeat(index, matrix.ravel()) for index in (i.ravel() for i in np.indices(matrix.shape)))
    kinds = range(4)
    columns = precision_recall_fscore_support(truth, answers, labels=kinds, zero_division=0)
    accuracy = [np.mean((truth == kind) == (answers == kind)) for kind in kinds]
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1"), columns, strict=False)), index=TABLE_1.index)
    table["accuracy"] = accuracy
    averages = {}
    for how in ("macro", "weighted", "micro"):
        *values, _ = precision_recall_fscore_support(truth, answers, labels=kinds, average=how, zero_division=0)
        averages[how] = dict(zip(("precision", "recall", "f1"), values, strict=True))
        averages[how]["accuracy"] = np.mean(truth == answers)
    averages["macro"]["mean one-vs-rest"] = np.mean(accuracy)
    rounded = {how: {m: round(float(v), 3) for m, v in values.items()} for how, values in averages.items()}
    return table.round(3), rounded


counts = st.one_of(st.integers(0, 3), st.integers(0, 900), st.just(0))
matrices = st.lists(counts, min_size=20, max_size=20).map(lambda cells: np.array(cells).reshape(4, 5))


@settings(deadline=None)
@given(matrices, st.booleans())
def test_a_true_report_is_never_called_impossible(matrix, all_predicted):
    if all_predicted:
        matrix[:, 4] = 0
    assume(matrix.sum() > 0)
    table, averages = report(matrix)
    audit = table_audit.audit_table(table)
    assert set(audit["verdict"]) <= ({CONSISTENT} if all_predicted else {CONSISTENT, UNKNOWN}), audit.to_string()
    assert arithmetic.matrix_exists(table, ("precision", "recall", "f1", "accuracy"))

    overall = averages["micro"]["accuracy"]
    as_printed = arithmetic.rounding_interval(overall)
    assert arithmetic.overlap(arithmetic.accuracy_from_recalls(table), as_printed)
    assert arithmetic.overlap(arithmetic.accuracy_from_errors(table, all_predicted=False), as_printed)
    if all_predicted:
        assert arithmetic.overlap(arithmetic.accuracy_from_errors(table, all_predicted=True), as_printed)
        low, high = arithmetic.predicted_interval(table)
        assert low <= 1 + 1e-9 and high >= 1 - 1e-9
    assert int(np.trace(matrix)) in arithmetic.correct_counts(overall, int(matrix.sum()))

    def verdicts(averages: dict[str, float]) -> dict[tuple[str, str], str]:
        audit = table_audit.audit_headline(table, averages)
        return {(row.claim, row.check): row.verdict for row in audit.itertuples()}

    for how in ("macro", "weighted"):
        for (claim, check), verdict in verdicts(averages[how]).items():
            if how == "weighted" and check.startswith("macro"):
                continue  # another reading
            if how == "macro" and (check.startswith("recall averaged") or claim == "headline accuracy"):
                continue
            if check.endswith("each photo predicted") and not all_predicted:
                continue
            if check.startswith("some weighting of the table's accuracies"):
                continue  # an average of one-vs-rest accuracies is not the overall accuracy
            assert verdict == CONSISTENT, (how, claim, check)
    assert verdicts(averages["micro"])["headline f1", "F1 against headline precision and recall"] == CONSISTENT
    one_vs_rest = averages["macro"] | {"accuracy": averages["macro"]["mean one-vs-rest"]}
    assert verdicts(one_vs_rest)["headline accuracy", "macro average of the table's column"] == CONSISTENT
    assert verdicts(one_vs_rest)["headline accuracy", "some weighting of the table's accuracies"] == CONSISTENT


@settings(max_examples=50, deadline=None)
@given(matrices, st.integers(0, 3), st.sampled_from([-0.01, 0.01]))
def test_a_changed_f1_is_found(matrix, row, change):
    # a diagonal that makes P and R larger than 0.2 where they are not: few matrices drawn at random have one
    others = [line.sum() - matrix[row, row] for line in (matrix[row], matrix[:, row])]
    matrix[row, row] = max(matrix[row, row], max(others) // 4 + 1)
    table, _ = report(matrix)
    changed = table.copy()
    changed.iloc[row, 2] = table.iloc[row, 2] + change
    # rounding moves F1 by at most 0.0005 · 2 where P and R are no smaller than 0.2
    assume(min(table.iloc[row, 0], table.iloc[row, 1]) > 0.2 and 0 <= changed.iloc[row, 2] <= 1)
    assert table_audit.audit_table(changed)["verdict"].iloc[row] == IMPOSSIBLE


# --- the audit as a whole


@pytest.fixture(scope="module")
def audit():
    return paper_audit.audit()


def test_every_number_of_the_paper_has_a_verdict(audit):
    assert tuple(audit.columns) == table_audit.COLUMNS
    assert set(audit["verdict"]) == {CONSISTENT, IMPOSSIBLE, NOT_THIS_READING, UNKNOWN}
    judged = {name for claims in audit["claim"] for name in claims.split(", ")}
    assert judged == {claim.what for claim in paper.CLAIMS} | {"boxes and masks"}
    texts = audit[["claim", "place", "check", "working", "implied", "verdict", "why"]]
    assert texts.map(lambda text: isinstance(text, str) and text != "").all(axis=None)


def test_verdicts(audit):
    def verdict(claim: str, check: str) -> str:
        rows = audit[(audit["claim"] == claim) & audit["check"].str.contains(check, regex=False)]
        assert len(rows) == 1, (claim, check, len(rows))
        return rows["verdict"].iloc[0]

    for name in TABLE_1.index:
        assert verdict(f"{name} f1", "F1 from precision and recall") == IMPOSSIBLE
    whole = audit.set_index("check")["verdict"]
    assert whole["the implied shares make 1"] == IMPOSSIBLE
    assert whole["one confusion matrix for precision, recall and accuracy"] == IMPOSSIBLE
    assert whole["as many predictions as photos"] == UNKNOWN
    assert whole["the split's sum"] == CONSISTENT
    assert whole["validation above training"] == UNKNOWN
    assert verdict("flip interval, rotation interval", "III against V") == UNKNOWN
    for metric in TABLE_1.columns:
        assert verdict(f"headline {metric}", "macro average") == NOT_THIS_READING
    assert verdict("headline f1", "F1 against headline") == CONSISTENT  # 0.89542 at most 0.89592 ≥ 0.8955
    assert verdict("headline accuracy", "some weighting") == CONSISTENT  # 0.825 … 0.954
    assert verdict("headline accuracy", "by recall") == IMPOSSIBLE
    assert verdict("headline accuracy", "each photo predicted") == NOT_THIS_READING
    assert verdict("headline accuracy", "without a prediction") == IMPOSSIBLE
    assert verdict("headline recall", "whole photos") == NOT_THIS_READING
    assert verdict("average validation accuracy", "whole photos") == CONSISTENT


def test_only_what_needs_no_unstated_reading_is_impossible(audit):
    impossible = audit[audit["verdict"] == IMPOSSIBLE]
    assert set(impossible["scope"]) == {table_audit.WHATEVER, table_audit.ONE_EVALUATION} and len(impossible) == 8
    assert set(audit[audit["verdict"] == NOT_THIS_READING]["scope"]) == {table_audit.THIS_READING}
    # P + R - 1 <= F1 <= 2PR/(P+R) for means: sedan 0.467 ... 0.733 contains 0.672; the others stay outside
    scopes = {row.claim: row.scope for row in impossible.itertuples() if row.claim.endswith(" f1")}
    assert [name for name, scope in scopes.items() if scope == table_audit.ONE_EVALUATION] == ["sedan f1"]
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
    assert figures.loc["average validation accuracy", "verdict"] == CONSISTENT
    assert figures.loc["input size", "verdict"] == UNKNOWN


def test_workings_show_the_numbers(audit):
    rows = audit.set_index(["claim", "check"])
    f1 = rows.loc[("suv f1", "F1 from precision and recall")]
    assert "2·0.814·0.781/(0.814+0.781) = 0.7972" in f1["working"] and f1["implied"] == "0.7967…0.7977"
    shares = audit[audit["check"] == "the implied shares make 1"].iloc[0]
    assert shares["working"] == "0.440 + 0.238 + 0.093 + 0.674 = 1.445" and shares["implied"] == "1.4299…1.4608"
