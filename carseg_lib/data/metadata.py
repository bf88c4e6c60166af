"""Rendering metadata: the parameters that each rendered photo was made from, read from a table and described.

The table is parameters.csv, beside a COCO folder's annotations/; the data set's builder writes it. Its column photo_id
names photos as the annotations do; every other column is a parameter. A column in which each cell is a number or empty
holds numbers, any other one texts. Data without such a table have no metadata, and the functions return none.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import significant
from carseg_lib.data.catalogue import PARAMETER_COLUMNS, Catalogue, table
from carseg_lib.data.formats.base import Listing, as_text, reading
from carseg_lib.data.names import is_text

FILE_NAME = "parameters.csv"  # beside a COCO folder's annotations/

ATTRIBUTE_DESCRIPTIONS = {
    "view": "visible side of the car",
    "view_angle": "direction from the car to the camera: 0 in front of it, 90 at its left side (degrees)",
    "camera_height": "height of the camera above the ground (m)",
    "focal_length": "focal length of the lens, 35 mm equivalent (mm)",
    "fill": "intended share of the frame's width or height that the car takes",
    "centre_x": "intended centre of the car's box, right of the frame's centre (share of its width)",
    "centre_y": "intended centre of the car's box, below the frame's centre (share of its height)",
    "roll": "tilt of the camera (degrees)",
    "car_share": "area of the car's box / area of the photo",
    "occlusion": "share of the car that is hidden by an object in front of it",
    "cut_off": "share of the car beyond the frame",
    "light": "kind of light",
    "sun_elevation": "height of the sun above the horizon (degrees)",
    "sun_azimuth": "direction of the light, from the car's nose to its left (degrees)",
    "turbidity": "haze of a clear sky",
    "clouds": "share of the sky that clouds cover",
    "skyline": "height of the surroundings that the paint reflects (degrees)",
    "ground": "kind of ground",
    "background": "kind of background",
    "occluder": "object in front of the car",
    "other_cars": "labelled cars besides the main one",
    "exposure_error": "error of the exposure (stops)",
    "red_gain": "error of the white balance in red (factor)",
    "blue_gain": "error of the white balance in blue (factor)",
    "vignetting": "light lost in the corners (share)",
    "motion_blur": "length of the motion blur (pixels)",
    "motion_angle": "direction of the motion blur (degrees)",
    "contrast": "contrast of the tone curve at middle grey (1: a plain one's)",
    "noise": "noise of the sensor, standard deviation (of 255)",
    "blur": "blur of the lens, sigma (pixels)",
    "sharpening": "strength of the camera's sharpening",
    "jpeg_quality": "quality of the JPEG (of 100)",
    "paint": "kind of paint",
    "colour": "colour of the paint",
    "dirt": "dirt on the paint (0 to 1)",
    "roof": "roof of the car",
}
SHAPE = "shape_"  # begins the names of the parameters of the car's shape


def read_parameters(data: Path) -> pd.DataFrame:
    """Read the table of parameters in a data set's folder; a COCO file has none.

    Returns:
        A row per photo, sorted by photo_id: photo_id, then the parameters in the file's order, numbers as float64 (NaN
        where the cell is empty), texts as str. No rows if there is no such file.

    Raises:
        CarsegError: The file cannot be read as a table, or it has no column photo_id, a column without a name or twice,
            a photo twice, a name that is no text, or a number that is not finite.
    """
    path = data / FILE_NAME
    if not path.is_file():
        return table([], PARAMETER_COLUMNS)
    with reading(path, "not a CSV table ({}); write it again", ValueError):  # UTF-8, lengths of rows, no row
        rows = pd.read_csv(path, header=None, dtype="str", keep_default_na=False, na_values=[], index_col=False)
    names = rows.iloc[0].tolist()
    if "photo_id" not in names:
        raise CarsegError(f"{path}: there is no column photo_id among {', '.join(map(as_text, names[:10]))}")
    for name in names:
        if not name or not is_text(name) or names.count(name) > 1:
            raise CarsegError(f"{path}: the column {as_text(name)!r} is unnamed or named twice; name each once")
    known = rows.iloc[1:].set_axis(names, axis="columns").sort_values("photo_id", ignore_index=True)
    if known["photo_id"].duplicated().any():
        twice = known.loc[known["photo_id"].duplicated(), "photo_id"].iloc[0]
        raise CarsegError(f"{path}: the photo {twice!r} has two rows; give every photo one")
    typed = {name: _typed(path, name, known[name]) for name in names if name != "photo_id"}
    return pd.DataFrame({"photo_id": known["photo_id"]} | typed)


def check_parameters(data: Path, listing: Listing, in_annotations: set[str]) -> None:
    """Compare a listing's parameters with its photos; rows of no photo are noted in `ignored`.

    Args:
        data: The data set's folder, for messages.
        listing: A listing with `parameters` and photos.
        in_annotations: Ids of all photos that the annotations name, with a labelled car or without.

    Raises:
        CarsegError: A photo has no row.
    """
    if not (data / FILE_NAME).is_file():
        return
    ids = set(listing.parameters["photo_id"])
    if missing := sorted({photo.photo_id for photo in listing.photos} - ids):
        raise CarsegError(
            f"{data / FILE_NAME}: {len(missing)} photos of the annotations have no row, the first: {missing[0]!r}; add "
            "them, or remove the file"
        )
    if unknown := sorted(ids - in_annotations):
        listing.ignore(FILE_NAME, "no such photo", f"{len(unknown)} rows, the first: {unknown[0]}")


def _typed(path: Path, name: str, cells: pd.Series) -> pd.Series:
    """A column as numbers if each cell is a number or empty, else as texts."""
    numbers = pd.to_numeric(cells.where(cells != ""), errors="coerce").astype("float64")
    if (numbers.isna() & (cells != "")).any() or (cells == "").all():
        return cells
    if (numbers.abs() == float("inf")).any():
        raise CarsegError(f"{path}: the column {name!r} has a number that is not finite; leave the cell empty")
    return numbers


def describe_metadata(catalogue: Catalogue) -> str:
    """One sentence: the number of parameters of every photo, or that there are none."""
    names = list(catalogue.parameters.columns[1:])
    if catalogue.parameters.empty:
        return "The data have no rendering metadata (no parameters.csv), so this section is empty."
    shapes = sum(name.startswith(SHAPE) for name in names)
    return (
        f"Each of the {len(catalogue.parameters):,} photos has {len(names)} parameters, {shapes} of them of the car's "
        "shape."
    )


def metadata_table(catalogue: Catalogue) -> pd.DataFrame:
    """The parameters with their meanings and values; those of the shape in one row.

    Returns:
        Index parameter; columns meaning ("" for one that carseg does not know) and values: smallest, median and
        largest number, or the texts with their shares of the photos, most frequent first. No rows without metadata.
    """
    known = catalogue.parameters.drop(columns="photo_id")
    shape = [name for name in known if name.startswith(SHAPE)]
    rows = [
        (name, attribute_description(name), _values(column))
        for name, column in known.drop(columns=shape).items()
        if len(column)
    ]
    if shape:
        measures = ", ".join(name.removeprefix(SHAPE).replace("_", " ") for name in shape)
        rows.append((f"{SHAPE}…", f"shape of the car: {measures}", f"{len(shape)} parameters"))
    return pd.DataFrame(rows, columns=["parameter", "meaning", "values"]).set_index("parameter")


def attribute_description(name: str) -> str:
    """The meaning of a parameter in words; "" for one that carseg does not know."""
    if name.startswith(SHAPE):
        return f"shape of the car: {name.removeprefix(SHAPE).replace('_', ' ')}"
    return ATTRIBUTE_DESCRIPTIONS.get(name, "")


def attribute_strips(catalogue: Catalogue) -> dict[str, Path]:
    """Pictures (`strips/*.jpg` of the data set's folder, if any) of a car with one parameter varied, by its name."""
    root = catalogue.root
    folder = root.parent if root.name == "images" else root
    return {path.stem: path for path in sorted((folder / "strips").glob("*.jpg"))}


def linear_separability(catalogue: Catalogue, names: tuple[str, ...]) -> float:
    """Accuracy of a linear classifier of the type that uses some parameters alone, five-fold cross-validated, 0..1.

    Args:
        catalogue: A catalogue with these parameters and at least five photos of each type.
        names: Names of parameters that are numbers.
    """
    # scikit-learn takes a second to import, and every reader of COCO files imports this module
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    rows = catalogue.parameters.merge(catalogue.photos[["photo_id", "body_type"]], on="photo_id")
    rows = rows.dropna(subset=list(names))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(LinearDiscriminantAnalysis(), rows[list(names)], rows["body_type"], cv=folds)
    return float(scores.mean())


def _values(column: pd.Series) -> str:
    if column.dtype == "float64":
        return " … ".join(significant(value) for value in (column.min(), column.median(), column.max()))
    shares = column.value_counts(normalize=True)
    shown = [f"{value or 'not known'} {share:.0%}" for value, share in shares.head(8).items()]
    return ", ".join(shown) + (f" and {len(shares) - 8} more" if len(shares) > 8 else "")
