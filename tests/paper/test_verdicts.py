import pandas as pd
import pytest

from carseg_lib.paper.verdicts import (
    COLUMNS,
    CONSISTENT,
    IMPOSSIBLE,
    NOT_THIS_READING,
    ONE_EVALUATION,
    SCOPES,
    THIS_READING,
    UNKNOWN,
    WHATEVER,
    Checks,
    figure_verdicts,
    span,
    verdict_of,
)


def test_only_a_check_without_a_reading_makes_impossible():
    assert [verdict_of(scope, possible=False) for scope in SCOPES] == [IMPOSSIBLE, IMPOSSIBLE, NOT_THIS_READING]
    assert {verdict_of(scope, possible=True) for scope in SCOPES} == {CONSISTENT}
    assert {verdict_of(scope, possible=None) for scope in SCOPES} == {UNKNOWN}


def test_intervals_as_text():
    assert span((0.5, 0.75)) == "0.5000…0.7500" and span((0.5, float("inf")), 1) == "0.5…∞"
    assert span((0.6, 0.5)) == "none"


def frame(*rows):
    """Rows of claim, check, scope, verdict."""
    return pd.DataFrame(
        [(claim, "", "", check, scope, "", "implied", verdict, "why") for claim, check, scope, verdict in rows],
        columns=list(COLUMNS),
    )


@pytest.mark.parametrize(
    ("rows", "verdict", "why"),
    [
        ([("a", ONE_EVALUATION, CONSISTENT)], CONSISTENT, "check: why"),
        ([("a", WHATEVER, CONSISTENT), ("a", ONE_EVALUATION, IMPOSSIBLE)], IMPOSSIBLE, "check: why"),
        ([("a", THIS_READING, CONSISTENT), ("a, b", ONE_EVALUATION, IMPOSSIBLE)], IMPOSSIBLE, "(with 1 other): why"),
        ([("a", THIS_READING, NOT_THIS_READING), ("a", THIS_READING, CONSISTENT)], CONSISTENT, "A reading fits"),
        # a bound that holds is no reading
        ([("a", WHATEVER, CONSISTENT), ("a", THIS_READING, NOT_THIS_READING)], NOT_THIS_READING, "No reading of ours"),
        ([("a", THIS_READING, UNKNOWN), ("a", WHATEVER, UNKNOWN)], UNKNOWN, "check: why"),
        ([("a", THIS_READING, UNKNOWN), ("a", WHATEVER, CONSISTENT)], CONSISTENT, "check: why"),
    ],
)
def test_the_verdict_of_a_figure(rows, verdict, why):
    made = figure_verdicts(frame(*((claim, "check", *rest) for claim, *rest in rows)), {"a": "0.5"}).set_index("claim")
    assert made.loc["a", "verdict"] == verdict and why in made.loc["a", "why"]
    assert made.loc["a", "printed"] == "0.5"


def test_the_reason_is_of_the_check_that_assumes_least():
    rows = [("a, b", "x", ONE_EVALUATION, IMPOSSIBLE), ("a", "y", ONE_EVALUATION, IMPOSSIBLE),
            ("a, b, c", "z", WHATEVER, IMPOSSIBLE)]  # fmt: skip
    made = figure_verdicts(frame(*rows), {}).set_index("claim")
    assert made.loc["a", "why"].startswith("z (with 2 others)") and made.loc["a", "scope"] == WHATEVER
    assert figure_verdicts(frame(*rows[:2]), {}).set_index("claim").loc["a", "why"].startswith("y: ")


def test_checks_fill_in_their_words():
    checks = Checks("here", "table")
    values = {"rows": 2, "width": 3, "columns": "recall", "implied": checks.text("matrix", "none", error=0.1)}
    checks.add("matrix", ["a recall", "b recall"], "0.1, 0.2", possible=False, **values)
    row = checks.frame().iloc[0]
    assert row["claim"] == "a recall, b recall" and row["place"] == "here" and row["verdict"] == IMPOSSIBLE
    assert row["implied"] == "none; the first if each is off by 0.100" and "2 x 3 cells" in row["working"]
