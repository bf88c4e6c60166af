"""The exponential moving average of a network's weights, which predicts better than the weights of the last step.

The steps of small batches are noisy: without an average, validation accuracy jumped by up to eight points between two
epochs here. (Polyak and Juditsky 1992, doi:10.1137/0330046; exponential as in Tan and Le 2019, §5.2, arXiv:1905.11946.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

EVERY = 4  # steps between two updates: the average soon moves so slowly that a quarter of them is enough
FIRST = 40  # steps, at the beginning, after each of which it is updated


class ModelEMA:
    """The exponential moving average of the trained weights of a model.

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
        """Updates the average; to be called after every step."""
        self.steps += 1
        moves = 1 if self.steps <= FIRST else EVERY
        if not self.values or self.steps % moves:
            return
        # a warm-up, as the first average is a random network
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** moves
        torch._foreach_lerp_(list(self.values.values()), list(self.trained.values()), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The average is the model's weights until the block ends."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self.trained.items():
            parameter.data, self.values[name] = self.values[name], parameter.data

    def state_dict(self) -> dict[str, Any]:
        """The state, for `load_state_dict`."""
        return {"steps": self.steps, "values": self.values}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a state of `state_dict`."""
        self.steps = state["steps"]
        for name, value in self.values.items():
            value.copy_(state["values"][name])
