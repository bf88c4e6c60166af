"""Sentences on the network and its training."""

from __future__ import annotations

import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.paper.claims import claimed_number


def model_told(summary: pd.DataFrame) -> str:
    """The size of the network, and where its work lies.

    Args:
        summary: from `models.mask_rcnn.summarize`.
    """
    whole, parts = summary.loc["all"], summary.drop(index="all")
    most = parts["gflop"].idxmax()
    trained, share = whole["trainable"] / whole["parameters"], parts.loc[most, "gflop"] / whole["gflop"]
    return (
        f"{whole['parameters'] / 1e6:.2f} million parameters, {percent(trained, 0)} of them trained; "
        f"{whole['gflop']:.2f} GFLOP a photo, the most of them ({percent(share, 0)}) in the part “{most}”."
    )


def averages_told(history: pd.DataFrame) -> str:
    """The averages over the epochs beside the paper's."""
    ours = {"validation": history["validation_accuracy"].mean(), "training": history["train_accuracy"].mean()}
    paper = {name: claimed_number(f"average {name} accuracy") for name in ours}
    words = [f"{name} {percent(ours[name])} (paper {percent(paper[name])})" for name in ours]
    above = ours["validation"] > ours["training"]
    return f"Mean over {len(history)} epochs: {', '.join(words)}. Validation lies " + (
        "above training, as in the paper." if above else "below training, unlike in the paper."
    )
