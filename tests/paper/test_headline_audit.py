from dataclasses import replace

import numpy as np
import pytest

from carseg_lib.paper.headline_audit import audit_averages, audit_headline
from carseg_lib.paper.printed import Rounding
from carseg_lib.paper.verdicts import CONSISTENT, IMPOSSIBLE, NOT_THIS_READING, ONE_EVALUATION, UNKNOWN
from tests.paper.honest import averages_of, overall_accuracy, random_matrix, report_of

MATRIX = random_matrix(np.random.default_rng(11), 1200, 4, usable=True)
REPORT = report_of(MATRIX, support=True, averages=True)


def moved(printed, by):
    return Rounding().read(f"{printed.value + by:.3f}")


def verdicts(frame):
    return dict(zip(frame["claim"], frame["verdict"], strict=True))


def test_averages_of_a_known_kind_fit():
    found = verdicts(audit_averages(REPORT))
    assert set(found.values()) == {CONSISTENT}
    assert {"macro f1", "weighted recall", "micro precision", "accuracy"} <= set(found)


@pytest.mark.parametrize("kind", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("metric", ["precision", "recall", "f1"])
def test_a_moved_average_is_impossible(kind, metric):
    averages = {k: dict(some) for k, some in REPORT.averages.items()}
    averages[kind][metric] = moved(averages[kind][metric], -0.02)
    found = verdicts(audit_averages(replace(REPORT, averages=averages)))
    assert found[f"{kind} {metric}"] == IMPOSSIBLE
    others = {claim for claim, verdict in found.items() if verdict != CONSISTENT} - {f"{kind} {metric}"}
    assert others <= {f"{kind} f1"}  # which may be the harmonic mean of the macro averages


def test_a_moved_accuracy_is_impossible():
    found = audit_averages(replace(REPORT, accuracy=moved(REPORT.accuracy, -0.02)))
    assert verdicts(found)["accuracy"] == IMPOSSIBLE


def test_macro_f1_may_be_the_harmonic_mean_of_the_macro_averages():
    macro = dict(REPORT.averages["macro"])
    p, r = macro["precision"].value, macro["recall"].value
    macro["f1"] = Rounding().read(f"{2 * p * r / (p + r):.3f}")
    assert macro["f1"].text != REPORT.averages["macro"]["f1"].text
    assert verdicts(audit_averages(replace(REPORT, averages={"macro": macro})))["macro f1"] == CONSISTENT


def test_averages_of_an_incomplete_column_cannot_be_judged():
    cells = {cell: printed for cell, printed in REPORT.cells.items() if cell != ("class0", "recall")}
    assert verdicts(audit_averages(replace(REPORT, cells=cells)))["macro recall"] == UNKNOWN


@pytest.mark.parametrize("kind", ["macro", "weighted", "micro"])
def test_a_headline_fits_its_own_reading_alone(kind):
    report = report_of(MATRIX, headline=averages_of(MATRIX, kind), photos=True)
    audit = audit_headline(report)
    assert not (audit["verdict"] == IMPOSSIBLE).any()
    reading = {"macro": "macro average of the table's column", "weighted": "any one weighting", "micro": "over all"}
    fits = audit[audit["check"].str.startswith(reading[kind])]
    assert set(fits["verdict"]) == {CONSISTENT}


def test_an_accuracy_that_no_reading_gives_is_impossible():
    good = {"accuracy": overall_accuracy(MATRIX)}
    assert not (audit_headline(report_of(MATRIX, headline=good))["verdict"] == IMPOSSIBLE).any()
    audit = audit_headline(report_of(MATRIX, headline={"accuracy": 0.999}))
    wrong = audit[audit["verdict"] == IMPOSSIBLE]
    assert set(wrong["scope"]) == {ONE_EVALUATION} and "overall accuracy of the table's photos" in set(wrong["check"])


def test_a_recall_that_is_no_share_of_the_photos_is_not_pooled():
    # 590 photos: 523.04 ... 523.62 right ones would be 88.7%
    matrix = np.array([[300, 33, 0], [34, 223, 0]])
    report = replace(report_of(matrix, photos=True), headline={"recall": Rounding().read("88.7%")})
    pooled = audit_headline(report).set_index("check").loc["over all photos together (micro average)"]
    assert pooled["verdict"] == NOT_THIS_READING and "of 590 photos R would be none" in pooled["working"]
