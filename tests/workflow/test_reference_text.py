"""carseg_lib.workflow.reference_text: what check-reference and update-reference print."""

from __future__ import annotations

import pytest

from carseg_lib.workflow.reference import build_reference, compare_to_reference
from carseg_lib.workflow.reference_text import comparison_text, seeds_text
from tests.workflow.test_reference import PROVENANCE, make_metrics


def said(metrics, runs, provenance=PROVENANCE):
    reference = build_reference([(run, PROVENANCE) for run in runs])
    comparison = compare_to_reference(metrics, provenance, reference)
    return comparison_text(comparison, "mine", "reports/mine/reference_check.csv").splitlines()


SEEDS = [make_metrics(seed, accuracy) for seed, accuracy in enumerate([0.80, 0.84, 0.82, 0.83, 0.81])]


def test_a_healthy_rerun():
    run = make_metrics(7, 0.85)
    run["splits"]["test"]["per_type"]["suv"]["recall"]["value"] = 0.9
    lines = said(run, SEEDS)
    assert lines[0].split("  ")[0] == "" and "run mine" in lines[0] and "mean of 5 seeds" in lines[0]
    assert lines[1].split() == ["accuracy,", "validation", "85.00%", "82.00%", "+3.00", "±", "8.00", "ok"]
    assert lines[8] == (
        "information: 5 other numbers, at most 10.00 points apart (splits.test.per_type.suv.recall: 90.00%, 100.00% in "
        "the reference); all in reports/mine/reference_check.csv"
    )
    assert lines[9] == "bits: 3 of 11 numbers differ; not the same circumstances (seed: 7, reference 0)"
    assert lines[10:] == ["run mine is like its reference: 6 of 6 headline numbers in tolerance"]


def test_the_same_run_is_identical_to_the_bit():
    lines = said(make_metrics(), [make_metrics()])
    assert "bits: identical to the bit, all 11 numbers" in lines
    assert "information: 5 other numbers, all equal; all in reports/mine/reference_check.csv" in lines
    assert any(line.startswith("tolerance: from the 95% intervals alone; ") and "here is 1" in line for line in lines)


def test_a_difference_of_bits_under_the_same_circumstances_is_said_and_no_failure():
    lines = said(make_metrics(0, 0.8000001), [make_metrics()])
    assert (
        "bits: 2 of 11 numbers differ; with the same seed, machine, number format, threads and versions none should"
        in lines
    )
    assert lines[-1].startswith("run mine is like its reference")


def test_several_other_circumstances_are_counted():
    lines = said(make_metrics(3), [make_metrics()], PROVENANCE | {"threads": 8, "python": "CPython 3.12"})
    assert any(line.endswith("(seed: 3, reference 0 and 2 more)") for line in lines)


def test_what_is_wrong_is_named():
    worse = make_metrics(1, 0.5)
    worse["run"]["epochs"] = 9
    worse["splits"]["test"]["per_type"]["suv"]["recall"] = None
    worse["splits"]["test"]["box_ap"] = None
    lines = said(worse, SEEDS)
    assert lines[1].endswith("NOT OK") and "-32.00" in lines[1].replace("−", "-")
    assert any(line.startswith("box AP, test") and "–" in line and "missing" in line for line in lines)
    assert "NOT OK run.epochs: 9, 3 expected" in lines
    assert "NOT OK splits.test.per_type.suv.recall.value: missing or not finite (nan)" in lines
    assert (
        lines[-1] == "run mine is NOT like its reference: 3 of 6 headline numbers out of tolerance, 5 findings in all"
    )


@pytest.mark.parametrize("count", [5, 3])
def test_the_seeds_of_a_reference(count):
    lines = seeds_text(build_reference([(run, {}) for run in SEEDS[:count]])).splitlines()
    assert lines[0].split("  ")[-1] == "tolerance" and "seed 2" in lines[0]
    first = lines[1].split()
    assert first[:5] == ["accuracy,", "validation", "80.00%", "84.00%", "82.00%"]
    if count == 5:  # mean 82, sd sqrt(10 / 4)
        assert first[7:] == ["82.00%", "1.58", "±", "8.00"]
        assert len(lines) == 1 + 6
    else:
        assert lines[-1].endswith("here is 3")
