"""What is known of rendered photos beyond their labels: the parameters that each was made from, in words.

Most data have no such table; then every function here says so, or returns nothing.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold, cross_val_score

from carseg_lib.data.catalogue import Catalogue

ATTRIBUTE_DESCRIPTIONS = {
    "view": "side of the car that is seen",
    "view_angle": "direction from the car to the camera: 0 in front of it, 90 at its left side (degrees)",
    "camera_height": "height of the camera above the ground (m)",
    "focal_length": "focal length of the lens, 35 mm equivalent (mm)",
    "fill": "share of the frame's width or height that the car is meant to take",
    "centre_x": "where the car's box is meant to be, right of the frame's middle (share of its width)",
    "centre_y": "the same, below the middle (share of its height)",
    "roll": "tilt of the camera (degrees)",
    "car_share": "area of the car's box / area of the photo",
    "occlusion": "share of the car hidden by something in front of it",
    "cut_off": "share of the car beyond the frame",
    "light": "kind of light",
    "sun_elevation": "height of the sun above the horizon (degrees)",
    "sun_azimuth": "direction of the light, from the car's nose to its left (degrees)",
    "turbidity": "haze of a clear sky",
    "clouds": "share of the sky that clouds cover",
    "skyline": "height of what stands round about, as the paint mirrors it (degrees)",
    "ground": "what the car stands on",
    "background": "what is behind the car",
    "occluder": "what stands in front of the car",
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


def describe_metadata(catalogue: Catalogue) -> str:
    """One sentence: how many parameters are known of every photo, or that none is."""
    names = list(catalogue.parameters.columns[1:])
    if catalogue.parameters.empty:
        return "How these photos were made is not known: the data have no parameters.csv, so this section is empty."
    shapes = sum(name.startswith(SHAPE) for name in names)
    return (
        f"Of every one of the {len(catalogue.parameters):,} photos {len(names)} parameters are known, "
        f"{shapes} of them of the car's shape."
    )


def metadata_table(catalogue: Catalogue) -> pd.DataFrame:
    """The parameters with what they mean and the values that they take; those of the shape in one row.

    Returns:
        Index parameter; columns meaning ("" for one that carseg does not know) and values: smallest, median and
        largest number, or the texts with their share of the photos, the commonest first. No rows without parameters.
    """
    known = catalogue.parameters.drop(columns="photo_id")
    shape = [name for name in known if name.startswith(SHAPE)]
    rows = [
        {"parameter": name, "meaning": attribute_description(name), "values": _values(column)}
        for name, column in known.drop(columns=shape).items()
        if len(column)
    ]
    if shape:
        measures = ", ".join(name.removeprefix(SHAPE).replace("_", " ") for name in shape)
        rows.append(
            {
                "parameter": f"{SHAPE}…",
                "meaning": f"shape of the car: {measures}",
                "values": f"{len(shape)} parameters",
            }
        )
    return pd.DataFrame(rows, columns=["parameter", "meaning", "values"]).set_index("parameter")


def attribute_description(name: str) -> str:
    """What a parameter means, in words; "" for one that carseg does not know."""
    if name.startswith(SHAPE):
        return f"shape of the car: {name.removeprefix(SHAPE).replace('_', ' ')}"
    return ATTRIBUTE_DESCRIPTIONS.get(name, "")


def attribute_strips(catalogue: Catalogue) -> dict[str, Path]:
    """Pictures of what a parameter does, one car with that parameter varied, by the parameter's name.

    They are JPEGs in `attribute_strips/` of the data set's folder; empty where there are none.
    """
    root = catalogue.root
    folder = root.parent if root.name == "images" else root
    return {path.stem: path for path in sorted((folder / "strips").glob("*.jpg"))}


def linear_separability(catalogue: Catalogue, names: tuple[str, ...]) -> float:
    """Share of the photos whose type a linear rule tells from some parameters alone, five-fold cross-validated.

    Args:
        catalogue: With these parameters, numbers, and at least five photos of each type.
        names: Of the parameters.
    """
    rows = catalogue.parameters.merge(catalogue.photos[["photo_id", "body_type"]], on="photo_id")
    rows = rows.dropna(subset=list(names))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_score(LinearDiscriminantAnalysis(), rows[list(names)], rows["body_type"], cv=folds)
    return float(scores.mean())


def _values(column: pd.Series) -> str:
    if column.dtype == "float64":
        return f"{column.min():.3g} … {column.median():.3g} … {column.max():.3g}"
    shares = column.value_counts(normalize=True)
    shown = [f"{value or 'not known'} {share:.0%}" for value, share in shares.head(8).items()]
    return ", ".join(shown) + (f" and {len(shares) - 8} more" if len(shares) > 8 else "")
