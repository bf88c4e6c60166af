"""Catalogue: photos of cars, their labelled cars, photos without a car, what was excluded, and metadata, in tables.

`loader.load_catalogue` fills a catalogue, `splits.assign_splits` completes it, every later stage reads it. In a run it
is a folder of CSV files, readable for people.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import mask_area

SPLITS = ("train", "validation", "test")
FEW_TRAINING = 30  # training photos of a type below which there is a warning
BACKGROUND = "background"  # the row of photos without a car in a table of counts

PHOTO_COLUMNS = {
    "photo_id": "str",  # path relative to the root, with /
    "split": "str",  # one of SPLITS; "" while unassigned
    "body_type": "str",  # of the largest labelled car
    "width": "int64",  # pixels, EXIF orientation applied
    "height": "int64",
    "brightness": "float64",  # mean luma, 0..1
    "file_sha256": "str",
    "pixel_sha256": "str",  # of the decoded RGB
    "phash": "str",  # 16 hex digits
    "group": "str",  # photos of one car model, or of one scene, are not independent; "" where none is known
}
BACKGROUND_COLUMNS = {name: dtype for name, dtype in PHOTO_COLUMNS.items() if name != "body_type"}
INSTANCE_COLUMNS = {
    "photo_id": "str",
    "body_type": "str",
    "x1": "float64",  # pixels of the upright photo; 0 <= x1 < x2 <= width
    "y1": "float64",
    "x2": "float64",
    "y2": "float64",
    "mask": "str",  # COCO compressed run-length counts; "" if none
    "box_origin": "str",  # given | mask | whole frame | pseudo
    "mask_origin": "str",  # given | none | pseudo
    "mask_quality": "float64",  # of a pseudo-mask, 0..1 (see `carseg_lib.engine.pseudo_labels.selection`); else NaN
}
EXCLUDED_COLUMNS = {
    "photo_id": "str",  # of the photo; of a folder (ends in /) or annotation file where many are counted
    "split": "str",
    "body_type": "str",
    "reason": "str",
    "detail": "str",
}
# The cars of photos that are left out because of the low quality of their pseudo-masks (`rejected_masks.csv`).
REJECTED_COLUMNS = INSTANCE_COLUMNS | {"split": "str", "reason": "str", "detail": "str"}
PARAMETER_COLUMNS = {"photo_id": "str"}  # then any others: numbers float64 (NaN: not known), texts str


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The photos of a data set, their labelled cars, what was excluded and why, and rendering metadata.

    Attributes:
        name: Name of the data set.
        root: Folder of the photos; a photo's file is root / photo_id.
        photos: A row per photo of a car, sorted by photo_id; columns and dtypes as PHOTO_COLUMNS.
        instances: A row per labelled car, sorted by photo_id; columns as INSTANCE_COLUMNS.
        excluded: A row per photo left out, or per folder or category ignored; columns as EXCLUDED_COLUMNS.
        parameters: The metadata of rendered photos (view, light, shape of the car ...): a row per photo, sorted by
            photo_id. Empty where the data have no such table.
        body_types: The types in their fixed order; class id = index + 1, 0 is background.
        background: A row per photo without a car, sorted by photo_id; columns and dtypes as BACKGROUND_COLUMNS. No
            accuracy counts these photos.
    """

    name: str
    root: Path
    photos: pd.DataFrame
    instances: pd.DataFrame
    excluded: pd.DataFrame = field(default_factory=lambda: table([], EXCLUDED_COLUMNS))
    parameters: pd.DataFrame = field(default_factory=lambda: table([], PARAMETER_COLUMNS))
    body_types: tuple[str, ...] = BODY_TYPES
    background: pd.DataFrame = field(default_factory=lambda: table([], BACKGROUND_COLUMNS))

    @property
    def has_masks(self) -> bool:
        """Whether every labelled car has a mask, given or drawn."""
        return len(self.instances) > 0 and bool((self.instances["mask"] != "").all())

    @property
    def has_some_masks(self) -> bool:
        """Whether some labelled cars have a mask and others have none."""
        return bool((self.instances["mask"] != "").any()) and not self.has_masks

    def measured(self) -> Catalogue:
        """The same catalogue as predictions are measured against: see `measured_instances`."""
        return replace(self, instances=measured_instances(self.instances))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over the photos' names and contents, splits, types, boxes, masks and parameters.

        It does not depend on where the photos are, nor on the order of the rows, nor on the groups: no training and no
        prediction sees them, and the splits that they decide are in it. Photos without a car are in it where there are
        any: data without them keep their fingerprint.
        """
        cars: dict[str, list[str]] = {}
        for row in self.instances[["photo_id", "body_type", "x1", "y1", "x2", "y2", "mask"]].itertuples(index=False):
            cars.setdefault(row.photo_id, []).append(json.dumps(row[1:]))
        lines = [
            json.dumps([*row, sorted(cars.get(row.photo_id, []))])
            for row in self.photos[["photo_id", "file_sha256", "split", "body_type"]].itertuples(index=False)
        ]
        if len(self.parameters):
            known = self.parameters[sorted(self.parameters.columns)]
            lines += [json.dumps([*known.columns, *row]) for row in known.itertuples(index=False, name=None)]
        carless = self.background[["photo_id", "file_sha256", "split"]].itertuples(index=False, name=None)
        lines += [json.dumps(["background", *row]) for row in carless]
        return files.sha256_text("\n".join([json.dumps(self.body_types), *sorted(lines)]))

    @property
    def has_groups(self) -> bool:
        """Whether the group of any photo of a car is known."""
        return bool((self.photos["group"] != "").any())

    def split(self, name: str) -> Catalogue:
        """The same catalogue with the photos of one split only.

        Raises:
            CarsegError: There is no such split.
        """
        if name not in SPLITS:
            raise CarsegError(f"split {name!r} is none of {', '.join(SPLITS)}")
        photos, background, excluded = (
            rows[rows["split"] == name].reset_index(drop=True) for rows in (self.photos, self.background, self.excluded)
        )
        return self._with_photos(photos, background, excluded)

    def without(self, photo_ids: pd.Series, reason: str, detail: pd.Series) -> Catalogue:
        """The same catalogue with some photos, of cars or without, moved to `excluded`.

        Args:
            photo_ids: Ids of the photos to leave out.
            reason: The short fixed phrase.
            detail: A text for each, in the same order.
        """
        every = pd.concat([self.photos, self.background.assign(body_type="")]).set_index("photo_id")
        out = every.loc[list(photo_ids)].reset_index()
        rows = out[["photo_id", "split", "body_type"]].assign(reason=reason, detail=list(detail))
        photos, background = (
            rows[~rows["photo_id"].isin(photo_ids)].reset_index(drop=True) for rows in (self.photos, self.background)
        )
        excluded = pd.concat([self.excluded, rows], ignore_index=True).astype(EXCLUDED_COLUMNS)
        return self._with_photos(photos, background, excluded)

    def without_background(self) -> Catalogue:
        """The same catalogue with its photos of cars alone, for what has no use for the others."""
        return replace(self, background=table([], BACKGROUND_COLUMNS))

    def counts(self) -> pd.DataFrame:
        """Photos of cars by body type (rows, fixed order) and split (columns; "unassigned" last if there are any)."""
        return _counts(self.photos, self.body_types)

    def counts_with_background(self) -> pd.DataFrame:
        """As `counts`, with a last row "background" of the photos without a car, if there are any."""
        if self.background.empty:
            return self.counts()
        carless = _counts(self.background.assign(body_type=BACKGROUND), (BACKGROUND,))
        return pd.concat([self.counts(), carless]).rename_axis(columns="split").fillna(0).astype("int64")

    def warnings(self) -> list[str]:
        """A line for each type with fewer than 30 training photos."""
        return [
            f"{body_type} has {n} training photos: fewer than {FEW_TRAINING} are too few to learn a type well; add "
            "photos of it, or take its figures as coarse"
            for body_type, n in self.counts()["train"].items()
            if n < FEW_TRAINING
        ]

    def excluded_counts(self) -> dict[str, int]:
        """Rows of `excluded` by reason, most frequent first."""
        return {reason: int(n) for reason, n in self.excluded["reason"].value_counts(sort=True).items()}

    def size_table(self) -> pd.DataFrame:
        """Photos of cars of each size, most frequent first: width, height (pixels), aspect_ratio (w / h), photos."""
        sizes = self.photos.groupby(["width", "height"]).size().rename("photos").reset_index()
        sizes.insert(2, "aspect_ratio", sizes["width"] / sizes["height"])
        return sizes.sort_values(["photos", "width", "height"], ascending=[False, True, True], ignore_index=True)

    def instance_statistics(self) -> pd.DataFrame:
        """How large the labelled cars are.

        Returns:
            A row per car: photo_id, split, body_type, box_width and box_height (pixels), box_share (of the photo's
            area, 0..1), aspect_ratio (box width / height), mask_share (mask pixels / box area; NaN without a mask).
        """
        cars = self.instances.merge(self.photos[["photo_id", "split", "width", "height"]], on="photo_id")
        width, height = cars["x2"] - cars["x1"], cars["y2"] - cars["y1"]
        areas = [
            mask_area(counts, h, w) if counts else np.nan
            for counts, h, w in zip(cars["mask"], cars["height"], cars["width"], strict=True)
        ]
        return cars[["photo_id", "split", "body_type"]].assign(
            box_width=width,
            box_height=height,
            box_share=width * height / (cars["width"] * cars["height"]),
            aspect_ratio=width / height,
            mask_share=np.asarray(areas, dtype=float) / (width * height),
        )

    def save(self, folder: Path) -> None:
        """Write a .csv of each table and, last, catalogue.json into a folder.

        Raises:
            CarsegError: A file cannot be written.
        """
        for name in ("photos", "background", "instances", "excluded", "parameters"):
            files.write_csv(folder / f"{name}.csv", getattr(self, name))
        description = {
            "schema": 1,
            "name": self.name,
            "root": _from(folder, self.root),
            "body_types": list(self.body_types),
            "parameters": {name: str(dtype) for name, dtype in self.parameters.dtypes.items()},
            "background": len(self.background),
            "fingerprint": self.fingerprint,
            "groups": self._groups_digest,
        }
        files.write_json(folder / "catalogue.json", description)

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read what `save` wrote.

        Raises:
            CarsegError: A file is missing, or the tables are not those that were saved.
        """
        try:
            description = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
            catalogue = cls(
                name=description["name"],
                root=Path(os.path.normpath(folder.absolute() / description["root"])),
                photos=read_table(folder / "photos.csv", PHOTO_COLUMNS, {"group": ""}),
                instances=read_table(folder / "instances.csv", INSTANCE_COLUMNS),
                excluded=read_table(folder / "excluded.csv", EXCLUDED_COLUMNS),
                parameters=read_table(folder / "parameters.csv", description["parameters"])
                if "parameters" in description  # saved before there were any
                else table([], PARAMETER_COLUMNS),
                body_types=tuple(description["body_types"]),
                background=read_table(folder / "background.csv", BACKGROUND_COLUMNS)
                if "background" in description  # saved before there was any
                else table([], BACKGROUND_COLUMNS),
            )
        except FileNotFoundError as error:
            missing = Path(error.filename)
            raise CarsegError(f"{missing}: there is no such file; run 01_data_exploration first") from None
        except (ValueError, KeyError, TypeError) as error:
            raise CarsegError(f"{folder}: not a saved catalogue ({error}); delete the folder and rerun") from None
        groups = description.get("groups", catalogue._groups_digest)  # saved before there were any
        if (catalogue.fingerprint, catalogue._groups_digest) != (description["fingerprint"], groups):
            raise CarsegError(f"{folder}: the tables were changed after they were saved; delete the folder and rerun")
        return catalogue

    @property
    def _groups_digest(self) -> str:
        every = pd.concat([self.photos, self.background])
        return files.sha256_text("\n".join(sorted(every["photo_id"] + "/" + every["group"])))

    def _with_photos(self, photos: pd.DataFrame, background: pd.DataFrame, excluded: pd.DataFrame) -> Catalogue:
        """The same catalogue with some of its photos, and their rows of the other tables."""
        instances, parameters = (
            rows[rows["photo_id"].isin(photos["photo_id"])].reset_index(drop=True)
            for rows in (self.instances, self.parameters)
        )
        changed = {"instances": instances, "excluded": excluded, "parameters": parameters}
        return replace(self, photos=photos, background=background, **changed)


