"""P-values of a table of many tests.

A table of comparisons is corrected by Holm (1979): the chance that any of its claims is false stays below 5%. A search
among many slices is corrected by Benjamini and Hochberg (1995, doi:10.1111/j.2517-6161.1995.tb02031.x): of those that
are named, 5% are false on average.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

ALPHA = 0.05


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted for their number by Holm's method.

    Args:
        p_values: float array (m,), 0..1; NaN where nothing was tested.

    Returns:
        float array (m,), 0..1; NaN stays.
    """
    return _of_tested(p_values, lambda tested: multipletests(tested, ALPHA, method="holm")[1])


def false_discovery(p_values: np.ndarray) -> np.ndarray:
    """P-values adjusted by the method of Benjamini and Hochberg: the false discovery rate at which each is named.

    Args:
        p_values: float array (m,), 0..1; NaN where nothing was tested.

    Returns:
        float array (m,), 0..1; NaN stays.
    """
    return _of_tested(p_values, false_discovery_control)


def _of_tested(p_values: np.ndarray, adjust: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    values = np.asarray(p_values, dtype=float)
    tested, adjusted = np.isfinite(values), np.full(values.shape, np.nan)
    if tested.any():
        adjusted[tested] = adjust(values[tested])
    return adjusted
