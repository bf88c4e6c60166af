"""A second opinion on a car's type, by a network that no fine-tuning has touched: it holds on photos of another source.

A detector learns from a study's photos what tells their types apart, and with it much that holds of these photos alone.
The ImageNet classifier of the second look has seen a convertible, a minivan or a jeep in photos of all kinds. What it
says of a car in the dozen classes that are the object's (`carseg_lib.engine.likeness`) is too little to hold what is
special about one source: a linear rule on the logarithms of these probabilities, learned from training cars, names
fewer of their own kind than the detector does, and loses less elsewhere.

The two are multiplied (a product of experts: Hinton 2002, doi:10.1162/089976602760128018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # what reads a rule, as the report does, depends on no network
    from carseg_lib.engine.inference import Detection

TEACHERS = 1000  # training cars that a rule is learned from, at most
FLOOR = 1e-6  # of a probability, before its logarithm is taken
_STRENGTH = 0.1  # inverse of the penalty of large weights: a rule of a few cars says next to nothing
_DIGITS = 6  # of the rule's numbers: far fewer than the solver's, so that no order of sums shows in them


@dataclass(frozen=True)
class SecondOpinion:
    """A rule from the probabilities of the object's ImageNet classes to the study's types.

    Attributes:
        types: names, in the study's order.
        weights: float64 (classes, types), of the logarithms.
        biases: float64 (types,).
        power: what the opinion counts beside the detector's: 1 as much.
    """

    types: tuple[str, ...]
    weights: np.ndarray
    biases: np.ndarray
    power: float = 1.0

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """The probabilities of the types.

        Args:
            probabilities: (crops, classes) of the object's classes.

        Returns:
            float64 (crops, types), rows summing to 1.
        """
        logits = np.log(np.maximum(probabilities, FLOOR)) @ self.weights + self.biases
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        return likely / likely.sum(axis=1, keepdims=True)

    def on(self, detection: Detection, likely: np.ndarray) -> Detection:
        """A detection with the type that both opinions together make the likeliest.

        Its probability of being no background stays what the detector says.

        Args:
            detection: the detector's; one without probabilities stays as it is.
            likely: (types,) the opinion on its region.
        """
        own = np.array(detection.probabilities)
        if not own.sum() > 0:
            return detection
        both = own * likely**self.power
        both *= own.sum() / both.sum()
        best = int(both.argmax())
        probabilities = tuple(both.tolist())
        return replace(detection, body_type=self.types[best], score=probabilities[best], probabilities=probabilities)

    def content(self) -> dict[str, Any]:
        """As it is kept in model/presence.json."""
        return {
            "types": list(self.types),
            "weights": self.weights.tolist(),
            "biases": self.biases.tolist(),
            "power": self.power,
        }

    @classmethod
    def of(cls, content: Mapping[str, Any], classes: int) -> SecondOpinion:
        """From what `content` gave.

        Args:
            content: of the file.
            classes: that it is about.

        Raises:
            ValueError, KeyError, TypeError: the content is not of that form.
        """
        read = cls(
            tuple(map(str, content["types"])),
            np.array(content["weights"], float),
            np.array(content["biases"], float),
            float(content["power"]),
        )
        shape = classes, len(read.types)
        if read.weights.shape != shape or read.biases.shape != shape[1:] or not read.power > 0:
            raise ValueError("a weight for each class and type, a bias for each type, and a positive power")
        if not (np.isfinite(read.weights).all() and np.isfinite(read.biases).all() and np.isfinite(read.power)):
            raise ValueError("weights, biases and power are finite")
        return read


def learn_opinion(probabilities: np.ndarray, labels: Sequence[int], types: Sequence[str]) -> SecondOpinion | None:
    """Learn the rule.

    Args:
        probabilities: (cars, classes) of the object's ImageNet classes, of training cars.
        labels: index of each car's type in `types`.
        types: of the study.

    Returns:
        The rule; None where there can be none: no classes, or cars of some types alone.
    """
    if not probabilities.shape[1] or len(types) < 2 or len(set(labels)) < len(types):
        return None
    from sklearn.linear_model import LogisticRegression  # a second, which no prediction needs

    rule = LogisticRegression(C=_STRENGTH, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    rule.fit(np.log(np.maximum(probabilities.astype(float), FLOOR)), labels)
    weights, biases = rule.coef_.T, rule.intercept_
    if len(types) == 2:  # of two types there is one row of numbers, for the second against the first
        weights, biases = np.hstack([-weights / 2, weights / 2]), np.array([-biases[0] / 2, biases[0] / 2])
    return SecondOpinion(tuple(types), weights.round(_DIGITS), biases.round(_DIGITS))
