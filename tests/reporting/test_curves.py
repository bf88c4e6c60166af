"""Curves over the epochs and the axis of dot plots: every value lies inside, at its place."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carseg_lib.reporting.html.curves import HEIGHT, WIDTH, training_charts
from carseg_lib.reporting.html.dots import axis

SHARE = st.floats(0.0, 1.0)
LOSS = st.floats(1e-3, 1e3)


@example([(0.0, 0.0, 201.0, 201.0)] * 2)
@given(st.lists(st.tuples(SHARE, SHARE, LOSS, LOSS), min_size=2, max_size=30))
def test_every_point_lies_inside_its_chart_and_higher_means_better_or_more(values: list[tuple[float, ...]]) -> None:
    names = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")
    history = [{"epoch": k} | dict(zip(names, row, strict=True)) for k, row in enumerate(values, start=1)]
    charts = training_charts(history)
    assert [len(chart.curves) for chart in charts] == [2, 2]
    for chart, columns in zip(charts, (names[:2], names[2:]), strict=True):
        assert len(chart.levels) >= 2 and all(-0.01 <= y <= HEIGHT + 0.01 for y, _ in chart.levels)
        for curve, column in zip(chart.curves, columns, strict=True):
            assert [x for x, _, _ in curve.points][:: len(values) - 1] == [0, WIDTH]
            assert all(-0.01 <= y <= HEIGHT + 0.01 for _, y, _ in curve.points)
            order = sorted(range(len(values)), key=lambda k: history[k][column])
            heights = [curve.points[k][1] for k in order]
            assert heights == sorted(heights, reverse=True)


def test_a_chart_says_its_values_and_needs_two_epochs_and_every_column() -> None:
    row = {"epoch": 1, "train_accuracy": 0.5, "validation_accuracy": 0.25, "train_loss": 2.0, "validation_loss": 0.5}
    accuracy, loss = training_charts([row, row | {"epoch": 2}])
    assert accuracy.curves[1].points[0][2] == "epoch 1, validation: 25.0%"
    assert loss.curves[0].points[1][2] == "epoch 2, training: 2.000"
    assert {text for _, text in loss.levels} == {"0.5", "1", "2"}
    assert training_charts([row]) == []
    assert [chart.title[:4] for chart in training_charts([row, row | {"train_loss": None}])] == ["Accu"]


@pytest.mark.parametrize(
    ("values", "floor", "ticks"),
    [((0.95,), 0.9, [1.0, 0.9]), ((0.55, 0.9), 0.5, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]), ((0.02,), 0.0, 6)],
)
def test_the_axis_of_dots_begins_below_the_lowest(values: tuple[float, ...], floor: float, ticks: object) -> None:
    found = axis([{"value": value, "low": None} for value in values])
    assert found["floor"] == floor
    assert found["ticks"] == ticks or len(found["ticks"]) == ticks
    assert axis([{"value": 0.95, "low": 0.5}], [None, 0.31])["floor"] < 0.31
