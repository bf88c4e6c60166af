"""How often a step waits for its device: each such wait leaves a GPU without work for the time that the next takes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# What a GPU is waited for: a number for Python, or a shape that depends on values. In inference mode operations come as
# they are called, else as what they are made of.
WAITS = (
    "_local_scalar_dense",
    "item",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
    "equal",
    "nms",
)
# `tolist` reads a tensor's memory, which no operation of torch's shows: it is counted on its own.
READS = ("tolist", "numpy")


class HostWaits(TorchDispatchMode):
    """Counts, on any device, the operations that a GPU would be waited for.

    Attributes:
        found: how often each came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self._originals: dict[str, Any] = {}

    def __enter__(self) -> HostWaits:
        for name in READS:
            self._originals[name] = getattr(Tensor, name)
            setattr(Tensor, name, self._counted(name))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        for name, original in self._originals.items():
            setattr(Tensor, name, original)
        super().__exit__(*error)

    def _counted(self, name: str) -> Callable[..., Any]:
        original = self._originals[name]

        def counted(tensor: Tensor, *arguments: Any, **options: Any) -> Any:
            if not getattr(tensor, "on_host", False):
                self.found[name] += 1
            return original(tensor, *arguments, **options)

        return counted

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.split("::")[1]
        by_tensor = name == "repeat_interleave" and func._schema.overload_name != "self_int"
        if name in WAITS or by_tensor or (name == "where" and len(args) == 1):
            self.found[name] += 1
        elif name in ("index", "index_put", "index_put_"):
            masks = [i for i in args[1] if isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8)]
            self.found[f"{name} by a mask"] += len(masks)
        return func(*args, **(kwargs or {}))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.found.values())


def count_waits(action: Callable[[], object], device: torch.device) -> int:
    """How often one call waits for the device: as CUDA tells it, or on a CPU what a GPU would be waited for."""
    if device.type != "cuda":
        with HostWaits() as waits:
            action()
        return waits.total
    torch.cuda.synchronize(device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            action()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)
