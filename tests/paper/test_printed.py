import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.paper.printed import ANY, Rounding, interval_of, texts_of


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0.81", 0.805, 0.815),
        ("0.810", 0.8095, 0.8105),
        (".5", 0.45, 0.55),
        ("91.2%", 0.9115, 0.9125),
        ("91.2 %", 0.9115, 0.9125),
        ("91%", 0.905, 0.915),
        ("1.000", 0.9995, 1.0),
        ("0", 0.0, 0.5),
        ("100%", 0.995, 1.0),
        ("8.5e-02", 0.0845, 0.0855),
    ],
)
def test_the_digits_say_how_wide_the_interval_is(text, low, high):
    printed = Rounding().read(text)
    assert printed.text == text
    assert printed.interval == pytest.approx((low, high), abs=1e-12)
    assert printed.width == pytest.approx(high - low, abs=1e-12)


def test_truncated_and_rounded_up_numbers():
    assert Rounding("down").read("0.81").interval == pytest.approx((0.81, 0.82))
    assert Rounding("up").read("0.81").interval == pytest.approx((0.80, 0.81))
    assert Rounding("up").read("0.00").interval == (0.0, 0.0)


def test_a_table_that_lost_its_zeros_has_the_digits_that_are_said():
    assert Rounding(digits=3).read("0.8").interval == pytest.approx((0.7995, 0.8005))
    assert Rounding(digits=3).read("0.8125").interval == pytest.approx((0.81245, 0.81255))
    assert Rounding(digits=3).read("80%").interval == pytest.approx((0.7995, 0.8005))


def test_numbers_of_a_column_of_percentages():
    assert Rounding().read("91.2", percent=True).value == pytest.approx(0.912)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "'x' is no number"),
        ("", "'' is no number"),
        ("-0.1", "'-0.1' is no number"),
        ("inf", "'inf' is no number"),
        ("91.2", "91.2 is above 1: write 91.2% if it is a percentage"),
        ("101%", "101% is above 1"),
    ],
)
def test_what_is_no_rate_is_refused(text, message):
    with pytest.raises(CarsegError) as refused:
        Rounding().read(text)
    assert str(refused.value) == message


def test_a_number_that_is_not_printed_may_be_any():
    printed = Rounding().read("0.50")
    assert interval_of(None) == ANY == (0.0, 1.0)
    assert interval_of(printed) == printed.interval
    assert texts_of([printed, None]) == "0.50, –"
