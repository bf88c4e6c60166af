from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.tables import DETECTIONS, PREDICTIONS, probabilities, read_detections, read_predictions


def row(photo_id: str, body_type: str, predicted: str, score: float | None, mask_iou: float) -> dict:
    box = dict.fromkeys(("x1", "y1", "x2", "y2"), None if score is None else 0.1 + 0.2)
    true = {f"true_{name}": 1.5 for name in box}
    return (
        {"photo_id": photo_id, "split": "test", "body_type": body_type, "predicted": predicted, "score": score}
        | box
        | {"mask": "" if score is None else "null"}
        | true
        | {"box_iou": 0.0, "mask_iou": mask_iou, "width": 240, "height": 160}
    )


def test_predictions_come_back_as_they_were_written(tmp_path):
    written = pd.DataFrame([row("001", "none", "null", 1 / 3, 0.25), row("NA", "null", "", None, np.nan)]).astype(
        PREDICTIONS
    )
    table = read_predictions(files.write_csv(tmp_path / "predictions.csv", written))
    pd.testing.assert_frame_equal(table, written)
    assert table["photo_id"].tolist() == ["001", "NA"] and table["predicted"].tolist() == ["null", ""]
    assert table["mask"].tolist() == ["null", ""]
    assert table["score"][0] == 1 / 3 and np.isnan(table["score"][1]) and np.isnan(table["x1"][1])
    assert np.isnan(table["mask_iou"][1])


def test_probabilities_come_back_in_the_order_of_the_types(tmp_path):
    written = pd.DataFrame([row("1", "suv", "suv", 0.7, 0.5), row("2", "a, b", "", None, 0.0)]).astype(PREDICTIONS)
    written[["p_suv", "p_a, b"]] = [[1 / 3, 0.25], [0.0, 0.0]]
    table = read_predictions(files.write_csv(tmp_path / "predictions.csv", written))
    pd.testing.assert_frame_equal(table, written)
    assert probabilities(table, ["a, b", "suv"]).tolist() == [[0.25, 1 / 3], [0.0, 0.0]]


def test_predictions_without_probabilities_are_read_and_refused_where_they_are_needed(tmp_path):
    old = pd.DataFrame([row("1", "suv", "suv", 0.7, 0.5)]).astype(PREDICTIONS)
    table = read_predictions(files.write_csv(tmp_path / "predictions.csv", old))
    pd.testing.assert_frame_equal(table, old)
    with pytest.raises(CarsegError, match="'p_suv': it was made before probabilities were kept: make evaluate again"):
        probabilities(table, ["suv"])
    empty = files.write_csv(tmp_path / "predictions.csv", old.assign(p_suv=np.nan))
    with pytest.raises(CarsegError, match="scores of its detections alone"):
        probabilities(read_predictions(empty), ["suv"])


def test_detections_come_back_as_they_were_written(tmp_path):
    written = pd.DataFrame([{name: row("1", "nan", "", 0.5, 0)[name] for name in DETECTIONS}])
    table = read_detections(files.write_csv(tmp_path / "detections.csv", written))
    pd.testing.assert_frame_equal(table, written.astype(DETECTIONS))


def test_there_may_be_no_detections(tmp_path):
    table = read_detections(files.write_csv(tmp_path / "detections.csv", pd.DataFrame(columns=list(DETECTIONS))))
    assert table.empty and list(table) == list(DETECTIONS) and table["score"].dtype == "float64"


@pytest.mark.parametrize("content", ["", "photo_id,score\na.jpg,high\n", "\0"])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "predictions.csv"
    path.write_text(content)
    with pytest.raises(CarsegError, match=r"predictions\.csv"):
        read_predictions(path)


def test_a_missing_file_and_a_missing_column_are_named(tmp_path):
    with pytest.raises(CarsegError, match=r"predictions\.csv is not a readable table .* Delete it and run again"):
        read_predictions(tmp_path / "predictions.csv")
    path = files.write_csv(tmp_path / "detections.csv", pd.DataFrame({"photo_id": ["a"], "split": ["test"]}))
    with pytest.raises(CarsegError, match="has no column 'body_type'"):
        read_detections(path)
