"""The table of what rendered photos were made from: parameters.csv, beside a COCO folder's annotations/.

Its column photo_id names photos as the annotations do; every other column is a parameter. A column in which each cell
is a number or empty holds numbers, any other one texts. The data set's builder writes it; no table is needed.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import PARAMETER_COLUMNS, table
from carseg_lib.data.formats.base import Listing, as_text, is_text

NAME = "parameters.csv"


def read_parameters(data: Path) -> pd.DataFrame:
    """Read a data set's table of parameters.

    Args:
        data: The folder; a COCO file has no such table.

    Returns:
        A row per photo, sorted by photo_id: photo_id, then the parameters in the file's order, numbers as float64
        (NaN where the cell is empty), texts as str. No rows if there is no such file.

    Raises:
        CarsegError: The file cannot be read as a table, or it has no column photo_id, a column without a name or twice,
            a photo twice, a name that is no text, or a number that is not finite.
    """
    path = data / NAME
    if not path.is_file():
        return table([], PARAMETER_COLUMNS)
    try:
        rows = pd.read_csv(
            path, header=None, dtype="str", keep_default_na=False, na_values=[], index_col=False
        )
    except OSError as error:
        raise CarsegError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # not UTF-8, rows of different lengths, no row at all
        raise CarsegError(
            f"{path}: not a CSV table ({as_text(str(error).strip())}); write it again"
        ) from None
    names = rows.iloc[0].tolist()
    if "photo_id" not in names:
        raise CarsegError(f"{path}: there is no column photo_id among {', '.join(map(as_text, names[:10]))}")
    for name in names:
        if not name or not is_text(name) or names.count(name) > 1:
            raise CarsegError(
                f"{path}: the column {as_text(name)!r} is unnamed or stands twice; name each once"
            )
    known = rows.iloc[1:].set_axis(names, axis="columns").sort_values("photo_id", ignore_index=True)
    if known["photo_id"].duplicated().any():
        twice = known.loc[known["photo_id"].duplicated(), "photo_id"].iloc[0]
        raise CarsegError(f"{path}: the photo {twice!r} stands in two rows; give every photo one")
    others = [name for name in names if name != "photo_id"]
    typed = {name: _typed(path, name, known[name]) for name in others}
    return pd.DataFrame({"photo_id": known["photo_id"]} | typed)


def check_parameters(data: Path, listing: Listing, in_annotations: set[str]) -> None:
    """Hold the parameters of a listing against its photos; rows of no photo are noted in `ignored`.

    Args:
        data: The folder, for messages.
        listing: With `parameters` and photos.
        in_annotations: Ids of all photos that the annotations name, with a labelled car or without.

    Raises:
        CarsegError: A photo has no row.
    """
    if not (data / NAME).is_file():
        return
    ids = set(listing.parameters["photo_id"])
    if missing := sorted({photo.photo_id for photo in listing.photos} - ids):
        raise CarsegError(
            f"{data / NAME}: {len(missing)} photos of the annotations have no row, the first: {missing[0]!r}; add "
            "them, or remove the file"
        )
    if strange := sorted(ids - in_annotations):
        listing.ignore(NAME, "no such photo", f"{len(strange)} rows, the first: {strange[0]}")


def _typed(path: Path, name: str, cells: pd.Series) -> pd.Series:
    """A column as numbers if each cell is one or empty, else as texts."""
    numbers = pd.to_numeric(cells.where(cells != ""), errors="coerce").astype("float64")
    if (numbers.isna() & (cells != "")).any() or (cells == "").all():
        return cells
    if (numbers.abs() == float("inf")).any():
        raise CarsegError(
            f"{path}: the column {name!r} has a number that is not finite; leave the cell empty"
        )
    return numbers
