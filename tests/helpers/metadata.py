"""A table of parameters for drawn cars, as the builder of the rendered data set writes one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.helpers.drawn_cars import SPLITS

VIEWS = ("front", "front three-quarter", "side", "rear three-quarter", "rear")
_SIZES = {"suv": (4.6, 1.75), "sedan": (4.7, 1.45), "convertible": (4.3, 1.35), "minivan": (4.8, 1.75)}


def draw_parameters(photo_ids: list[str], body_types: list[str], seed: int = 0) -> pd.DataFrame:
    """Random parameters, a row a photo."""
    rng = np.random.default_rng(seed)
    n = len(photo_ids)
    angle = rng.uniform(-180, 180, n)
    length, height = np.array([_SIZES[t] for t in body_types]).reshape(n, 2).T
    hidden = rng.random(n) < 0.4
    return pd.DataFrame(
        {
            "photo_id": photo_ids,
            "view_angle": angle,
            "view": [VIEWS[int((abs(a) + 22.5) // 45)] for a in angle],
            "camera_height": rng.uniform(0.6, 2.2, n),
            "focal_length": rng.uniform(24, 200, n),
            "car_share": rng.uniform(0.1, 0.6, n),
            "occlusion": np.where(hidden, rng.uniform(0, 0.25, n), 0.0),
            "cut_off": np.where(rng.random(n) < 0.2, rng.uniform(0, 0.3, n), 0.0),
            "light": rng.choice(["clear", "low sun", "overcast", "dusk", "showroom"], n),
            "sun_elevation": rng.uniform(0, 60, n),
            "ground": rng.choice(["asphalt", "gravel", "snow"], n),
            "background": rng.choice(["open", "trees", "wall"], n),
            "occluder": np.where(hidden, "pole", "none"),
            "other_cars": rng.integers(0, 4, n),
            "motion_blur": rng.uniform(0, 3, n),
            "noise": rng.uniform(0, 6, n),
            "blur": rng.uniform(0.2, 1, n),
            "jpeg_quality": rng.integers(60, 95, n),
            "paint": rng.choice(["solid", "metallic", "pearl"], n),
            "colour": rng.choice(["red", "grey", "blue"], n),
            "dirt": rng.uniform(0, 1, n),
            "roof": ["open" if t == "convertible" else "closed" for t in body_types],
            "shape_length": length + rng.normal(0, 0.2, n),
            "shape_height": height + rng.normal(0, 0.06, n),
            "shape_hood_length": rng.uniform(0.8, 1.5, n),
            "shape_nose_height": rng.uniform(0.6, 1.0, n),
        }
    )


def add_parameters(folder: Path, seed: int = 0, strips: bool = True) -> pd.DataFrame:
    """Write parameters.csv (and strips/) into a COCO data set of drawn cars; returns the table."""
    names: dict[str, str] = {}
    for split in SPLITS:
        content = json.loads((folder / "annotations" / f"{split}.json").read_text())
        names |= {image["file_name"]: image["file_name"].split("/")[1] for image in content["images"]}
    table = draw_parameters(list(names), list(names.values()), seed)
    table.to_csv(folder / "parameters.csv", index=False)
    if strips:
        (folder / "strips").mkdir(exist_ok=True)
        for k, name in enumerate(("sun_elevation", "camera_height", "shape_length")):
            shades = np.tile(np.linspace(40 * k, 255, 480).astype(np.uint8), (60, 1))
            Image.fromarray(shades).save(folder / "strips" / f"{name}.jpg")
    return table
