"""The claim table: what decides each state, by hand-worked numbers and an invented audit."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.evaluation.claim_table.comparison import compare, independent_photos, mean_over_epochs
from carseg_lib.evaluation.claim_table.evidence import Evidence, load_evidence, main_split, other_types
from carseg_lib.evaluation.claim_table.states import EXCEEDED, NOT_REPRODUCED, NOT_RUN, REPRODUCED, STATES, UNTESTABLE
from carseg_lib.evaluation.claim_table.table import claim_rows, claim_table, rests_on
from carseg_lib.evaluation.equivalence import ABOVE, BELOW, EQUIVALENT, UNDECIDED
from carseg_lib.paper import claims
from carseg_lib.paper.verdicts import IMPOSSIBLE, NOT_THIS_READING
from tests.helpers.judged_run import audit, make_history, make_metrics, make_split, reading, score, share


@pytest.fixture
def metrics() -> dict:
    return make_metrics()


@pytest.fixture
def history() -> pd.DataFrame:
    return make_history()


def by_name(evidence: Evidence, verdicts: pd.DataFrame | None = None) -> dict:
    return {row.what: row for row in claim_rows(evidence, audit() if verdicts is None else verdicts)}


def test_every_figure_and_statement_has_one_row_and_a_known_state(metrics, history):
    rows = claim_rows(Evidence(metrics, history), audit())
    assert [row.group for row in rows].count("Table 1") == 16
    assert [row.group for row in rows].count("headline") == 4
    assert [row.group for row in rows].count("average over epochs") == 2
    assert [row.group for row in rows].count("statement") == 7
    assert len({row.what for row in rows}) == len(rows) == 29
    assert {row.state for row in rows} <= set(STATES)
    assert all(row.why and row.place for row in rows)
    assert all(bool(row.printed) == (row.group != "statement") for row in rows)


# --- one number beside a printed one


@pytest.mark.parametrize(
    ("correct", "n", "verdict"),
    [
        (1824, 2000, EQUIVALENT),  # 91.2%, and 90% of such samples lie within a point
        (140, 148, UNDECIDED),  # 94.6%: the interval holds 91.2%, and reaches beyond 94.2%
        (137, 148, UNDECIDED),  # 92.6%, near, but of few photos
        (700, 722, ABOVE),  # 97.0%
        (600, 722, BELOW),  # 83.1%
    ],
)
def test_a_share_is_judged_by_equivalence(correct, n, verdict):
    found = compare("this run", "test", share(correct, n), 0.912, is_share=True)
    assert found.verdict == verdict
    assert 0 < found.smallest < 0.15


@pytest.mark.parametrize(
    ("value", "half", "verdict"),
    [
        (0.90, 0.030, EQUIVALENT),  # 90% interval: 0.90 ± 0.030 · 1.645/1.960 = ± 0.0252, within 0.90 ± 0.03
        (0.90, 0.036, UNDECIDED),  # ± 0.0302: not within
        (0.91, 0.020, EQUIVALENT),  # up to 0.9268
        (0.915, 0.020, UNDECIDED),  # up to 0.9318
        (0.94, 0.030, ABOVE),
        (0.85, 0.030, BELOW),
        (0.92, 0.015, ABOVE),  # up to 0.9326, and the 95% interval starts at 0.905
    ],
)
def test_a_score_is_judged_by_its_interval(value, half, verdict):
    found = compare("", "", score(value, half), 0.90, is_share=False)
    assert found.verdict == verdict
    assert found.smallest == pytest.approx((1.95996 + 0.84162) * half / 1.95996, abs=1e-5)


@given(st.integers(1, 3000), st.data())
def test_an_interval_tells_how_many_independent_photos_it_is_of(n, data):
    correct = data.draw(st.integers(0, n))
    estimate = share(correct, n)
    assert independent_photos(correct / n, estimate["low"], estimate["high"], n) == n
    assert independent_photos(correct / n, estimate["low"], estimate["high"], n // 2 + 1) == n // 2 + 1


def test_photos_in_groups_are_not_counted_as_independent():
    """91.2% of 2,000 photos are equivalent to 91.2%; in groups that tell as much as 125 photos they are not."""
    grouped = share(114, 125) | {"n": 2000}
    assert independent_photos(0.912, grouped["low"], grouped["high"], 2000) == 125
    assert compare("this run", "test", grouped, 0.912, is_share=True).verdict == UNDECIDED
    assert compare("this run", "test", share(1824, 2000), 0.912, is_share=True).verdict == EQUIVALENT


def test_without_an_interval_or_photos_nothing_is_told():
    assert compare("", "", {"value": 0.9}, 0.9, is_share=False).verdict == UNDECIDED
    never_predicted = {"value": 0.0, "low": 0.0, "high": 1.0, "n": 0}
    found = compare("", "", never_predicted, 0.9, is_share=True)
    assert (found.verdict, found.smallest) == (UNDECIDED, None)


@given(st.floats(0.05, 0.95), st.floats(0.001, 0.3), st.floats(0.05, 0.95))
def test_equivalent_is_never_far_and_above_never_below(value, half, claimed):
    found = compare("", "", score(value, half), claimed, is_share=False)
    if found.verdict == EQUIVALENT:
        assert abs(value - claimed) < 0.03
    if found.verdict in (ABOVE, BELOW):
        assert (found.verdict == ABOVE) == (value > claimed)
        assert abs(value - claimed) > half * 0.999


def test_a_mean_over_epochs_has_the_interval_of_its_photos():
    low, high = proportion_confint(0.92 * 722, 722, method="wilson")
    assert mean_over_epochs([0.90, 0.94], 722) == pytest.approx({"value": 0.92, "low": low, "high": high, "n": 722})


# --- the states of figures


def test_equivalent_is_reproduced_above_exceeded_below_not_reproduced(metrics):
    for correct, n, state in (
        (1824, 2000, REPRODUCED),
        (700, 722, EXCEEDED),
        (600, 722, NOT_REPRODUCED),
        (140, 148, UNDECIDED),
    ):
        metrics["splits"]["test"] = make_split(correct, n)
        row = by_name(Evidence(metrics))["headline accuracy"]
        assert row.state == state
        assert row.comparisons[0].source == "this run, test"
        assert row.comparisons[0].estimate == share(correct, n)
        assert [comparison.source for comparison in row.comparisons] == ["this run, test", "this run, validation"]


def test_too_few_photos_say_what_they_can_tell(metrics):
    row = by_name(Evidence(metrics))["headline accuracy"]
    smallest = row.comparisons[0].smallest
    assert row.why == f"148 photos tell a shortfall of {100 * smallest:.1f} points or more (with 80% power)."


def test_the_audit_outranks_the_comparison(metrics):
    metrics["splits"]["test"] = make_split(1824, 2000)
    metrics["splits"]["test"]["per_type"]["suv"]["f1"] = score(0.890, 0.001)
    verdicts = audit(suv_f1="impossible as printed", headline_accuracy="not by this reading")
    rows = by_name(Evidence(metrics), verdicts)
    assert rows["suv f1"].comparisons[0].verdict == EQUIVALENT  # ours is the printed one, and yet
    assert (rows["suv f1"].state, rows["suv f1"].why) == (IMPOSSIBLE, "Because of suv f1")
    assert rows["headline accuracy"].state == NOT_THIS_READING
    assert rows["headline accuracy"].comparisons[0].verdict == EQUIVALENT
    assert rows["headline f1"].state == REPRODUCED
    unjudged = by_name(Evidence(metrics), audit(headline_accuracy="cannot be judged"))
    assert unjudged["headline accuracy"].state == REPRODUCED


def test_a_type_without_photos_is_not_run(metrics):
    for split in metrics["splits"].values():
        split["per_type"] = copy.deepcopy(split["per_type"])
        split["per_type"]["minivan"] |= {"precision": None, "recall": None, "f1": None, "support": 0}
    rows = by_name(Evidence(metrics))
    assert rows["minivan recall"].state == NOT_RUN and rows["minivan recall"].comparisons == ()
    assert rows["minivan accuracy"].state != NOT_RUN


def test_a_smoke_run_and_other_types_decide_nothing(metrics, history):
    smoke = metrics | {"run": metrics["run"] | {"profile": "smoke"}}
    states = {row.state for row in claim_rows(Evidence(smoke, history), audit())}
    assert states == {NOT_RUN, UNTESTABLE}
    split = metrics["splits"]["test"]
    split["per_type"] = {"pickup": split["per_type"]["suv"], "van": split["per_type"]["sedan"]}
    assert other_types(metrics) == ["pickup", "van"]
    rows = by_name(Evidence(metrics, history))
    assert rows["headline accuracy"].state == UNTESTABLE and rows["headline accuracy"].comparisons == ()
    assert "pickup, van" in rows["headline accuracy"].why
    assert {row.state for row in rows.values()} == {NOT_RUN, UNTESTABLE}


def test_a_run_without_evaluated_splits_leaves_all_open(metrics):
    metrics["splits"] = {}
    assert main_split(metrics) == ""
    assert {row.state for row in claim_rows(Evidence(metrics), audit())} <= {NOT_RUN, UNTESTABLE}


def test_the_averages_are_of_the_epochs_and_name_what_was_measured(metrics, history):
    rows = by_name(Evidence(metrics, history))
    validation, training = (rows[name] for name in claims.AVERAGES)
    assert validation.comparisons[0].estimate["value"] == pytest.approx(0.92)
    assert validation.comparisons[0].estimate["n"] == 722
    assert "fixed sample of training photos without augmentation" in training.comparisons[0].source
    assert training.comparisons[0].estimate == pytest.approx(mean_over_epochs([0.8, 1.0], 200))
    running = by_name(Evidence(metrics, history.assign(train_running_accuracy=[0.6, 0.8])))
    (comparison,) = running["average training accuracy"].comparisons
    assert comparison.source == (
        "this run, mean over epochs, augmented training batches (of Mask R-CNN: regions with a car)"
    )
    assert comparison.estimate == pytest.approx(mean_over_epochs([0.6, 0.8], 1239))
    assert running["average training accuracy"].state == NOT_REPRODUCED  # 70% of 1,239 against 87.6%
    assert by_name(Evidence(metrics))["average validation accuracy"].state == NOT_RUN


# --- the statements


@pytest.mark.parametrize(
    ("masks", "iou", "state"),
    [
        ("given", score(0.88, 0.02), REPRODUCED),
        ("given", score(0.51, 0.02), UNDECIDED),
        ("given", score(0.40, 0.02), NOT_REPRODUCED),
        ("given", None, NOT_RUN),
        ("pseudo", score(0.88, 0.02), UNTESTABLE),
        ("none", None, UNTESTABLE),
    ],
)
def test_masks_are_judged_by_their_overlap(metrics, masks, iou, state):
    metrics["data"]["masks"], metrics["splits"]["test"]["mask_iou"] = masks, iou
    assert by_name(Evidence(metrics))["a mask for each car"].state == state


@pytest.mark.parametrize(
    ("alarms", "state"),
    [(score(0.83, 0.03), NOT_REPRODUCED), (score(0.05, 0.02), UNDECIDED), (score(0.01, 0.01), REPRODUCED)],
)
def test_detection_is_judged_where_there_is_no_car_by_the_detector_alone(metrics, alarms, state):
    assert by_name(Evidence(metrics))["cars are detected"].state == UNTESTABLE
    scores = {"object_score": {"false_alarms": alarms}, "score": {"false_alarms": score(0.0, 0.0)}}
    metrics["presence"] = {"without_car": {"test": {"photos": 30, "scores": scores}}}
    row = by_name(Evidence(metrics))["cars are detected"]
    assert row.state == state and "photos without one (test); with the second look in 0.0%" in row.why
    of_others = {name: {"false_alarms": score(0.5, 0.01)} for name in scores}
    metrics["presence"]["without_car"]["negatives"] = {"photos": 495, "scores": of_others}
    row = by_name(Evidence(metrics))["cars are detected"]  # photos of another source are worth more
    assert row.state == NOT_REPRODUCED and "of 495 photos" in row.why


@pytest.mark.parametrize(("correct", "state"), [(140, REPRODUCED), (40, UNDECIDED), (20, NOT_REPRODUCED)])
def test_effective_is_more_than_the_most_frequent_type(metrics, correct, state):
    metrics["splits"]["test"] = make_split(correct, 148)  # a quarter each: 25%
    row = by_name(Evidence(metrics))["effective at body types"]
    assert row.state == state
    assert "answers 25.0% of these photos" in row.why


def test_validation_above_training_needs_the_whole_interval(metrics, history):
    name = "validation above training"
    above = history.assign(train_accuracy=[0.70, 0.80])  # 92% of 722 against 75% of 200
    assert by_name(Evidence(metrics, above))[name].state == REPRODUCED
    assert by_name(Evidence(metrics, history))[name].state == UNDECIDED  # 92% against 90% of 200
    below = by_name(Evidence(metrics, history.assign(train_accuracy=[0.98, 1.0])))[name]
    assert below.state == NOT_REPRODUCED
    assert "−7.0 (" in below.why
    assert by_name(Evidence(metrics))[name].state == NOT_RUN


def test_readings_decide_what_one_run_cannot(metrics, history):
    found = [
        reading("a", 0.80, rotation="any_angle", crop="uncropped", start="imagenet"),
        reading("b", 0.70, rotation="flip", crop="uncropped", start="imagenet"),
        reading("c", 0.60, rotation="any_angle", crop="uncropped", start="none", running=0.9),
        reading("d", 0.60, rotation="any_angle", crop="cropped", start="coco"),
    ]
    readings = {"readings": {"data": "photos", "readings": found}}
    rows = by_name(Evidence(metrics, history, readings=readings))
    # a less b: 0.10 ± 1.96 · sqrt(2) · 0.02/1.96 = ± 0.0283
    assert rows["augmentation helps"].state == REPRODUCED
    assert rows["augmentation helps"].why == (
        "Last epoch, rotation less flip, in points: +10.0 (+7.2 to +12.8) (pairs of readings: 1)."
    )
    assert rows["fine-tuning helps"].state == REPRODUCED  # a less c: 0.20; d has no partner
    assert "start less none, in points: +20.0 (+17.2 to +22.8)" in rows["fine-tuning helps"].why
    assert rows["validation above training"].state == REPRODUCED  # a (0.78 above 0.7) alone of four
    assert "Under 1 of 4 readings" in rows["validation above training"].why
    # none of the four reaches 91.2%
    assert rows["headline accuracy"].readings == "0 of 4 readings on photos (run readings) reach it: 60.0% to 80.0%"
    assert rows["headline accuracy"].state == UNDECIDED  # of this run still
    found.append(reading("e", 0.70, rotation="any_angle", crop="cropped", start="imagenet"))  # worse than a by 0.10
    worse = by_name(Evidence(metrics, history, readings=readings))["augmentation helps"]
    assert worse.state == NOT_REPRODUCED
    assert "crop less uncropped, in points: −10.0 (−12.8 to −7.2) (pairs of readings: 1)." in worse.why
    found[-1] = reading("e", 0.79, rotation="any_angle", crop="cropped", start="imagenet")
    assert by_name(Evidence(metrics, history, readings=readings))["augmentation helps"].state == UNDECIDED
    without = by_name(Evidence(metrics, history))
    assert without["augmentation helps"].state == without["fine-tuning helps"].state == NOT_RUN
    assert without["headline accuracy"].readings == ""


def test_the_choices_of_the_statements_are_those_of_the_readings():
    choices = yaml.safe_load((project_folder() / "notebooks" / "readings.yaml").read_text(encoding="utf-8"))["choices"]
    for statement in claims.STATEMENTS:
        for choice, option in statement.test.get("without", {}).items():
            assert option in choices[choice]["options"]


def test_readings_that_reach_the_figure_are_counted(metrics):
    found = [reading("a", 0.912, 0.01), reading("b", 0.97, 0.01), reading("c", 0.912, 0.2), reading("d", 0.8, 0.01)]
    row = by_name(Evidence(metrics, readings={"r": {"data": "d", "readings": found}}))["average validation accuracy"]
    assert row.readings == "2 of 4 readings on d (run r) reach it: 80.0% to 97.0%"  # a and b
    found[2]["verdicts"] = {"mean": "equivalent"}  # by the readings' own results
    row = by_name(Evidence(metrics, readings={"r": {"data": "d", "readings": found}}))["average validation accuracy"]
    assert row.readings.startswith("3 of 4 readings")


# --- the table, and what lies in the folders


def test_the_table_has_the_deciding_numbers_and_names_the_runs(metrics, history):
    other = metrics | {"data": {"name": "photos", "masks": "pseudo"}, "splits": {"test": make_split(216, 234)}}
    rows = claim_rows(Evidence(metrics, history, {"photos-quick": other}), audit(suv_f1="impossible as printed"))
    table = claim_table(rows).set_index("claim")
    assert list(table.columns) == ["group", "paper", "state", "ours", "low", "high", "n", "rests_on", "why"]
    accuracy = table.loc["headline accuracy"]
    assert accuracy[["ours", "n", "paper"]].to_list() == [140 / 148, 148, "91.2%"]
    assert accuracy["rests_on"] == "this run, test; this run, validation; run photos-quick on photos, test"
    assert table.loc["suv f1", "state"] == IMPOSSIBLE and table.loc["suv f1", "paper"] == "0.890"
    assert pd.isna(table.loc["other backbones or attention improve it", "ours"])
    assert rests_on(rows[-1]) == "this run, test; this run, validation; run photos-quick on photos, test"


def write(folder: Path, metrics: dict) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_evidence_is_gathered_from_the_folders(tmp_path, metrics, history):
    def run(name: str, data: str, profile: str = "quick", seed: int = 0, **changes: object) -> Path:
        parts = {"run": {"name": name, "profile": profile, "seed": seed}, "data": {"name": data, "masks": "given"}}
        return write(tmp_path / name, metrics | parts | changes)

    here = run("quick", "rendered")
    for name, data, profile, seed in (
        ("a-best", "photos", "best", 0),
        ("b-seed1", "photos", "quick", 1),
        ("c-seed0", "photos", "quick", 0),
        ("d-smoke", "others", "smoke", 0),
        ("e-again", "rendered", "quick", 3),
    ):
        run(name, data, profile, seed)
    run("f-unfinished", "third", splits={})
    run("g-paper", "rendered", "paper")
    (tmp_path / "ablation").mkdir()
    (tmp_path / "ablation" / "results.json").write_text('{"variants": []}')
    (tmp_path / "readings-photos").mkdir()
    (tmp_path / "readings-photos" / "results.json").write_text('{"data": "photos", "readings": [{"name": "a"}]}')
    found = load_evidence(here, metrics)
    assert found.history is None and found.metrics is metrics
    assert list(found.others) == ["c-seed0"]  # one for each other data set: the same profile and seed
    assert list(found.readings) == ["readings-photos"]
    assert found.repeated == ("g-paper",)
    history.to_csv(here / "history.csv")
    assert load_evidence(here, metrics).history["validation_photos"].tolist() == [722, 722]
    (tmp_path / "a-best" / "metrics.json").write_text("{")
    with pytest.raises(CarsegError, match=r"a-best/metrics\.json"):
        load_evidence(here, metrics)
