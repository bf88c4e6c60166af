"""What a column "accuracy" of a class's row means: one-vs-rest accuracy, or what papers also call so."""

from __future__ import annotations

from dataclasses import replace

from carseg_lib.paper.arithmetic import jaccard_interval, overlap
from carseg_lib.paper.matrix import MatrixProgramme
from carseg_lib.paper.report import Report

RECALL = "recall"
JACCARD = "TP/(TP+FP+FN)"


def read_accuracy_column(report: Report) -> tuple[str, Report]:
    """The report with its column "accuracy" as what alone fits.

    "Accuracy of a class" is often its recall, the share of its photos with the right prediction, sometimes
    TP/(TP+FP+FN). A table is read so if no confusion matrix gives it with one-vs-rest accuracies, and one does so.

    Returns:
        `RECALL`, `JACCARD`, or "" for one-vs-rest accuracy; the report, without a column "accuracy" if it is another.
    """
    if not report.has("accuracy") or MatrixProgramme(report).exists():
        return "", report
    without = {cell: printed for cell, printed in report.cells.items() if cell[1] != "accuracy"}
    accuracies, recalls = report.column("accuracy"), report.column("recall")
    if all(map(overlap, accuracies, recalls)):
        named = {(name, RECALL): report.cells[name, "accuracy"] for name in report.names}
        as_recall = replace(report, cells=named | without)
        if MatrixProgramme(as_recall).exists():
            return RECALL, as_recall
    if report.has("precision", "recall"):
        jaccards = map(jaccard_interval, report.column("precision"), recalls)
        as_jaccard = replace(report, cells=without)
        if all(map(overlap, accuracies, jaccards)) and MatrixProgramme(as_jaccard).exists():
            return JACCARD, as_jaccard
    return "", report