def table(rows: list[dict], columns: dict[str, str]) -> pd.DataFrame:
    """A table of rows with exactly these columns and dtypes, also when there are no rows."""
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def measured_instances(instances: pd.DataFrame) -> pd.DataFrame:
    """Cars without their pseudo-masks where other cars have given ones: those alone are the truth.

    Where all masks are pseudo-masks they stay, and what is measured is agreement with the annotator.
    """
    if not (instances["mask_origin"] == "given").any():
        return instances
    return instances.assign(mask=instances["mask"].where(instances["mask_origin"] == "given", ""))


def _counts(photos: pd.DataFrame, kinds: tuple[str, ...]) -> pd.DataFrame:
    """Photos by kind (rows, as given) and split (columns)."""
    splits = photos["split"].replace("", "unassigned")
    columns = [*SPLITS, "unassigned"] if (splits == "unassigned").any() else list(SPLITS)
    counts = pd.crosstab(photos["body_type"], splits)
    return (
        counts.reindex(index=list(kinds), columns=columns, fill_value=0)
        .rename_axis(index="body_type", columns="split")
        .astype("int64")
    )


def _from(folder: Path, root: Path) -> str:
    """The photos' folder in a saved catalogue: relative to it if both are in reports/, which may be moved."""
    reports = folder.absolute().parent.parent
    return os.path.relpath(root, folder.absolute()) if root.is_relative_to(reports) else str(root)


def read_table(path: Path, columns: dict[str, str], added: dict[str, str] | None = None) -> pd.DataFrame:
    """A table, with columns of these dtypes, that `Catalogue.save` or `files.write_csv` wrote.

    Args:
        path: The file.
        columns: Names and dtypes, in order.
        added: Columns, the last ones, that former tables lack, with the value that these have there.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it has other columns, or a value of another dtype.
    """
    numbers = {name: [""] for name, dtype in columns.items() if dtype == "float64"}
    read = pd.read_csv(path, dtype=columns, keep_default_na=False, na_values=numbers)
    for name, value in (added or {}).items():
        if name not in read:
            read[name] = pd.Series(value, read.index, dtype=columns[name])
    if list(read.columns) != list(columns):
        raise ValueError(f"{path.name} has the columns {', '.join(read.columns)}")
    return read
