"""Numbers as text."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carseg_lib.core.formatting import DASH, significant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4.32e-05, "0.0000432"),
        (0.5, "0.5"),
        (12.345, "12.3"),
        (9.996, "10"),
        (1234.5, "1,230"),
        (0.0, "0"),
        (-0.00125, "-0.00125"),
        (math.nan, DASH),
        (-math.inf, DASH),
    ],
)
def test_three_significant_digits_without_an_exponent(value: float, text: str) -> None:
    assert significant(value) == text


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_the_text_is_the_rounded_number(value: float) -> None:
    text = significant(value)
    assert "e" not in text and float(text.replace(",", "")) == float(f"{value:.3g}")
