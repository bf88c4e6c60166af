"""The average of a network's weights over the last steps, which judges photos better than the last step's own.

A step of a small batch leaves the weights somewhere around where they are going: between two epochs, validation
accuracy jumped by up to eight points here. (Polyak and Juditsky 1992, doi:10.1137/0330046; exponential, as Tan and Le
2019, §5.2, have it, arXiv:1905.11946.)
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

EVERY = 4  # steps; the average soon moves so slowly that a quarter of the work is enough
FIRST = 40  # steps after each of which it is moved


class ModelEMA:
    """An exponential moving average of the weights that are trained.

    Args:
        model: whose weights are averaged.
        decay: share of the average that a step keeps, 0..1; 0: no average, the weights themselves are used.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad} if decay else {}
        self.values = {name: p.detach().clone() for name, p in self.trained.items()}
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the weights; to be called after every step."""
        self.steps += 1
        moves = 1 if self.steps <= FIRST else EVERY
        if not self.values or self.steps % moves:
            return
        # the first average is a random network: it is forgotten sooner while there is little else
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** moves
        torch._foreach_lerp_(list(self.values.values()), list(self.trained.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average for its weights until the block ends."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self.trained.items():
            parameter.data, self.values[name] = self.values[name], parameter.data

    def state_dict(self) -> dict[str, Tensor | int]:
        """What `load_state_dict` goes on from."""
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: dict) -> None:
        """Puts the average where `state_dict` was taken."""
        self.steps = state["steps"]
        for name, value in self.values.items():
            value.copy_(state["values"][name])
