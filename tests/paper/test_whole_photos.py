import logging

import numpy as np
import pytest

from carseg_lib.paper.audit import paper_report
from carseg_lib.paper.printed import Rounding
from carseg_lib.paper.report import Report
from carseg_lib.paper.whole_photos import row_counts, whole_matrix
from tests.paper.honest import random_matrix, report_of

TABLE = paper_report()
RATES = ("precision", "recall", "accuracy")
WITHOUT_F1 = Report(TABLE.names, {cell: p for cell, p in TABLE.cells.items() if cell[1] != "f1"})


@pytest.mark.parametrize(
    ("photos", "counts"),
    [(590, (0, 0, 0, 4)), (2887, (12, 3, 0, 78)), (4957, (71, 19, 2, 492)), (8434, (371, 84, 9, 2208))],
)
def test_rows_of_table_1_as_whole_photos(photos, counts):
    assert tuple(row_counts(WITHOUT_F1, name, photos) for name in TABLE.names) == counts
    assert all(row_counts(TABLE, name, photos) == 0 for name in TABLE.names)  # with F1


def test_the_convertible_row_is_of_no_set_near_the_validation_split_nor_truncated():
    assert all(row_counts(WITHOUT_F1, "convertible", photos) == 0 for photos in range(2838, 2934, 5))
    cells = {cell: Rounding("down").read(p.text) for cell, p in WITHOUT_F1.cells.items()}
    truncated = Report(TABLE.names, cells)
    assert row_counts(truncated, "convertible", 590) == row_counts(truncated, "convertible", 2887) == 0


def row(texts, support=()):
    cells = {("a", metric): Rounding().read(text) for metric, text in texts.items()}
    return Report(("a", "b"), cells, support)


def test_solutions_of_a_row_by_hand():
    # 10 photos: A = 0.80 is 2 errors, P = 0.75 is 3 of 4, R = 0.75 is 3 of 4
    assert row_counts(row({"precision": "0.75", "recall": "0.75", "accuracy": "0.80"}), "a", 10) == 1
    # A = 1.00: no error, so P and R are 1 or undefined: any of 0 to 10 photos
    assert row_counts(row({"precision": "1.00", "recall": "1.00", "accuracy": "1.00"}), "a", 10) == 11
    # never predicted: 0/0 printed as 0; the 2 errors are misses
    assert row_counts(row({"precision": "0.00", "recall": "0.00", "accuracy": "0.80"}), "a", 10) == 3
    # 4 photos of the class: the recall is a quarter, or none
    assert row_counts(row({"recall": "0.75"}, (4, 6)), "a", 10) == 7  # 3 found, 1 missed, 0 to 6 false alarms
    assert row_counts(row({"recall": "0.70"}, (4, 6)), "a", 10) == 0


def test_too_many_to_try():
    assert row_counts(row({"recall": "0.75"}), "a", 10_000) is None
    assert row_counts(row({"recall": "0.75"}, (4000, 6000)), "a", 10_000) > 0


def brute_force(report, name, photos):
    """Every TP, FP, FN, one by one."""
    intervals = {metric: report.interval(name, metric) for metric in ("precision", "recall", "f1", "accuracy")}
    found = 0
    support = report.support[report.names.index(name)] if report.support else None
    for tp in range(photos + 1):
        for fp in range(photos - tp + 1):
            for fn in range(photos - tp - fp + 1):
                if support is not None and tp + fn != support:
                    continue
                parts = {
                    "precision": (tp, tp + fp), "recall": (tp, tp + fn), "f1": (2 * tp, 2 * tp + fp + fn),
                    "accuracy": (photos - fp - fn, photos),
                }  # fmt: skip
                for metric, (part, whole) in parts.items():
                    low, high = intervals[metric]
                    fits = low - 1e-9 <= part / whole <= high + 1e-9 if whole else low <= 0 or high >= 1
                    if not fits:
                        break
                else:
                    found += 1
    return found


