"""Replacing modules of a network by modules of another class."""

from collections.abc import Mapping
from typing import TypeVar

from torch import nn

ModuleType = TypeVar("ModuleType", bound=nn.Module)


def as_class(module: nn.Module, kind: type[ModuleType]) -> ModuleType:
    """A module of another class with the parameters, buffers, hooks and settings of a module, shared with it.

    Its own constructor would make new parameters, and draw random numbers for them. `kind` has no attributes that
    `module` lacks.
    """
    other = kind.__new__(kind)
    other.__setstate__(module.__dict__)
    return other


def replace_modules(network: nn.Module, replacements: Mapping[nn.Module, nn.Module]) -> None:
    """Puts modules into the places of others (new by old), in place; names, and so the state dict, stay."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in replacements:
                setattr(parent, name, replacements[child])
