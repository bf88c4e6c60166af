"""carseg_lib.evaluation.presence: rows, answers, false alarms and the FROC curve, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from carseg_lib.engine.inference import Detection
from carseg_lib.engine.presence import Presence
from carseg_lib.evaluation.presence import (
    GIVEN,
    NO_CAR,
    OWN,
    PRESENCE,
    answer_matrix,
    describe,
    describe_answers,
    froc_curve,
    photo_table,
    presence_metrics,
    presence_summary,
)
from carseg_lib.evaluation.presence_run import presence_rows

TYPES = ("suv", "sedan")


def region(body_type: str, object_score: float, likeness: float) -> Detection:
    return Detection(
        body_type, object_score, (1, 2, 30, 40), "", (object_score, 0.0), likeness, object_score * likeness
    )


def rows(*photos, source=OWN, split="validation"):
    """Photos as (label, regions), named by their place."""
    labels = [{"photo_id": f"{source}-{split}-{i}.jpg", "body_type": label} for i, (label, _) in enumerate(photos)]
    return presence_rows(labels, [found for _, found in photos], source=source, split=split)


@pytest.fixture
def table() -> pd.DataFrame:
    validation = rows(
        ("suv", [region("suv", 1.0, 0.9)]),
        ("suv", [region("suv", 1.0, 0.8)]),
        ("sedan", [region("suv", 0.9, 0.0), region("sedan", 0.5, 1.0)]),  # the second region passes
        ("sedan", [region("sedan", 0.5, 0.2)]),
        (NO_CAR, [region("suv", 0.9, 0.01)]),
    )
    test = rows(
        ("suv", [region("suv", 1.0, 0.6)]),
        ("sedan", []),
        ("sedan", [region("suv", 1.0, 0.7)]),
        (NO_CAR, []),
        (NO_CAR, [region("sedan", 1.0, 0.3), region("suv", 0.8, 0.5)]),
        split="test",
    )
    given = rows(
        (NO_CAR, [region("sedan", 1.0, 0.0)]), (NO_CAR, [region("sedan", 0.4, 0.1)]), source=GIVEN, split="test"
    )
    return pd.DataFrame([*validation, *test, *given], columns=list(PRESENCE)).astype(PRESENCE)


def presence(keep: float = 0.75) -> Presence:
    return Presence((1,), ("cab",), np.array([0.1, 0.5, 0.8, 0.9]), 4, keep, "", "")


def test_a_row_a_region_and_one_for_a_photo_without(table):
    assert len(table) == 6 + 6 + 2
    empty = table[(table["split"] == "test") & (table["predicted"] == "")]
    assert empty["body_type"].tolist() == ["sedan", NO_CAR] and empty["score"].isna().all()
    second = table[table["photo_id"] == "data set-validation-2.jpg"]
    assert second["score"].tolist() == [0.0, 0.5] and second["x2"].tolist() == [30, 30]


def test_the_answer_is_the_detectors_surest_region_that_passes(table):
    photos = photo_table(table, 0.5).set_index("photo_id")
    assert photos["answer"].tolist()[:5] == ["suv", "suv", "sedan", NO_CAR, NO_CAR]
    assert photos.loc["data set-test-1.jpg", ["object_score", "likeness", "score"]].tolist() == [0, 0, 0]
    assert photos.loc["data set-validation-2.jpg", ["object_score", "likeness"]].tolist() == [0.9, 1.0]
    assert photo_table(table, 0.3).set_index("photo_id").loc["data set-test-4.jpg", "answer"] == "sedan"


def test_the_numbers(table):
    found = presence_metrics(table, presence(), TYPES)
    assert found["threshold"] == 0.5 and found["classes"] == ["cab"]
    assert (found["kept"]["validation"]["value"], found["kept"]["test"]["value"]) == (0.75, pytest.approx(2 / 3))
    assert list(found["without_car"]) == ["validation", "test", "negatives"]
    test = found["without_car"]["test"]["scores"]
    assert test["score"]["false_alarms"]["value"] == 0 and test["score"]["threshold"] == 0.5
    # the detector's own scores of the validation cars: 1, 1, 0.9, 0.5; three of four reach 0.9
    assert test["object_score"]["threshold"] == 0.9 and test["object_score"]["false_alarms"]["value"] == 0.5
    # test cars 0.6, 0, 0.7 against 0 and 0.4: 1 + 1, 1/2 + 0, 1 + 1 of 6
    assert test["score"]["auroc"]["value"] == pytest.approx(4.5 / 6)
    given = found["without_car"]["negatives"]
    assert given["photos"] == 2 and given["scores"]["object_score"]["false_alarms"]["value"] == 0.5
    assert given["scores"]["score"]["false_alarms"]["n"] == 2
    # of the validation cars one is no car, of the test cars one is missed and one called another type
    assert (found["answers"]["validation"]["value"], found["answers"]["test"]["value"]) == (0.75, pytest.approx(1 / 3))
    assert describe_answers(found).startswith(
        "answered as make predict does, with “no car” below the threshold, 75.0% ("
    )
    assert "its opinion on the type and “no car”" in describe_answers(found | {"opinion": True})
    assert found["opinion"] is False and describe_answers({}) == ""
    matrix = found["confusion"]["test"]
    assert matrix["labels"] == ["suv", "sedan", NO_CAR]
    assert matrix["matrix"] == [[1, 0, 0], [1, 0, 1], [0, 0, 2]]
    assert "of 2 photos without a car (negatives) 0.0%" in describe(found)
    summary = presence_summary(found)
    assert len(summary) == 9 and summary["false_alarms"].between(0, 1).all()


def test_cars_alone_give_a_threshold_and_no_false_alarms(table):
    cars = table[table["body_type"] != NO_CAR]
    found = presence_metrics(cars, presence(), TYPES)
    assert found["without_car"] == {} and presence_summary(found).empty
    assert answer_matrix(photo_table(cars, 0.5).query("split == 'test'"), TYPES)["matrix"][-1] == [0, 0, 0]


def test_the_froc_curve_counts_every_region(table):
    curve = froc_curve(table, "score", cars="test", source=OWN, split="test").set_index("threshold")
    assert curve.loc[0.4].tolist() == [0.5, pytest.approx(2 / 3)]  # one region of 0.4, in two photos
    assert curve.loc[0.3].tolist() == [1.0, pytest.approx(2 / 3)]  # the second, of 0.3
    assert curve["false_alarms"].is_monotonic_increasing and curve["kept"].is_monotonic_increasing
    assert curve.iloc[0].tolist() == [0, 0] and curve.iloc[-1, 1] == 1
