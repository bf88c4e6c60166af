"""What `make predict` writes of each photo, and of all of them: SAVE names the kinds (`KINDS`).

A photo `trip/car.jpg` has `trip/car.jpg.png` (overlay) and `trip/car.jpg.json`; its cars, best first, have
`masks/trip/car.jpg.1.png` and `cutouts/trip/car.jpg.1.png`. Of all photos there are `predictions.csv` and `coco/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.profiles import did_you_mean
from carseg_lib.data.export_coco import check_link, coco_annotation, coco_file, link_photos
from carseg_lib.data.masks import decode_mask, mask_area
from carseg_lib.data.outlines import mask_outlines
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.predictor import SURE_SCORE, Prediction, Predictor
from carseg_lib.evaluation.presence import NO_CAR
from carseg_lib.reporting.html.predicted import NOT_SURE, SURE
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots.overlay import overlay

KINDS = {
    "page": "index.html, with overlays and json",
    "overlays": "a PNG a photo: outline, box, type and score of its best car",
    "json": "a JSON a photo: all detections, masks as run lengths",
    "polygons": "polygons beside the run lengths in each JSON",
    "table": "predictions.csv: a row a car",
    "masks": "a PNG a car, 255 inside",
    "cutouts": "a PNG a car, the ground transparent",
    "coco": "a COCO data set to correct, masks as polygons, and COCO results",
    "coco-rle": "the same with run lengths, for programs that draw polygons in their own way",
}
DEFAULT = "page"
_NEEDS = {"page": ("overlays", "json"), "polygons": ("json",)}
_OF_MASKS = ("masks", "cutouts", "polygons")

LARGEST_SIDE = 1600  # pixels of the overlay; everything else is in pixels of the photo
READABLE_SIDE, MOST_TIMES = 640, 4  # a smaller photo is enlarged, by a whole number, to have room for outline and label
TABLE, COCO = "predictions.csv", ("coco", "coco-rle")
_FAST: dict[str, Any] = {
    "compress_level": 1,
    "compress_type": 3,
}  # 8% larger than Pillow's default, a fifth of the time


def read_kinds(text: str) -> frozenset[str]:
    """The kinds of files that SAVE names, with those that they need; what `DEFAULT` gives if it names none.

    Raises:
        CarsegError: A word that is no kind.
    """
    words = text.replace(",", " ").split() or [DEFAULT]
    for word in words:
        if word not in KINDS:
            raise CarsegError(f"SAVE: {word!r} is none of {', '.join(KINDS)}{did_you_mean(word, KINDS)}")
    return frozenset(words).union(*(_NEEDS.get(word, ()) for word in words))


@dataclass(frozen=True)
class PhotoFiles:
    """What was written of a photo, and what tables of all photos need of it.

    Attributes:
        name: of the photo, with its subfolders, "/" between.
        size: width and height, pixels.
        rows: of the table.
        annotations: of the COCO data set and results, of each detection; their ids are not yet known.
    """

    name: str
    size: tuple[int, int]
    rows: list[dict[str, Any]]
    annotations: list[dict[str, Any]]


@dataclass
class PredictionFiles:
    """Writes predictions into a folder.

    Args:
        folder: of the files; what other calls wrote there stays, tables of all photos are replaced.
        photos: the folder that names are relative to.
        kinds: from `read_kinds`.
        predictor: that the predictions are of.

    Raises:
        CarsegError: A kind needs masks, which the model has not; or something else lies in the place of COCO's link.
    """

    folder: Path
    photos: Path
    kinds: frozenset[str]
    predictor: Predictor
    _of_photos: list[PhotoFiles] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.predictor.has_masks and (asked := self.kinds.intersection(_OF_MASKS)):
            raise CarsegError(f"SAVE: the run's model has no masks, which {', '.join(sorted(asked))} need")
        for kind in self.kinds.intersection(COCO):
            check_link(self.folder / kind)

    def write(self, prediction: Prediction) -> tuple[PhotoFiles, Image.Image | None]:
        """Write the files of one photo; several threads, and processes, may do so at once.

        Returns:
            What was written, and the picture of the overlay if there is one.

        Raises:
            ImageError: The photo is needed in full size and cannot be read.
        """
        name = prediction.path.relative_to(self.photos).as_posix()
        masks = [decode_mask(one.mask, *prediction.size[::-1]) if one.mask else None for one in prediction.cars]
        photo = prediction.full_photo() if self.kinds.intersection(("overlays", "cutouts")) else None
        picture = None
        if photo is not None and "overlays" in self.kinds:
            picture = self._overlay(photo, prediction.best, masks[0] if masks else None)
            _save_png(picture, self.folder / f"{name}.png")
        if "json" in self.kinds:
            files.write_json(self.folder / f"{name}.json", self._content(prediction))
        for n, mask in enumerate(masks, start=1):
            if mask is not None and "masks" in self.kinds:
                _save_png(Image.fromarray(255 * mask.view(np.uint8)), self.folder / "masks" / f"{name}.{n}.png")
            if mask is not None and photo is not None and "cutouts" in self.kinds and mask.any():
                _save_png(cut_out(photo, mask), self.folder / "cutouts" / f"{name}.{n}.png")
        rows = table_rows(name, prediction, self.predictor.body_types) if "table" in self.kinds else []
        annotations = []
        if self.kinds.intersection(COCO):
            annotations = [self._annotation(one, prediction) for one in prediction.detections]
        return PhotoFiles(name, prediction.size, rows, annotations), picture

    def add(self, written: PhotoFiles) -> None:
        """Keep what tables need of a photo."""
        self._of_photos.append(written)

    def finish(self, title: str) -> None:
        """Write the table and the COCO files of the photos that were added; nobody reads them half written.

        Args:
            title: of the COCO data set.
        """
        if "table" in self.kinds:
            rows = [row for photo in self._of_photos for row in photo.rows]
            table = pd.DataFrame(rows, columns=columns(self.predictor.body_types))
            files.write_csv(self.folder / TABLE, table.astype(dict.fromkeys(("car", "area"), "Int64")))
        for kind in self.kinds.intersection(COCO):
            polygons = kind == "coco"
            content, results = coco_files(title, self._of_photos, self.predictor.body_types, polygons=polygons)
            files.write_json(self.folder / kind / "annotations" / "instances_default.json", content)
            files.write_json(self.folder / kind / "results.json", results)
            link_photos(self.folder / kind, self.photos.resolve())

    def _overlay(self, photo: Image.Image, best: Detection | None, mask: np.ndarray | None) -> Image.Image:
        width, height = photo.size
        times = min(MOST_TIMES, max(1, -(-READABLE_SIDE // max(photo.size))))
        picture = photo.resize((times * width, times * height))
        if best:
            inside = mask.repeat(times, 0).repeat(times, 1) if mask is not None else None
            doubt = "" if best.score >= SURE_SCORE else "? "
            label = f"{doubt}{best.body_type} {best.score:.2f}"
            colour = class_color(best.body_type, self.predictor.body_types)
            picture = overlay(picture, [times * edge for edge in best.box], inside, label, colour=colour)
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        return picture

    def _content(self, prediction: Prediction) -> dict[str, Any]:
        (width, height), best = prediction.size, prediction.best
        return {
            "photo": prediction.path.name,
            "width": width,
            "height": height,
            "predicted": best.body_type if best else None,
            "sure": bool(best and best.score >= SURE_SCORE),
            "threshold": self.predictor.presence.threshold,
            "detections": [
                {
                    "body_type": one.body_type,
                    "score": one.score,
                    "likeness": one.likeness,
                    "car_score": one.car_score,
                    "is_car": self.predictor.is_car(one),
                    "box": list(one.box),
                    "mask": {"size": [height, width], "counts": one.mask} if one.mask else None,
                }
                | ({"polygons": mask_outlines(decode_mask(one.mask, height, width))} if self._polygons(one) else {})
                for one in prediction.detections
            ],
        }

    def _polygons(self, detection: Detection) -> bool:
        return "polygons" in self.kinds and bool(detection.mask)

    def _annotation(self, detection: Detection, prediction: Prediction) -> dict[str, Any]:
        is_car = self.predictor.is_car(detection)
        attributes = {"score": detection.score, "car_score": detection.car_score}
        category = self.predictor.body_types.index(detection.body_type) + 1
        width, height = prediction.size
        polygons = is_car and "coco" in self.kinds
        of_car = coco_annotation(
            (0, 0, category), detection.box, detection.mask, prediction.size, attributes, polygons=polygons
        )
        run_lengths = {"size": [height, width], "counts": detection.mask} if detection.mask else []
        return of_car | {"is_car": is_car, "run_lengths": run_lengths}


def columns(body_types: Sequence[str]) -> list[str]:
    """The columns of the table."""
    of_photo, of_car = ("photo", "width", "height", "cars"), ("car", "answer", "body_type", "score", "car_score")
    likely = [f"p_{name}" for name in body_types]
    return [*of_photo, *of_car, *likely, "x1", "y1", "x2", "y2", "area", "share"]


def table_rows(name: str, prediction: Prediction, body_types: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each car of a photo, best first; one without a car says so."""
    width, height = prediction.size
    of_photo = {"photo": name, "width": width, "height": height, "cars": len(prediction.cars)}
    if not prediction.cars:
        return [of_photo | {"answer": NO_CAR}]
    return [
        of_photo
        | {"car": n, "answer": SURE if one.score >= SURE_SCORE else NOT_SURE}
        | {"body_type": one.body_type, "score": one.score, "car_score": one.car_score}
        | dict(zip((f"p_{t}" for t in body_types), one.probabilities, strict=False))
        | dict(zip(("x1", "y1", "x2", "y2"), one.box, strict=True))
        | _area(one, width, height)
        for n, one in enumerate(prediction.cars, start=1)
    ]


