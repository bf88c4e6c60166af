import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support

from carseg_lib.core.classes import NO_DETECTION
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import encode_mask
from carseg_lib.evaluation.classification import (
    SCORES,
    classification_report,
    confusion_matrix,
    headline_numbers,
    headline_table,
    report_markdown,
    scores_of_matrices,
    split_metrics,
)

TYPES = ("suv", "sedan", "convertible", "minivan")
HEIGHT, WIDTH = 12, 16
BOX = (2, 3, 12, 10)
MASK = np.zeros((HEIGHT, WIDTH), dtype=bool)
MASK[3:10, 2:12] = True

# Rows true types, columns predicted types, the last "no car found".
MATRIX = [
    [6, 2, 0, 1, 1],  # suv: 10 photos
    [1, 3, 1, 0, 0],  # sedan: 5
    [0, 0, 4, 0, 0],  # convertible: 4
    [1, 0, 0, 0, 0],  # minivan: 1, never found
]


def tables(matrix):
    """A confusion matrix → predictions, detections, truth; every prediction has the true box and mask."""
    rows = [
        (true, (*TYPES, "")[column])
        for true, row in zip(TYPES, matrix, strict=True)
        for column, photos in enumerate(row)
        for _ in range(photos)
    ]
    predictions = pd.DataFrame(rows, columns=["body_type", "predicted"])
    predictions.insert(0, "photo_id", [f"{i:04d}.jpg" for i in range(len(rows))])
    found = (predictions["predicted"] != "").astype(float)
    predictions = predictions.assign(score=0.9, box_iou=found, mask_iou=found, width=WIDTH, height=HEIGHT)
    place = dict(zip(("x1", "y1", "x2", "y2"), BOX, strict=True)) | {"mask": encode_mask(MASK)}
    truth = predictions[["photo_id", "body_type"]].assign(**place)
    detections = predictions.loc[found > 0, ["photo_id", "predicted", "score"]]
    return predictions, detections.rename(columns={"predicted": "body_type"}).assign(**place), truth


def metrics_of(matrix, *, bootstrap_samples=200, seed=0, has_masks=True):
    return split_metrics(
        *tables(matrix), body_types=TYPES, bootstrap_samples=bootstrap_samples, seed=seed, has_masks=has_masks
    )


def value(estimate):
    return estimate["value"], estimate["n"]


def test_scores_by_hand():
    result = metrics_of(MATRIX)
    assert value(result["accuracy"]) == (13 / 20, 20)
    suv, sedan, convertible, minivan = (result["per_type"][body_type] for body_type in TYPES)
    assert [value(suv[score]) for score in SCORES] == [
        (6 / 8, 8),  # predicted as suv: 6 + 1 + 1
        (6 / 10, 10),
        (pytest.approx(12 / 18), 12),  # 10 of the type, 2 more predicted so
        (14 / 20, 20),  # wrong: 4 missed, 2 taken for suv
    ]
    assert [value(sedan[score]) for score in SCORES] == [(3 / 5, 5), (3 / 5, 5), (pytest.approx(0.6), 7), (16 / 20, 20)]
    assert [convertible[score]["value"] for score in SCORES] == [4 / 5, 1.0, pytest.approx(8 / 9), 19 / 20]
    assert [minivan[score]["value"] for score in SCORES] == [0.0, 0.0, 0.0, 18 / 20]
    assert [result["per_type"][body_type]["support"] for body_type in TYPES] == [10, 5, 4, 1]

    macro, weighted = result["macro"], result["weighted"]
    assert value(macro["precision"]) == (pytest.approx((0.75 + 0.6 + 0.8 + 0) / 4), 20)
    assert macro["recall"]["value"] == pytest.approx((0.6 + 0.6 + 1.0 + 0) / 4)
    assert macro["f1"]["value"] == pytest.approx((2 / 3 + 0.6 + 8 / 9 + 0) / 4)
    assert macro["accuracy"]["value"] == pytest.approx((0.7 + 0.8 + 0.95 + 0.9) / 4)
    assert weighted["precision"]["value"] == pytest.approx((10 * 0.75 + 5 * 0.6 + 4 * 0.8) / 20)
    assert weighted["recall"]["value"] == pytest.approx(13 / 20)  # always the accuracy
    assert weighted["accuracy"]["value"] == pytest.approx((10 * 0.7 + 5 * 0.8 + 4 * 0.95 + 0.9) / 20)

    assert result["no_car_found"] == 1
    assert result["confusion"] == {"labels": [*TYPES, NO_DETECTION], "matrix": MATRIX}
    assert value(result["mask_iou"]) == value(result["box_iou"]) == (19 / 20, 20)
    # Every convertible has its box at score 0.9, and one sedan is taken for one: 4 true among 5.
    assert result["box"]["per_type"]["convertible"]["AP"]["n"] == 4
    assert result["box"]["AP"]["value"] == result["mask"]["AP"]["value"]
    assert result["box"]["per_type"]["minivan"]["AP"]["value"] == 0.0


