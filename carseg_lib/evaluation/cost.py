"""What a run costs: time, photos, memory, and an estimate of its energy.

The energy is an estimate, not a measurement: watts × seconds, with power that is assumed, the same all the time: of a
core in use with its share of the machine, `WATTS_PER_CORE`, and of a GPU, `WATTS_PER_GPU`. Real power differs with the
processor, its load and the cooling; low and high are the estimate by half and by twice that power.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

WATTS_PER_CORE = 10.0  # assumed: of processor, memory, board and supply, under load
WATTS_PER_GPU = 300.0  # assumed: a data-centre card under load
FACTOR = 2.0  # by which the assumed power may be wrong, either way
_KWH = 3.6e6  # joules


def run_cost(provenance: Mapping[str, Any], history: pd.DataFrame) -> dict[str, Any]:
    """The cost of a run, from what it recorded.

    Args:
        provenance: provenance.json: steps (name, seconds, peak_memory_mb or None), hardware (cores, gpus).
        history: history.csv: a row an epoch, seconds and photos_per_second.

    Returns:
        seconds (of all steps), training_seconds (of all epochs), photos_trained (photos times epochs), steps ({name:
        seconds}), peak_memory_mb (1e6 bytes; None if not measured), energy ({"kwh", "low", "high", "watts"}, an
        assumption: see the module's docstring).
    """
    hardware = provenance["hardware"]
    seconds = float(sum(step["seconds"] for step in provenance["steps"]))
    memory = [step["peak_memory_mb"] for step in provenance["steps"] if step.get("peak_memory_mb") is not None]
    watts = WATTS_PER_CORE * hardware["cores"] + WATTS_PER_GPU * len(hardware["gpus"])
    kwh = watts * seconds / _KWH
    return {
        "seconds": seconds,
        "training_seconds": float(history["seconds"].sum()),
        "photos_trained": round(float((history["photos_per_second"] * history["seconds"]).sum())),
        "steps": {step["name"]: float(step["seconds"]) for step in provenance["steps"]},
        "peak_memory_mb": max(memory, default=None),
        "energy": {"kwh": kwh, "low": kwh / FACTOR, "high": kwh * FACTOR, "watts": watts},
    }