def coco_files(
    title: str, photos: Iterable[PhotoFiles], body_types: Sequence[str], *, polygons: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A COCO data set of the cars, and COCO results of all detections, with the same ids of photos and types."""
    sizes: dict[str, tuple[int, int]] = {}
    cars: list[Mapping[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, photo in enumerate(photos, start=1):
        sizes[photo.name] = photo.size
        for one in photo.annotations:
            masks = {"segmentation": one["run_lengths"]}
            if one["is_car"]:
                found = {name: value for name, value in one.items() if name not in ("is_car", "run_lengths")}
                ids = {"id": len(cars) + 1, "image_id": number}
                cars.append(found | ids | ({} if polygons else masks))
            result = {"image_id": number, "category_id": one["category_id"], "bbox": one["bbox"]}
            results.append(result | (masks if one["run_lengths"] else {}) | one["attributes"])
    return coco_file(title, body_types, sizes, cars), results


def cut_out(photo: Image.Image, mask: np.ndarray) -> Image.Image:
    """The part of a photo that a mask covers, as small as can be, RGBA: transparent, and black, outside.

    Args:
        photo: RGB.
        mask: bool (height, width) of the photo, with a pixel inside.
    """
    rows, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(across[0], across[-1] + 1)
    inside = mask[window][..., None]
    return Image.fromarray(np.concatenate([np.asarray(photo)[window] * inside, 255 * inside.view(np.uint8)], axis=2))


def _area(detection: Detection, width: int, height: int) -> dict[str, float]:
    if not detection.mask:
        return {}
    area = mask_area(detection.mask, height, width)
    return {"area": area, "share": area / (width * height)}


def _save_png(picture: Image.Image, path: Path) -> None:
    with files.atomic(path) as temporary:
        picture.save(temporary, format="PNG", **_FAST)
