from itertools import combinations

import numpy as np
import pytest

from carseg_lib.paper.audit import paper_report
from carseg_lib.paper.matrix import OVERALL, POOLED, MatrixProgramme, fewest_wrong, smallest_error
from carseg_lib.paper.printed import Rounding
from carseg_lib.paper.report import Report
from tests.paper.honest import overall_accuracy, random_matrix, report_of

TABLE = paper_report()
OVERALL_912 = {OVERALL: TABLE.headline["accuracy"].interval}


def test_which_columns_of_table_1_contradict_each_other():
    largest, smallest = MatrixProgramme(TABLE).compatible_columns()
    assert set(largest) == {
        ("precision", "recall"), ("precision", "f1"), ("precision", "accuracy"), ("recall", "accuracy")
    }  # fmt: skip
    # F1 <= 2R/(1+R): convertible at most 2 · 0.5275/1.5275 = 0.691 < 0.8965. F1 and A: 1-A = (s+c)(1-F), right answers
    # t = F(1-A)/(2(1-F)): 0.708 + 0.127 + 0.200 + 0.246 = 1.28 of the photos.
    assert set(smallest) == {("recall", "f1"), ("f1", "accuracy"), ("precision", "recall", "accuracy")}
    # so that no single column is the wrong one: the other three contradict each other without it
    for column in TABLE.columns:
        assert any(column not in some for some in smallest)


def test_right_answers_by_f1_and_accuracy_are_128_percent():
    right = 0.0
    for name in TABLE.names:
        f1, accuracy = (TABLE.cells[name, metric].value for metric in ("f1", "accuracy"))
        right += f1 * (1 - accuracy) / (2 * (1 - f1))
    assert right == pytest.approx(1.28, abs=0.005)


def test_five_cells_of_table_1_must_be_wrong():
    programme = MatrixProgramme(TABLE)
    size, sets = fewest_wrong(programme, programme.cells)
    assert size == 5 and len(sets) == 116 and len(set(sets)) == 116
    for wrong in sets:
        assert programme.exists([cell for cell in programme.cells if cell not in wrong])
    every = {cell for wrong in sets for cell in wrong}
    assert every == set(programme.cells)  # each figure is among the wrong ones of some set


def test_the_five_sets_if_each_photo_has_a_prediction():
    programme = MatrixProgramme(TABLE, all_predicted=True)
    size, sets = fewest_wrong(programme, programme.cells)
    assert size == 5
    assert {", ".join(sorted(map(" ".join, wrong))) for wrong in sets} == {
        "convertible recall, minivan precision, sedan recall, suv f1, suv precision",
        "convertible f1, minivan recall, sedan precision, suv accuracy, suv recall",
        "convertible recall, minivan precision, sedan precision, suv accuracy, suv f1",
        "convertible recall, minivan recall, sedan f1, sedan precision, suv f1",
        "convertible recall, minivan f1, minivan precision, sedan f1, suv f1",
    }


def test_seven_must_be_wrong_if_the_headline_accuracy_is_of_the_same_photos():
    programme = MatrixProgramme(TABLE, pooled=OVERALL_912)
    size, sets = fewest_wrong(programme, programme.cells, [OVERALL])
    assert size == 7 and sets
    # one-vs-rest errors come to 0.418, and may be 0.177 at most: both large ones must be wrong
    assert all({("suv", "accuracy"), ("sedan", "accuracy")} <= wrong for wrong in sets)


def test_no_fewer_would_do_by_trying_all():
    """The search against all sets of up to two cells of small tables with an error or two."""
    rng = np.random.default_rng(3)
    for _ in range(6):
        report = report_of(random_matrix(rng, 900, 2, usable=True))
        cells = dict(report.cells)
        for cell in rng.choice(len(cells), 2, replace=False):
            name = list(cells)[cell]
            moved = cells[name].value - 0.2
            cells[name] = Rounding().read(f"{abs(moved):.3f}")
        programme = MatrixProgramme(Report(report.names, cells))
        size, sets = fewest_wrong(programme, programme.cells)
        some = {
            frozenset(wrong)
            for k in range(3)
            for wrong in combinations(programme.cells, k)
            if programme.exists([cell for cell in programme.cells if cell not in wrong])
        }
        fewest = min(map(len, some))
        assert size == fewest and set(sets) == {wrong for wrong in some if len(wrong) == fewest}


def test_a_search_that_is_too_long_says_that_more_are_needed():
    programme = MatrixProgramme(TABLE)
    size, sets = fewest_wrong(programme, programme.cells, limit=50)
    assert sets == [] and 0 < size <= 5


def test_a_conflict_is_one_and_names_its_cells():
    programme = MatrixProgramme(TABLE)
    assert programme.conflict([("suv", "precision"), ("suv", "recall"), ("suv", "accuracy")]) is None
    found = programme.conflict(programme.cells_of(("precision", "recall", "accuracy")))
    assert found and not programme.exists(found)  # it suffices, without the other cells
    assert programme.conflict([("convertible", "recall"), ("convertible", "f1")]) == {
        ("convertible", "recall"), ("convertible", "f1")
    }  # fmt: skip


def test_the_least_common_error():
    least = smallest_error(TABLE)
    assert MatrixProgramme(TABLE.widened(least)).exists()
    assert not MatrixProgramme(TABLE.widened(least - 2e-4)).exists()
    assert 0.10 < least < 0.12


@pytest.mark.parametrize("abstentions", [False, True])
def test_a_true_report_has_a_matrix_with_its_averages(abstentions):
    rng = np.random.default_rng(8)
    for _ in range(20):
        matrix = random_matrix(rng, int(rng.integers(20, 3000)), abstentions=abstentions)
        report = report_of(matrix, support=bool(rng.integers(2)))
        right, predicted, photos = np.trace(matrix[:, :4]), matrix[:, :4].sum(), matrix.sum()
        rates = {
            OVERALL: right / photos,
            POOLED["recall"]: right / photos,
            POOLED["precision"]: right / max(predicted, 1),
            POOLED["f1"]: 2 * right / (photos + predicted),
        }
        pooled = {key: (rate, rate) for key, rate in rates.items()}
        programme = MatrixProgramme(report, all_predicted=not abstentions, pooled=pooled)
        assert programme.exists([*programme.cells, *pooled])
        low, high = programme.extremes(programme.right, report.columns)
        assert low <= overall_accuracy(matrix) <= high
        wrong = {OVERALL: (high + 0.01, 1.0)}
        if high < 0.98:
            programme = MatrixProgramme(report, pooled=wrong)
            assert not programme.exists([*programme.cells, OVERALL])


def test_supports_bind_the_shares():
    # 100 photos, 50 each: recalls 0.9 and 0.5 make 0.7 overall, whatever else
    report = Report(
        ("a", "b"), {(n, "recall"): Rounding().read(t) for n, t in (("a", "0.900"), ("b", "0.500"))}, (50, 50)
    )
    programme = MatrixProgramme(report)
    assert programme.extremes(programme.right, ["recall"]) == pytest.approx((0.6995, 0.7005), abs=1e-5)
    with pytest.raises(ArithmeticError, match="no matrix gives these columns"):
        MatrixProgramme(TABLE).extremes(MatrixProgramme(TABLE).right, TABLE.columns)
