import numpy as np
import pytest

from carseg_lib.paper import arithmetic
from carseg_lib.paper.audit import paper_report
from carseg_lib.paper.printed import Rounding

TABLE = paper_report()
ROW = {n: tuple(TABLE.cells[n, m].value for m in ("precision", "recall", "accuracy")) for n in TABLE.names}


def ends(*texts):
    return [Rounding().read(text).interval for text in texts]


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
    low, high = arithmetic.f1_interval(TABLE.interval(name, "precision"), TABLE.interval(name, "recall"))
    assert low < by_hand < high and high - low < 0.0012
    assert not arithmetic.overlap((low, high), TABLE.interval(name, "f1"))


def test_f1_interval_ends_by_hand():
    # SUV: 2 · 0.8135 · 0.7805 / 1.594 = 1.2698735/1.594 and 2 · 0.8145 · 0.7815 / 1.596 = 1.2730635/1.596
    assert arithmetic.f1_interval(*ends("0.814", "0.781")) == pytest.approx((1.2698735 / 1.594, 1.2730635 / 1.596))
    assert arithmetic.f1_interval(*ends("0.000", "0.000")) == pytest.approx((0.0, 0.0005))


def test_mean_f1_of_parts_by_hand():
    # sedan: 0.7495 + 0.7165 - 1 = 0.466; 2 · 0.7505 · 0.7175 / 1.468 = 1.0769675/1.468 = 0.7336
    low, high = arithmetic.mean_f1_interval(*ends("0.750", "0.717"))
    assert (low, high) == pytest.approx((0.466, 1.0769675 / 1.468))
    assert low < 0.672 < high  # possible as a mean; minivan's 0.871 is not: 0.9915 + 0.8985 - 1 = 0.890
    assert arithmetic.mean_f1_interval(*ends("0.992", "0.899"))[0] == pytest.approx(0.890)


def test_mean_f1_of_any_parts_lies_within_its_bounds():
    rng = np.random.default_rng(17)
    for _ in range(300):
        tp, fp, fn = rng.integers(0, 30, (3, rng.integers(1, 12))) * rng.integers(0, 2, 3)[:, None]
        p, r, f = (np.divide(a, b, out=np.zeros(len(tp)), where=b > 0).mean() for a, b in (
            (tp, tp + fp), (tp, tp + fn), (2 * tp, 2 * tp + fp + fn)))  # fmt: skip
        low, high = arithmetic.mean_f1_interval((p, p), (r, r))
        assert low - 1e-9 <= f <= high + 1e-9


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
    low, high = spans()[name]
    assert low < share < high


def spans():
    rates = ("precision", "recall", "accuracy")
    return {n: arithmetic.support_share_interval(*(TABLE.interval(n, m) for m in rates)) for n in TABLE.names}


def test_support_shares_come_to_145_percent():
    assert sum(arithmetic.support_share(*row) for row in ROW.values()) == pytest.approx(1.445, abs=5e-4)
    assert sum(low for low, _ in spans().values()) == pytest.approx(1.430, abs=5e-4)
    assert sum(high for _, high in spans().values()) == pytest.approx(1.461, abs=5e-4)


def test_support_share_of_a_matrix_by_hand():
    # 100 photos, 40 of the class: 30 found, 10 missed, 10 false alarms. P = R = 30/40, A = 80/100.
    assert arithmetic.support_share(0.75, 0.75, 0.80) == pytest.approx(0.40)
    assert np.isnan(arithmetic.support_share(0.0, 0.0, 0.9)) and np.isnan(arithmetic.support_share(1.0, 1.0, 1.0))
    assert arithmetic.support_share_interval(*ends("1.000", "1.000", "1.000")) == (0.0, 1.0)  # nothing wrong: any share
    # none found: the class is at most the 10.05% that are wrong
    low, high = arithmetic.support_share_interval(*ends("0.000", "0.000", "0.900"))
    assert low == 0.0 and high == pytest.approx(0.1005, abs=1e-4)
    # truncated ones are exact: nothing wrong, or errors of a class without any
    exact = (1.0, 1.0)
    assert arithmetic.support_share_interval(exact, exact, exact) == (0.0, 1.0)
    assert arithmetic.support_share_interval(exact, exact, (0.9, 0.91))[0] == float("inf")


@pytest.mark.parametrize(
    ("metric", "mean"), [("precision", 0.87925), ("recall", 0.731), ("f1", 0.8325), ("accuracy", 0.8955)]
)  # sums 3.517, 2.924, 3.330, 3.582
def test_macro_averages_by_hand(metric, mean):
    assert arithmetic.mean_interval(TABLE.column(metric)) == pytest.approx((mean - 0.0005, mean + 0.0005))
    assert not arithmetic.overlap(arithmetic.mean_interval(TABLE.column(metric)), TABLE.headline[metric].interval)


def test_overall_accuracy_that_the_table_allows():
    assert arithmetic.span_of(TABLE.column("recall")) == pytest.approx((0.5265, 0.8995))
    # errors 0.175 + 0.124 + 0.046 + 0.073 = 0.418 ± 0.002; halved 0.209 ± 0.001
    accuracies = TABLE.column("accuracy")
    assert arithmetic.accuracy_from_errors(accuracies, all_predicted=True) == pytest.approx((0.790, 0.792))
    assert arithmetic.accuracy_from_errors(accuracies, all_predicted=False) == pytest.approx((0.580, 0.792))


def test_predictions_are_fewer_than_photos():
    # the largest R/P at its most: 0.7815/0.8135 (SUV); the smallest at its least: 0.5265/0.9615 (convertible)
    low, high = arithmetic.predicted_interval(TABLE.column("precision"), TABLE.column("recall"))
    assert low == pytest.approx(0.5265 / 0.9615) and high == pytest.approx(0.7815 / 0.8135)
    assert arithmetic.predicted_interval([(0.0, 0.1)], [(0.0, 0.1)]) == (0.0, float("inf"))


def test_counts_of_right_photos():
    def counts(text, photos):
        return arithmetic.whole_counts(Rounding().read(text).interval, photos)

    assert counts("91.2%", 2887) == range(2632, 2635)  # 2631.50 … 2634.39
    assert counts("87.6%", 4957) == range(4340, 4345)  # 4339.85 … 4344.81
    assert counts("91.2%", 590) == range(538, 539)  # 537.79 … 538.38
    assert len(counts("88.7%", 590)) == 0  # 523.04 … 523.63
    assert counts("0.500", 2) == range(1, 2)
    assert counts("1.000", 7) == range(7, 8) and counts("0.000", 7) == range(0, 1)
