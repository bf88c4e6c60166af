"""Rounding of shares to whole numbers."""

import numpy as np


def largest_remainders(shares: np.ndarray) -> np.ndarray:
    """Whole numbers with the (whole) sum of the shares: the largest remainders are rounded up, of equals the first."""
    whole = np.floor(shares + 1e-9).astype(int)  # of a share that is whole but for the last digit, that number
    whole[np.argsort(whole - shares, kind="stable")[: round(shares.sum()) - whole.sum()]] += 1
    return whole
