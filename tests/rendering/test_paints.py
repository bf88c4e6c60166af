"""Colours and finishes of cars."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.classes import BODY_TYPES
from carseg_rendering.car.paints import COLOURS, FINISHES, sample_look


@given(st.sampled_from(BODY_TYPES), st.integers(0, 10_000))
def test_looks_are_plausible_and_plain_ones_keep_the_colour(body_type, seed):
    full = sample_look(np.random.default_rng(seed), body_type=body_type)
    plain = sample_look(np.random.default_rng(seed), body_type=body_type, plain=True)
    assert full.colour in COLOURS
    assert full.finish in FINISHES
    assert (full.flake > 0) == (full.finish != "solid")
    assert all(0 < value < 0.9 for value in full.base)
    assert 0 <= full.dirt <= 0.5
    assert (plain.finish, plain.flake, plain.dirt) == ("solid", 0.0, 0.0)
    assert {k: v for k, v in asdict(plain).items() if k not in ("finish", "flake", "dirt")} == {
        k: v for k, v in asdict(full).items() if k not in ("finish", "flake", "dirt")
    }


def test_shares_of_colours_are_shares():
    assert sum(share for _, share in COLOURS.values()) == pytest.approx(1)


def test_dirt_dulls_the_paint():
    rng = np.random.default_rng(0)
    looks = [sample_look(rng, body_type="suv") for _ in range(200)]
    assert {look.body()["type"] for look in looks if look.dirt > 0} == {"blendbsdf"}
    assert 0.1 < np.mean([look.dirt > 0.06 for look in looks]) < 0.3
