"""A printed classification report: its rows, averages and headline, as printed numbers.

A row is a class, and the rows are all classes: each photo is of one of them. The columns, all optional, are precision,
recall, f1, accuracy (one-vs-rest: the share of photos that are rightly said to be of the class or not) and support.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from carseg_lib.core.errors import CarsegError
from carseg_lib.paper.printed import Interval, Printed, interval_of

METRICS = ("precision", "recall", "f1", "accuracy")
AVERAGES = ("macro", "weighted", "micro")
Cell = tuple[str, str]  # row and column


@dataclass(frozen=True)
class Report:
    """A classification report.

    Args:
        names: The classes, in order.
        cells: The printed numbers by (class, metric).
        support: Photos of each class; empty if not known.
        averages: Printed averages of known kind: by "macro", "weighted" or "micro", then by metric.
        accuracy: The overall accuracy that stands in the report; None if none does.
        headline: Averages of a kind that is not said, by metric.
        photos: Photos of the report; None if not known.
        place: Where the report stands, in words.
    """

    names: tuple[str, ...]
    cells: Mapping[Cell, Printed]
    support: tuple[int, ...] = ()
    averages: Mapping[str, Mapping[str, Printed]] = field(default_factory=dict)
    accuracy: Printed | None = None
    headline: Mapping[str, Printed] = field(default_factory=dict)
    photos: int | None = None
    place: str = ""

    def __post_init__(self) -> None:
        if len(self.names) < 2:
            raise CarsegError(f"{self.place}: a report needs a row for each class, two at least")
        if self.support and self.photos is not None and sum(self.support) != self.photos:
            raise CarsegError(
                f"{self.place}: the classes have {sum(self.support):,} photos together, but N is {self.photos:,}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics of which a cell is printed, in the order of `METRICS`."""
        found = {metric for _, metric in self.cells}
        return tuple(metric for metric in METRICS if metric in found)

    @property
    def total(self) -> int | None:
        """The number of photos: given, or the sum of the supports."""
        return sum(self.support) if self.support else self.photos

    def has(self, *metrics: str) -> bool:
        """Whether these columns are complete."""
        return all((name, metric) in self.cells for metric in metrics for name in self.names)

    def interval(self, name: str, metric: str) -> Interval:
        """The values behind a cell; every rate where none is printed."""
        return interval_of(self.cells.get((name, metric)))

    def column(self, metric: str) -> list[Interval]:
        """The values behind each cell of a column."""
        return [self.interval(name, metric) for name in self.names]

    def printed(self, metric: str) -> list[Printed]:
        """The printed numbers of a complete column."""
        return [self.cells[name, metric] for name in self.names]

    def texts(self) -> dict[str, str]:
        """How each figure is printed, by its name in an audit: "suv recall", "macro f1", "accuracy", "headline f1"."""
        groups = {**self.averages, "headline": self.headline}
        shown = {f"{kind} {metric}": number.text for kind, some in groups.items() for metric, number in some.items()}
        accuracy = {"accuracy": self.accuracy.text} if self.accuracy else {}
        return {" ".join(cell): number.text for cell, number in self.cells.items()} | shown | accuracy

    def widened(self, error: float) -> Report:
        """The same report, if each of its cells may be wrong by this much more than its rounding."""
        wide = {
            cell: Printed(p.text, p.value, max(0.0, p.value - error), min(1.0, p.value + error))
            for cell, p in self.cells.items()
        }
        return replace(self, cells=wide)
