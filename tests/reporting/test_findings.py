"""Sentences of the page that are computed from numbers."""

from __future__ import annotations

from carseg_lib.reporting.html.findings import other_source


def test_what_another_source_costs_is_said_with_its_numbers():
    own, other = ({"value": v, "low": v - 0.02, "high": v + 0.02, "n": n} for v, n in ((0.87, 722), (0.65, 1138)))
    found = {"own": own, "other": other, "trainings": 3, "photos": 600, "epochs": 6, "profile": "quick"}
    text = other_source({"rendered": found | {"made": "2026-11-27", "commit": "abc1234"}})
    assert text == (
        "Another source of photos costs much: trained on 600 rendered photos for 6 epochs, profile quick names the "
        "type of 87.0% (85.0–89.0%) of 722 validation photos of their own source and of 65.0% (63.0–67.0%) of 1,138 of "
        "another one (3 trainings, 2026-11-27, commit abc1234)."
    )
    assert other_source({}) == ""
