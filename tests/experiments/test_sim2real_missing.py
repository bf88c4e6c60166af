"""What rendered cars lack: names counted by type, and linear rules on features whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from carseg_lib.experiments.sim2real.missing import NOTHING, REAL, RENDERED, Features, frozen_rules, named_as


def test_names_are_counted_by_type_and_a_missed_photo_is_counted_too():
    predictions = pd.DataFrame(
        {"body_type": ["suv", "suv", "suv", "sedan"], "predicted": ["suv", "sedan", "", "sedan"]}
    )
    suv, sedan = named_as(predictions, ("suv", "sedan", "minivan"))
    assert suv["named"] == {"suv": 1, "sedan": 1, "minivan": 0, NOTHING: 1}
    assert suv["recall"]["value"] == pytest.approx(1 / 3) and suv["n"] == 3
    assert sedan["recall"]["value"] == 1


def features(rng: np.random.Generator, photos: int, sign: float, place: float) -> Features:
    """Two types that one feature tells apart, in one source with the other sign, and one that names the source."""
    suv = rng.integers(0, 2, photos).astype(bool)
    values = np.stack([sign * np.where(suv, 3.0, -3.0), np.full(photos, place), np.zeros(photos)], 1)
    return values + rng.normal(0, 0.5, values.shape), np.where(suv, "suv", "sedan")


def test_a_rule_knows_its_own_source_and_fails_where_the_features_mean_the_opposite():
    rng = np.random.default_rng(0)
    training, validation = (
        {RENDERED: features(rng, 600, 1.0, 0.0), REAL: features(rng, 600, -1.0, 4.0)} for _ in range(2)
    )
    found = frozen_rules(training, validation)
    shares = {(rule["learned_from"], rule["asked_of"]): rule["accuracy"]["value"] for rule in found["rules"]}
    assert shares[RENDERED, RENDERED] == shares[REAL, REAL] == 1
    assert shares[RENDERED, REAL] == shares[REAL, RENDERED] == 0
    assert found["apart"] == 1
    same = {name: features(rng, 200, 1.0, 0.0) for name in (RENDERED, REAL)}
    assert frozen_rules(same, {name: features(rng, 200, 1.0, 0.0) for name in same})["apart"] < 0.62
