from dataclasses import replace

import numpy as np
import pytest

from carseg_lib.paper.accuracy_column import JACCARD, RECALL, read_accuracy_column
from carseg_lib.paper.audit import audit_report, paper_report
from carseg_lib.paper.report_file import read_report
from carseg_lib.paper.verdicts import IMPOSSIBLE
from tests.paper.honest import print_rate, random_matrix, report_of, scores_of


def with_accuracies(report, values):
    cells = {
        (name, "accuracy"): print_rate(float(v), 3, "nearest") for name, v in zip(report.names, values, strict=True)
    }
    return replace(report, cells={**report.cells, **cells})


SCORES = ("precision", "recall", "f1")


@pytest.mark.parametrize(
    ("meaning", "columns"),
    [("", SCORES), ("", SCORES[:1]), (RECALL, SCORES), (RECALL, ("precision", "f1")), (JACCARD, SCORES)],
)
def test_a_column_is_read_as_what_alone_fits(meaning, columns):
    matrix = random_matrix(np.random.default_rng(3), 1500, 4, usable=True)
    scores = scores_of(matrix)
    values = {"": scores["accuracy"], RECALL: scores["recall"], JACCARD: scores["f1"] / (2 - scores["f1"])}[meaning]
    report = with_accuracies(report_of(matrix, columns=columns), values)
    found, judged = read_accuracy_column(report)
    assert found == meaning and ("accuracy" in judged.columns) == (meaning == "")
    audit = audit_report(report)
    assert not (audit["verdict"] == IMPOSSIBLE).any()
    assert audit["check"].str.startswith("the column accuracy read as").sum() == (meaning != "")


def test_neither_reading_repairs_table_1():
    report = paper_report()
    assert read_accuracy_column(report) == ("", report)


def test_a_table_of_some_classes_is_not_taken_for_all(tmp_path):
    matrix = random_matrix(np.random.default_rng(4), 1500, 5, usable=True)
    report = report_of(matrix)
    lines = ["class,precision,recall,f1,accuracy"]
    for name in report.names[:3]:  # two are left out
        lines.append(",".join([name, *(report.cells[name, m].text for m in report.columns)]))
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    assert (audit_report(read_report(path))["verdict"] == IMPOSSIBLE).any()
    some = read_report(path, options="rows=some")
    assert some.names == ("class0", "class1", "class2", "other classes")
    assert not (audit_report(some)["verdict"] == IMPOSSIBLE).any()