def test_counts_are_those_of_trying_every_one():
    rng = np.random.default_rng(5)
    for number in range(12):
        photos = int(rng.integers(5, 26))
        matrix = random_matrix(rng, photos, 3, abstentions=number % 2 == 1)
        report = report_of(matrix, digits=2)
        if number % 3 == 0:  # another row's numbers
            report = Report(
                report.names, dict(zip(report.cells, rng.permutation(list(report.cells.values())), strict=True))
            )
        for name in report.names:
            assert row_counts(report, name, photos) == brute_force(report, name, photos)
            known = Report(report.names, report.cells, support=tuple(map(int, matrix.sum(axis=1))))
            assert row_counts(known, name, photos) == brute_force(known, name, photos)


@pytest.fixture
def mlscorecheck_says():
    """Whether mlscorecheck finds a row possible, by its test of one binary matrix with each number of positives."""
    check = pytest.importorskip("mlscorecheck.check.binary").check_1_testset_no_kfold
    logging.disable(logging.INFO)

    def says(report, name, photos):
        scores = {"ppv": "precision", "sens": "recall", "acc": "accuracy"}
        values = {score: report.cells[name, metric].value for score, metric in scores.items()}
        digits = len(report.cells[name, "recall"].text.partition(".")[2])
        return any(
            not check(
                testset={"p": positives, "n": photos - positives},
                scores=values,
                eps=0.5 * 10**-digits,
                numerical_tolerance=1e-9,
            )["inconsistency"]
            for positives in range(1, photos)
        )

    yield says
    logging.disable(logging.NOTSET)


# mlscorecheck takes seconds to import.
@pytest.mark.slow
@pytest.mark.parametrize("photos", [590, 2887])
def test_mlscorecheck_agrees_on_table_1(mlscorecheck_says, photos):
    for name in TABLE.names:
        assert mlscorecheck_says(WITHOUT_F1, name, photos) == (row_counts(WITHOUT_F1, name, photos) > 0)


def agreements(says, rows, seed):
    """Numbers of random rows, true ones and moved ones, that both find possible, and impossible."""
    rng, both = np.random.default_rng(seed), {True: 0, False: 0}
    while sum(both.values()) < rows:
        photos = int(rng.integers(20, 90))
        report = report_of(random_matrix(rng, photos, 3, usable=True), columns=RATES)
        cells = {cell: p for cell, p in report.cells.items() if cell[0] == "class0"}
        if any(not 0.05 < p.value < 0.95 for p in cells.values()):
            continue  # mlscorecheck has no convention for 0/0
        if rng.integers(2):
            cell = ("class0", RATES[rng.integers(3)])
            cells[cell] = Rounding().read(f"{cells[cell].value + rng.choice([-0.003, 0.002]):.3f}")
        row = Report(("class0", "rest"), cells)
        possible = row_counts(row, "class0", photos) > 0
        assert says(row, "class0", photos) == possible, (photos, cells)
        both[possible] += 1
    return both


@pytest.mark.slow
def test_mlscorecheck_agrees_on_200_random_rows(mlscorecheck_says):
    both = agreements(mlscorecheck_says, 200, 2)
    assert min(both.values()) > 40


@pytest.mark.parametrize("all_predicted", [False, True])
def test_a_matrix_of_whole_photos_is_found_where_there_is_one(all_predicted):
    rng = np.random.default_rng(2)
    for _ in range(5):
        photos = int(rng.integers(20, 300))
        report = report_of(random_matrix(rng, photos, 3, abstentions=not all_predicted))
        witness = whole_matrix(report, photos, all_predicted=all_predicted)
        assert witness.exists and witness.matrix.sum() == photos and witness.matrix.shape == (3, 4)
        assert not (all_predicted and witness.matrix[:, -1].any())
        again = report_of(witness.matrix)  # it is printed like the report, to float error
        for cell, printed in again.cells.items():
            assert abs(printed.value - report.cells[cell].value) <= 0.001 + 1e-9


def test_no_whole_photos_where_shares_exist():
    # 7 photos: recalls of 0.5 and 0.5 need classes of even size, whose sum is not 7
    texts = {("a", "recall"): "0.500", ("b", "recall"): "0.500"}
    report = Report(("a", "b"), {cell: Rounding().read(text) for cell, text in texts.items()})
    assert whole_matrix(report, 7).exists is False
    witness = whole_matrix(report, 8)
    assert witness.exists and witness.matrix.sum() == 8
