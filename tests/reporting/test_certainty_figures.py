"""The figures of certainty: what they draw and say, and that nothing is cut off."""

from pathlib import Path

import pandas as pd
import pytest

from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.data.loader import load_catalogue
from carseg_lib.evaluation.calibration import calibrate
from carseg_lib.evaluation.conformal import conformal_sets
from carseg_lib.evaluation.label_errors import DOUBTS
from carseg_lib.evaluation.selective import selective_accuracy
from carseg_lib.reporting.plots import certainty
from carseg_lib.reporting.plots.style import png_bytes
from tests.helpers.figures import assert_texts_inside
from tests.helpers.probabilities import make_predictions

SAMPLING = {"bootstrap_samples": 50, "seed": 0}


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return make_predictions({"train": 20, "validation": 400, "test": 150}, temperature=1.6, none_found=2)


def test_the_reliability_diagram_says_ece_before_and_after(predictions):
    report = calibrate(predictions, BODY_TYPES, **SAMPLING)
    figure = certainty.reliability_diagram(predictions, BODY_TYPES, report)
    assert_texts_inside(figure, "reliability")
    before = report["splits"]["test"]["before"]
    assert f"test: ECE {100 * before['ece']['value']:.1f}%" in figure.alt and before["direction"] in figure.alt
    above = figure.axes[1]
    assert "Test (n = 150)" in above.get_title(loc="left")
    points = [line for line in above.lines if line.get_marker() == "o"]
    assert len(points) >= 6 and all(0 <= line.get_ydata()[0] <= 1 for line in points)
    assert f"T = {report['temperature']:.2f}" in "".join(t.get_text() for t in figure.legends[0].get_texts())


def test_the_curve_ends_at_the_accuracy_of_all_photos(predictions):
    report = selective_accuracy(predictions, BODY_TYPES, **SAMPLING)
    figure = certainty.risk_coverage_curve(predictions, BODY_TYPES, report)
    assert_texts_inside(figure, "risk_coverage")
    right = (predictions["predicted"] == predictions["body_type"]).groupby(predictions["split"]).mean()
    curves = [line for line in figure.axes[0].lines if line.get_marker() == "None"]
    assert [line.get_ydata()[-1] for line in curves] == pytest.approx([right["validation"], right["test"]])
    assert "test, 90% answered" in figure.alt and "By thresholds from validation" in figure.alt
    alone = predictions[predictions["split"] == "validation"]
    report = selective_accuracy(alone, BODY_TYPES, **SAMPLING)
    assert "By thresholds" not in certainty.risk_coverage_curve(alone, BODY_TYPES, report).alt


def test_the_conformal_figure_has_a_row_a_type_and_both_kinds(predictions):
    rows = conformal_sets(predictions, BODY_TYPES, **SAMPLING)
    figure = certainty.conformal_coverage(rows)
    assert_texts_inside(figure, "conformal")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "all photos\nn = 150" and len(labels) == 5
    points = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
    assert [len(line.get_xdata()) for line in points] == [5, 5]
    assert points[0].get_xdata().tolist() == rows["coverage"][:5].tolist()


def test_doubted_photos_show_label_and_likely_type(synthetic_cars: Path):
    catalogue = load_catalogue(synthetic_cars)
    ids = catalogue.photos["photo_id"].head(5).tolist()
    doubts = pd.DataFrame({"photo_id": ids, "split": "test", "given": "suv", "likely": "sedan", "score": 0.01})
    figure = certainty.doubted_photos(catalogue, doubts.astype(DOUBTS))
    assert_texts_inside(figure, "doubts")
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 5 and shown[0].get_title(loc="left") == "labelled suv"
    assert shown[0].get_xlabel().startswith("likely sedan (test)") and ids[0] in figure.alt
    assert_texts_inside(certainty.doubted_photos(catalogue, doubts.head(1)), "one doubt")
    none = certainty.doubted_photos(catalogue, doubts.head(0))
    assert "No label is doubted" in none.axes[0].texts[0].get_text()
    once, again = (png_bytes(certainty.doubted_photos(catalogue, doubts)) for _ in range(2))
    assert once == again
