"""The summary of a data set as plain text, for `make inspect`. Writes no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from carseg_lib.core.config import DataConfig
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.formats.base import Listing
from carseg_lib.data.formats.detect import detect_and_list
from carseg_lib.data.loader import read_listing, validate_catalogue
from carseg_lib.data.remarks import REASONS
from carseg_lib.data.splits import assign_splits, shared_groups

_SHOWN = 3  # examples, and sizes
_WIDEST = 100  # characters of an example


def print_summary(
    data: Path, config: DataConfig, seed: int, show: Callable[[str], None], progress: Callable[[int, int], None]
) -> None:
    """Open every photo of a data set once and show a summary.

    Args:
        data: The folder or annotation file, as for `load_catalogue`.
        config: The body types, what photos without any annotation are, and how photos are divided into splits.
        seed: Seed of the splits that a run would make, where the data lack some.
        show: Called with each line, for instance `print`.
        progress: Called after each photo with (photos read, photos in all).

    Raises:
        CarsegError: The data cannot be listed; or, after the summary, no model can be trained on them.
    """
    listing = detect_and_list(data, config.classes, config.unlabelled, config.format)
    catalogue = read_listing(listing, progress=progress)
    for line in summary_lines(listing, catalogue):
        show(line)
    validate_catalogue(data, listing, catalogue)
    for line in split_lines(catalogue, assign_splits(catalogue, seed, config.split_by)):
        show(line)


def summary_lines(listing: Listing, catalogue: Catalogue) -> Iterator[str]:
    """Format, photos by type and split, sizes, boxes, masks, groups if any are known, and excluded photos."""
    photos, cars = catalogue.photos, catalogue.instances
    carless = f", {len(catalogue.background):,} photos without a car" if len(catalogue.background) else ""
    yield f"{catalogue.name}: {listing.source}, {len(photos):,} photos, {len(cars):,} labelled cars{carless}"
    yield ""
    yield from _count_lines(catalogue.counts_with_background())
    yield ""
    yield f"sizes     {_sizes(catalogue)}"
    yield f"boxes     {_origins(cars['box_origin'])}"
    yield f"masks     {_origins(cars['mask_origin'])}"
    if catalogue.has_groups:
        known = photos[photos["group"] != ""]
        shared = shared_groups(photos)
        yield f"groups    {known['group'].nunique():,} of {len(known):,} photos, {shared:,} in more than one split"
    otherwise = catalogue.excluded["reason"].isin(REASONS)
    if otherwise.any():
        yield "read otherwise than it is written"
        for row in catalogue.excluded[otherwise].itertuples():
            yield f"  {row.reason}: {row.detail}"
    left_out = catalogue.excluded[~otherwise]
    yield "left out" if len(left_out) else "left out  nothing"
    for reason in left_out["reason"].value_counts().index:  # most frequent first
        rows = left_out[left_out["reason"] == reason]
        yield f"  {reason}: {len(rows):,}"
        for row in rows.head(_SHOWN).itertuples():
            yield f"    {_cut(f'{row.photo_id}: {row.detail}')}"
        if len(rows) > _SHOWN:
            yield "    …"


def split_lines(catalogue: Catalogue, dataset: Catalogue) -> Iterator[str]:
    """The splits of a run, where they are not those of the data, and warnings about types with few photos."""
    counts = dataset.counts_with_background()
    if not catalogue.counts_with_background().equals(counts):
        yield ""
        yield "as a run divides them, copies kept together and excluded from earlier splits:"
        yield from _count_lines(counts)
    for warning in dataset.warnings():
        yield f"warning: {warning}"


def _count_lines(counts: pd.DataFrame) -> Iterator[str]:
    """A table of counts, with sums."""
    table = pd.concat([counts, counts.sum().to_frame("all").T])
    table["all"] = table.sum(axis=1)
    first = max(len(str(name)) for name in ["photos", *table.index])
    widths = {name: max(len(str(name)), 7) for name in table.columns}
    yield "  ".join([f"{'photos':{first}}", *(f"{name:>{width}}" for name, width in widths.items())])
    for name, row in table.iterrows():
        yield "  ".join([f"{name:{first}}", *(f"{row[column]:>{width},}" for column, width in widths.items())])


def _sizes(catalogue: Catalogue) -> str:
    table = catalogue.size_table()
    if table.empty:
        return "none"
    shown = ", ".join(f"{row.width} × {row.height}: {row.photos:,}" for row in table.head(_SHOWN).itertuples())
    more = f", … ({len(table):,} different)" if len(table) > _SHOWN else ""
    areas = (table["width"] * table["height"]).sort_values()
    small, large = (table.loc[areas.index[k], ["width", "height"]].tolist() for k in (0, -1))
    ends = f"; from {small[0]} × {small[1]} to {large[0]} × {large[1]} pixels" if len(table) > 1 else " pixels"
    return shown + more + ends


def _origins(origins: pd.Series) -> str:
    return ", ".join(f"{origin}: {n:,}" for origin, n in origins.value_counts().items()) or "none"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
