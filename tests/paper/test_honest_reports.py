"""Reports computed from confusion matrices are never called impossible; reports with one moved cell are."""

from dataclasses import replace

import numpy as np
import pytest

from carseg_lib.paper import verdicts
from carseg_lib.paper.audit import audit_report
from carseg_lib.paper.printed import Rounding
from carseg_lib.paper.report import METRICS
from carseg_lib.paper.verdicts import CONSISTENT, IMPOSSIBLE
from tests.paper.honest import random_matrix, random_report, report_of


def check_honest(numbers):
    for number in numbers:
        _, report = random_report(np.random.default_rng([17, number]), number)
        audit = audit_report(report)
        wrong = audit[audit["verdict"] == IMPOSSIBLE]
        assert wrong.empty, (number, wrong[["claim", "check", "implied"]].to_string())
        figures = verdicts.figure_verdicts(audit, {})
        headline = figures[figures["claim"].str.startswith("headline")]
        # the kind of average that was printed is among the readings
        assert set(headline["verdict"]) == {CONSISTENT}, (number, headline.to_string())


def test_honest_reports_are_never_impossible():
    check_honest(range(24))


@pytest.mark.slow
@pytest.mark.parametrize("tenth", range(10))
def test_a_thousand_honest_reports_are_never_impossible(tenth):
    check_honest(range(tenth, 1000, 10))


def share_caught(metric, reports, *, usable, photos, by=0.02):
    """The share of reports, each with one cell of a column moved, that are called impossible."""
    caught = tried = number = 0
    while tried < reports:
        rng = np.random.default_rng([5, METRICS.index(metric), number])
        number += 1
        matrix = random_matrix(rng, int(np.exp(rng.uniform(np.log(500), np.log(8434)))), 4,
                               abstentions=number % 2 == 1, usable=usable)  # fmt: skip
        report = report_of(matrix, photos=photos)
        i = int(rng.integers(4))
        cell = (report.names[i], metric)
        value = report.cells[cell].value + by * rng.choice([-1, 1])
        if not 0 <= value <= 1 or not matrix[i].sum():
            continue
        tried += 1
        moved = replace(report, cells={**report.cells, cell: Rounding().read(f"{value:.3f}")})
        caught += found_impossible(moved)
    return caught / reports


def found_impossible(report):
    """As the audit's verdict, by the two checks that decide it, without the search for the fewest wrong cells."""
    from carseg_lib.paper.matrix import MatrixProgramme
    from carseg_lib.paper.whole_photos import row_counts

    if not MatrixProgramme(report).exists():
        return True
    return report.photos is not None and any(row_counts(report, name, report.photos) == 0 for name in report.names)


@pytest.mark.parametrize("metric", METRICS)
def test_a_moved_cell_is_found(metric):
    assert share_caught(metric, 50, usable=True, photos=False) >= 0.96


@pytest.mark.slow
@pytest.mark.parametrize("metric", METRICS)
def test_a_moved_cell_is_found_in_many_reports(metric):
    assert share_caught(metric, 300, usable=True, photos=False) >= 0.96
    # poor models on rare classes: where the number of photos is known
    assert share_caught(metric, 300, usable=False, photos=True) >= 0.96


def test_what_is_found_impossible_is_so_by_the_audit():
    rng = np.random.default_rng(1)
    report = report_of(random_matrix(rng, 700, 3, usable=True), photos=True)
    assert not found_impossible(report) and not (audit_report(report)["verdict"] == IMPOSSIBLE).any()
    cell = ("class1", "recall")
    moved = replace(report, cells={**report.cells, cell: Rounding().read(f"{report.cells[cell].value - 0.02:.3f}")})
    assert found_impossible(moved) and (audit_report(moved)["verdict"] == IMPOSSIBLE).any()
