import numpy as np
import pytest

from carseg_lib.evaluation.multiple import false_discovery, holm

P_VALUES = np.array([0.04, 0.01, np.nan, 0.03])


def test_holm_by_hand():
    # Of three the least counts three times, the next twice, the last once, and none less than the one before.
    np.testing.assert_allclose(holm(P_VALUES), [0.06, 0.03, np.nan, 0.06])


def test_false_discovery_by_hand():
    # Times three over its rank, and none more than the one after: 0.01 * 3, 0.03 * 3 / 2, 0.04 * 3 / 3.
    np.testing.assert_allclose(false_discovery(P_VALUES), [0.04, 0.03, np.nan, 0.04])


@pytest.mark.parametrize("adjust", [holm, false_discovery])
def test_nothing_tested_is_nothing_adjusted(adjust):
    assert adjust(np.zeros(0)).shape == (0,)
    assert np.isnan(adjust(np.full(2, np.nan))).all()
