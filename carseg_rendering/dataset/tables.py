"""Tables of parameters as CSV: a row a photo, the same bytes wherever they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping


def table_csv(rows: Iterable[Mapping[str, float | int | str]]) -> str:
    """A table with a header, its numbers to six digits.

    Args:
        rows: At least one; the first column, `photo_id`, names the row.

    Raises:
        ValueError: There is no row, or a row has other columns than the first.
    """
    found = list(rows)
    if not found:
        raise ValueError("a table needs at least one row")
    columns = list(found[0])
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for row in found:
        if list(row) != columns:
            raise ValueError(f"{row.get('photo_id')} has other parameters than {found[0].get('photo_id')}")
        table.writerow([f"{value:.6g}" if isinstance(value, float) else value for value in row.values()])
    return text.getvalue()
