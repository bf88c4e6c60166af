from dataclasses import replace

import numpy as np
import pytest

from carseg_lib.paper.audit import audit_report
from carseg_lib.paper.printed import Rounding
from carseg_lib.paper.table_audit import audit_table
from carseg_lib.paper.verdicts import CONSISTENT, IMPOSSIBLE, ONE_EVALUATION, figure_verdicts
from tests.paper.honest import random_matrix, report_of

MATRIX = random_matrix(np.random.default_rng(21), 1500, 4, usable=True)
REPORT = report_of(MATRIX)


def with_cell(report, cell, text):
    return replace(report, cells={**report.cells, cell: Rounding().read(text)})


def test_a_true_table_fits():
    audit = audit_table(REPORT, {"all": 1500}, None)
    assert IMPOSSIBLE not in set(audit["verdict"])
    assert "a confusion matrix of whole photos, 1,500" not in set(audit["check"])  # a reading: the rows alone
    known = audit_table(replace(REPORT, photos=1500), {}, None).set_index("check")
    assert known.loc["rows as whole photos, 1,500", "scope"] == ONE_EVALUATION
    assert known.loc["a confusion matrix of whole photos, 1,500", "verdict"] == CONSISTENT


def test_the_wrong_cell_is_named_and_few_others():
    value = REPORT.cells["class2", "recall"].value
    report = with_cell(REPORT, ("class2", "recall"), f"{value - 0.05:.3f}")
    audit = audit_report(report)
    fewest = audit.set_index("check").loc["the fewest cells that must be wrong"]
    assert fewest["implied"].startswith("1 of 16") and "class2 recall" in fewest["claim"].split(", ")
    figures = figure_verdicts(audit, report.texts()).set_index("claim")["verdict"]
    assert figures["class2 recall"] == IMPOSSIBLE
    assert not any(figures[f"class0 {metric}"] == IMPOSSIBLE for metric in ("precision", "recall", "f1"))


def test_one_column_alone_may_be_the_wrong_one():
    cells = {cell: printed for cell, printed in REPORT.cells.items() if cell[1] in ("precision", "recall")}
    report = replace(REPORT, cells=cells)
    assert audit_table(report, {}, None)["check"].str.startswith("one confusion matrix").any()
    for name in REPORT.names:
        report = with_cell(report, (name, "f1"), "0.100")
    audit = audit_table(report, {}, None).set_index("check")
    assert audit.loc["which columns contradict each other", "implied"].startswith("none for")
    assert audit.loc["the fewest cells that must be wrong", "implied"].startswith("4 of 12")


def test_rows_of_the_wrong_number_of_photos():
    audit = audit_table(replace(REPORT, photos=37), {}, None).set_index("check")
    assert audit.loc["rows as whole photos, 37", "verdict"] == IMPOSSIBLE


def test_whole_photos_may_be_missing_where_shares_exist():
    texts = {("a", "recall"): "0.500", ("b", "recall"): "0.500"}
    report = replace(REPORT, names=("a", "b"), cells={c: Rounding().read(t) for c, t in texts.items()}, photos=7)
    audit = audit_table(report, {}, None).set_index("check")
    assert audit.loc["a confusion matrix of whole photos, 7", "verdict"] == IMPOSSIBLE
    assert audit.loc["rows as whole photos, 7", "verdict"] == CONSISTENT


@pytest.mark.parametrize("columns", [("precision",), ("recall", "f1"), ("accuracy",), ("precision", "recall", "f1")])
def test_columns_are_optional(columns):
    audit = audit_report(report_of(MATRIX, columns=columns, photos=True))
    assert IMPOSSIBLE not in set(audit["verdict"])