def test_a_type_never_predicted_has_precision_0_and_the_widest_interval():
    # The one minivan was missed: precision and F1 are 0 by convention, and no photo bounds the precision.
    two_types = metrics_of([[5, 0, 0, 0, 0], [0, 5, 0, 0, 0], [0, 0, 5, 0, 0], [3, 0, 0, 0, 0]])
    assert two_types["per_type"]["minivan"]["precision"] == {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
    assert two_types["macro"]["precision"]["value"] == pytest.approx((5 / 8 + 1 + 1 + 0) / 4)


def test_a_type_without_photos_is_left_out():
    result = metrics_of([[4, 0, 0, 1, 0], [0, 5, 0, 0, 0], [0, 0, 5, 0, 0], [0, 0, 0, 0, 0]])
    minivan = result["per_type"]["minivan"]
    assert (minivan["precision"], minivan["recall"], minivan["f1"], minivan["support"]) == (None, None, None, 0)
    assert minivan["accuracy"]["value"] == 14 / 15
    assert result["macro"]["recall"]["value"] == pytest.approx((0.8 + 1 + 1) / 3)
    assert result["box"]["per_type"]["minivan"] == {"AP": None}
    report = classification_report(result)
    assert report.loc[3, ["precision", "recall_low", "f1_high"]].isna().all()
    assert "| minivan | – | – | – | 0.933 (" in report_markdown(report)


def test_without_masks_mask_numbers_are_null():
    result = metrics_of(MATRIX, has_masks=False)
    assert result["mask"] is None
    assert result["mask_iou"] is None
    assert result["box_iou"]["n"] == 20
    assert headline_numbers(result)["mask_ap"] is None


def test_mask_iou_is_over_photos_with_a_truth_mask():
    predictions, detections, truth = tables(MATRIX)
    predictions["mask_iou"] = 0.5
    truth.loc[:4, "mask"] = ""
    predictions.loc[:4, "mask_iou"] = np.nan
    predictions.loc[10, "mask_iou"] = 0.0  # no car found
    result = split_metrics(
        predictions, detections, truth, body_types=TYPES, bootstrap_samples=50, seed=0, has_masks=True
    )
    assert value(result["mask_iou"]) == (pytest.approx(14 * 0.5 / 15), 15)
    assert result["mask"]["AP"]["n"] == 15


def test_headline_numbers_have_the_names_of_metrics_json():
    result = metrics_of(MATRIX)
    headline = headline_numbers(result)
    assert list(headline) == [
        "accuracy", "macro_precision", "macro_recall", "macro_f1", "box_ap", "mask_ap", "mask_iou"
    ]  # fmt: skip
    assert headline["macro_f1"] == result["macro"]["f1"]
    assert headline["box_ap"] == result["box"]["AP"]


def test_headline_table_leaves_out_what_does_not_apply():
    result = metrics_of(MATRIX)
    table = headline_table({"validation": result, "test": result | {"mask": None, "mask_iou": None}})
    assert list(table.columns) == ["value", "low", "high", "n"]
    assert table.loc[("validation", "accuracy"), "value"] == result["accuracy"]["value"]
    assert "mask_ap" not in table.loc["test"].index and len(table.loc["test"]) == 5


def test_everything_right_is_not_certain():
    result = metrics_of(np.hstack([np.diag([5, 5, 5, 5]), np.zeros((4, 1), int)]))
    for estimate, n in [(result["accuracy"], 20), (result["per_type"]["suv"]["recall"], 5)]:
        assert (estimate["value"], estimate["high"]) == (1.0, 1.0)
        assert estimate["low"] == pytest.approx(n / (n + 3.8415), abs=1e-4)  # Wilson
    suv = result["per_type"]["suv"]["f1"]
    q = 5 / (5 + 3.8415)
    assert suv["low"] == pytest.approx(2 * q / (1 + q), abs=1e-4) and suv["high"] == 1.0
    assert 0.8 < result["macro"]["f1"]["low"] < 0.95 and result["macro"]["f1"]["high"] == 1.0


def test_same_seed_same_numbers():
    assert metrics_of(MATRIX, seed=0) == metrics_of(MATRIX, seed=0)
    assert metrics_of(MATRIX, seed=0)["macro"] != metrics_of(MATRIX, seed=5)["macro"]


def test_survives_the_csv_files(tmp_path):
    direct = metrics_of(MATRIX)
    tables_read = []
    for name, table in zip(("predictions", "detections", "truth"), tables(MATRIX), strict=True):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        tables_read.append(pd.read_csv(tmp_path / f"{name}.csv"))
    assert tables_read[0]["predicted"].isna().any()  # "" comes back as missing
    assert direct == split_metrics(*tables_read, body_types=TYPES, bootstrap_samples=200, seed=0, has_masks=True)


def test_bad_tables_are_refused():
    predictions, detections, truth = tables(MATRIX)

    def run(predictions=predictions, detections=detections, truth=truth):
        split_metrics(predictions, detections, truth, body_types=TYPES, bootstrap_samples=5, seed=0, has_masks=False)

    with pytest.raises(CarsegError, match="split is empty"):
        run(predictions[:0], detections[:0])
    with pytest.raises(CarsegError, match=r"'0003.jpg' is listed twice"):
        run(pd.concat([predictions, predictions[3:4]]))
    with pytest.raises(CarsegError, match=r"'0000.jpg' has predicted 'truck'"):
        run(predictions.assign(predicted="truck"))
    with pytest.raises(CarsegError, match=r"'0000.jpg' has body_type 'truck'"):
        run(predictions.assign(body_type="truck"))
    with pytest.raises(CarsegError, match=r"'0002.jpg' has no labelled instance"):
        run(truth=truth.drop(index=2))
    with pytest.raises(CarsegError, match=r"detections name the photo '0019.jpg'"):
        run(predictions[:-1])


def test_classification_report():
    result = metrics_of(MATRIX)
    report = classification_report(result)
    assert report["body_type"].tolist() == [*TYPES, "macro avg", "weighted avg", "overall accuracy"]
    assert report.columns.tolist() == [
        "body_type",
        *(f"{score}{end}" for score in SCORES for end in ("", "_low", "_high")),
        "support",
    ]
    assert report["support"].tolist() == [10, 5, 4, 1, 20, 20, 20]
    assert report.loc[0, "precision"] == 0.75
    assert report.loc[4, "f1_low"] == result["macro"]["f1"]["low"]
    assert report.loc[6, ["precision", "recall", "f1"]].isna().all()
    assert report.loc[6, "accuracy"] == 0.65

    lines = report_markdown(report).splitlines()
    assert lines[0] == "| Body type | Precision | Recall | F1-score | Accuracy | Photos |"
    assert len(lines) == 2 + 7
    assert lines[2].startswith("| suv | 0.750 (0.")
    assert lines[-1].startswith("| overall accuracy | – | – | – | 0.650 (0.")
    assert {line.count("|") for line in lines} == {7}


matrices = arrays(np.int64, (4, 5), elements=st.integers(0, 6)).filter(lambda matrix: matrix.sum() > 0)


@settings(deadline=None)
@given(matrices)
def test_vectorised_scores_are_scikit_learns(matrix):
    predictions, _, _ = tables(matrix)
    predicted = predictions["predicted"].replace("", NO_DETECTION)
    scores = scores_of_matrices(matrix[None])
    support = matrix.sum(axis=1)
    present = [body_type for body_type, photos in zip(TYPES, support, strict=True) if photos]
    for average in (None, "macro", "weighted"):
        expected = precision_recall_fscore_support(
            predictions["body_type"], predicted, labels=present, average=average, zero_division=0
        )
        for score, wanted in zip(SCORES[:3], expected[:3], strict=True):
            if average is None:
                assert np.isnan(scores[score][0, support == 0]).all()
                assert scores[score][0, support > 0] == pytest.approx(wanted)
            else:
                assert scores[f"{average}_{score}"][0] == pytest.approx(wanted)


def estimates(node):
    if isinstance(node, dict):
        if "low" in node:
            yield node
        else:
            for child in node.values():
                yield from estimates(child)


@settings(max_examples=25, deadline=None)
@given(matrices, st.integers(0, 1000))
def test_properties(matrix, seed):
    result = metrics_of(matrix, bootstrap_samples=8, seed=seed)
    json.dumps(result, allow_nan=False)
    assert np.array_equal(result["confusion"]["matrix"], matrix)
    assert sum(result["per_type"][body_type]["support"] for body_type in TYPES) == matrix.sum()
    for estimate in estimates(result):
        assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
        assert type(estimate["n"]) is int
        assert all(type(estimate[key]) is float for key in ("value", "low", "high"))
    for score in ("precision", "recall", "f1"):
        given = [result["per_type"][t][score]["value"] for t in TYPES if result["per_type"][t][score]]
        assert result["macro"][score]["value"] == pytest.approx(np.mean(given))
    assert result["weighted"]["recall"]["value"] == pytest.approx(result["accuracy"]["value"])


@settings(max_examples=10, deadline=None)
@given(matrices, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(matrix, random):
    shuffled = [table.sample(frac=1, random_state=random.randrange(1000)) for table in tables(matrix)]
    expected = metrics_of(matrix, bootstrap_samples=5)
    result = split_metrics(*shuffled, body_types=TYPES, bootstrap_samples=5, seed=0, has_masks=True)
    assert result == expected
    assert np.array_equal(confusion_matrix(shuffled[0], TYPES), matrix)


LARGE = np.array([[40, 5, 0, 5, 2], [6, 30, 4, 0, 0], [1, 1, 25, 0, 0], [9, 0, 0, 12, 1]])


def test_accuracy_precision_recall_and_f1_have_wilsons_intervals():
    result = metrics_of(LARGE)
    minivan = result["per_type"]["minivan"]

    def wilson(k, n):
        interval = binomtest(k, n).proportion_ci(method="wilson")
        return interval.low, interval.high

    def ends(estimate):
        return pytest.approx((estimate["low"], estimate["high"]))

    assert ends(result["accuracy"]) == wilson(107, 141)
    assert result["weighted"]["recall"] == result["accuracy"]
    assert ends(minivan["recall"]) == wilson(12, 22)  # 9 + 12 + 1 of the type
    assert ends(minivan["precision"]) == wilson(12, 17)  # 5 + 12 predicted as it
    assert ends(minivan["accuracy"]) == wilson(141 - 10 - 5, 141)
    # F1 = 2 q / (1 + q), q = 12 hits among 27 of the type or predicted as it: 24 / 39.
    assert minivan["f1"]["value"] == pytest.approx(24 / 39) and minivan["f1"]["n"] == 27
    assert ends(minivan["f1"]) == tuple(2 * q / (1 + q) for q in wilson(12, 27))


def test_averages_vary_about_as_much_as_those_of_resampled_photos():
    result = metrics_of(LARGE, bootstrap_samples=4000)
    drawn = np.random.default_rng(1).multinomial(LARGE.sum(), LARGE.ravel() / LARGE.sum(), size=4000)
    scores = scores_of_matrices(drawn.reshape(-1, 4, 5))
    for kind in ("macro", "weighted"):
        for score in ("precision", "f1", "accuracy"):
            expected = np.percentile(scores[f"{kind}_{score}"], [2.5, 97.5])
            found = result[kind][score]
            assert (found["low"], found["high"]) == pytest.approx(tuple(expected), abs=0.02), (kind, score)


def test_a_type_without_photos_takes_no_part_in_the_draws():
    three = [[40, 5, 0, 0, 2], [6, 30, 4, 0, 0], [1, 1, 25, 0, 0]]
    result = metrics_of([*three, [0] * 5], bootstrap_samples=2000)
    drawn = np.random.default_rng(1).multinomial(114, np.ravel([*three, [0] * 5]) / 114, size=4000)
    expected = np.percentile(scores_of_matrices(drawn.reshape(-1, 4, 5))["macro_recall"], [2.5, 97.5])
    recall = result["macro"]["recall"]
    assert (recall["low"], recall["high"]) == pytest.approx(tuple(expected), abs=0.02)


def test_photos_of_one_group_are_not_counted_as_independent():
    predictions, detections, truth = tables(LARGE)
    settings = {"body_types": TYPES, "bootstrap_samples": 200, "seed": 0, "has_masks": True}
    plain = split_metrics(predictions, detections, truth, **settings)
    own = pd.Series("", index=predictions["photo_id"])
    assert split_metrics(predictions, detections, truth, **settings, groups=own[:50]) == plain
    # Photos of one cell of the matrix are neighbours: groups of seven are mostly all right or all wrong.
    sevens = pd.Series([f"model {k // 7}" for k in range(len(predictions))], index=predictions["photo_id"])
    grouped = split_metrics(predictions, detections, truth, **settings, groups=sevens)

    def width(estimate):
        return estimate["high"] - estimate["low"]

    for number, once in headline_numbers(plain).items():
        again = headline_numbers(grouped)[number]
        assert again["value"] == once["value"] and again["n"] == once["n"]
        assert width(again) > 1.3 * width(once), number
    assert width(grouped["per_type"]["suv"]["f1"]) > width(plain["per_type"]["suv"]["f1"])
    assert grouped["weighted"]["recall"] == grouped["accuracy"]
