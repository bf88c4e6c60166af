"""carseg: a reproducible study of a published Mask R-CNN result on four car body types.

`load_dataset`, `build_model`, `train`, `evaluate` and `predict` do from Python what the commands do, and `open_run`
opens a run for a notebook; importing the package loads nothing until one of them is used.
"""

from __future__ import annotations

import importlib
from importlib import metadata
from typing import TYPE_CHECKING, Any

# For type checkers alone, and found by name otherwise: every module of the package depends on this file, and would
# depend on all that it imports.
if TYPE_CHECKING:
    from carseg_lib.workflow.api import build_model, evaluate, load_dataset, open_run, predict, train

    __version__: str

__all__ = ["__version__", "build_model", "evaluate", "load_dataset", "open_run", "predict", "train"]


def __getattr__(name: str) -> Any:
    """Load a name of the API when it is first used."""
    if name == "__version__":
        try:
            return metadata.version("carseg")
        except metadata.PackageNotFoundError:
            raise AttributeError("carseg has no version, because it is not installed (make setup)") from None
    if name in __all__:
        return getattr(importlib.import_module("carseg_lib.workflow.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the names of the API besides those that are loaded."""
    return sorted({*globals(), *__all__})
