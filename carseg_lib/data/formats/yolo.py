"""Photos with YOLO labels: a .txt file a photo, a row a car, boxes or polygons in shares of the photo's sides.

<split>/{images,labels}/, images/<split>/ and labels/<split>/, images/ and labels/, or .txt files beside the photos.
data.yaml, or a list classes.txt, names the classes; data.yaml, the names of folders, or lists of photos that data.yaml
names, give the splits. A row of five numbers is a box: class, centre x, centre y, width, height; a longer one is a
polygon.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, name_of
from carseg_lib.data.formats.folder_advice import advise, by_classes, suggestion
from carseg_lib.data.formats.folder_places import is_mask_folder, is_photo, place_of, type_by_folder, walk
from carseg_lib.data.formats.yolo_files import Description, describe, first_labels, label_file, rows_of
from carseg_lib.data.names import split_of_folders
from carseg_lib.data.photos import upright_size
from carseg_lib.data.remarks import BOXES_AS_MASKS

__all__ = ["first_labels", "read_yolo"]

_ROUNDING = 0.02  # of a photo's sides
_FEWEST_BEYOND, _SHARE_BEYOND = 3, 0.05  # boxes beyond their photos, from which on they are no single slips
_FEWEST = 10  # polygons that tell what all of them are


def read_yolo(data: Path, types: ClassMap, unlabelled: Unlabelled = "exclude") -> Listing:
    """List the photos of a YOLO folder, in the order of their names.

    The headers of the photos are read for their sizes. Labels of other classes, photos without a label of the types,
    photos without any label, and photos in no split are noted in `ignored`. A photo in a folder without cars
    (`background/`) needs no label.

    Args:
        data: The folder.
        types: The body types.
        unlabelled: What photos without a label are, with an empty label file or none: left out, or background.

    Raises:
        CarsegError: A data.yaml or a label file that cannot be read or is none of YOLO's, a class without a name, a
            photo in folders of two splits, boxes that are written as corners, or no label of the types.
    """
    listing = Listing(name=name_of(data), root=data, types=types)
    described = describe(data)
    seen = _Seen()
    for here, names in walk(data, listing):
        if any(is_mask_folder(part) for part in here.parts):
            continue
        for name in names:
            photo_id = (here / name).as_posix()
            if not is_photo(data / here / name):
                continue
            split = _split(photo_id, described)
            path = label_file(data, photo_id)
            place = place_of(here.parts, types)
            if path is None and place.kind == "":
                listing.background.append(ImageRecord(photo_id, split or place.split, []))
                continue
            cars, found = _cars(data, photo_id, path, described, types, seen)
            if split is None:
                listing.ignore(photo_id, "in no split", f"no split of {_file_name(described)} has it")
            elif not found:
                listing.add_unlabelled(photo_id, split, unlabelled)
            elif not cars:
                listing.ignore(photo_id, "no labelled car", "no label of the body types", split)
            else:
                listing.photos.append(ImageRecord(photo_id, split, cars))
    for name, number in sorted(seen.others.items()):
        listing.ignore("labels/", types.exclusion_reason(name), f"{as_text(name)}: {number} labels")
    _check(data, listing, described, seen)
    _take_oriented_boxes(listing, seen)
    for name, number in sorted(seen.by_folder.items()):
        listing.note(f"{number} labels are called {as_text(name)}: their type is that of the photo's folder")
    if described.twice:
        listing.note(
            f"{len(described.twice)} folders or photos are given for two splits by {_file_name(described)}, the first "
            f"{described.twice[0]}: they count as {described.places[described.twice[0]]}"
        )
    advise(listing, seen.others, "labels have other classes", "labels")
    return listing


@dataclass
class _Seen:
    """What the labels of a data set are, whatever photo they are on.

    Attributes:
        others: Labels of no type, by the name of their class.
        numbers: Labels by the number of their class.
        by_folder: Labels whose type is that of their folder, by the name of their class.
        boxes: Of the cars: centre x, centre y, width, height, as they are written.
        polygons: Points of the cars' polygons.
    """

    others: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    by_folder: Counter[str] = field(default_factory=Counter)
    boxes: list[Box] = field(default_factory=list)
    polygons: list[int] = field(default_factory=list)

    def beyond(self) -> int:
        """Boxes that reach beyond their photo by more than rounding."""
        return sum(
            min(x - w / 2, y - h / 2) < -_ROUNDING or max(x + w / 2, y + h / 2) > 1 + _ROUNDING
            for x, y, w, h in self.boxes
        )


def _cars(
    data: Path, photo_id: str, path: Path | None, described: Description, types: ClassMap, seen: _Seen
) -> tuple[list[Annotation], bool]:
    """The labelled cars of a photo, and whether it has any label."""
    rows = list(rows_of(path)) if path else []
    if not rows:
        return [], False
    width, height = upright_size(data / photo_id) or (1, 1)  # a broken photo is told when it is read
    cars = []
    for number, (kind, *values) in rows:
        index = int(kind)
        if described.names and index >= len(described.names):
            raise CarsegError(
                f"{path} row {number}: the class {index} has no name: {_file_name(described)} names "
                f"{len(described.names)}; add its name there"
            )
        name = described.names[index] if described.names else str(index)
        seen.numbers[str(index)] += 1
        body_type = types.resolve(name)
        if body_type is None and (body_type := type_by_folder(name if described.names else "", photo_id, types)):
            seen.by_folder[name] += 1
        if body_type is None:
            seen.others[name] += 1
            continue
        pixels = [value * (width, height)[k % 2] for k, value in enumerate(values)]
        if len(pixels) > 4:
            cars.append(Annotation(body_type, segmentation=[pixels]))
            seen.polygons.append(len(pixels) // 2)
            continue
        x, y, w, h = pixels
        seen.boxes.append((values[0], values[1], values[2], values[3]))
        text = "x {:g}, y {:g}, width {:g}, height {:g}".format(*values)
        cars.append(Annotation(body_type, None, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), text))
    return cars, True


def _split(photo_id: str, described: Description) -> str | None:
    """The split of a photo, "" if nothing gives any; None if data.yaml gives splits and the photo is in none."""
    parents = [photo_id, *(parent.as_posix() for parent in PurePosixPath(photo_id).parents)]
    if told := next((described.places[place] for place in parents if place in described.places), None):
        return told
    return split_of_folders(photo_id, photo_id.split("/")[:-1]) or (None if described.places else "")


def _file_name(described: Description) -> str:
    return described.path.name if described.path else "the list of classes"


def _take_oriented_boxes(listing: Listing, seen: _Seen) -> None:
    """Take polygons for boxes where all of them have four corners, as oriented boxes have: they outline no car."""
    if len(seen.polygons) < _FEWEST or set(seen.polygons) != {4}:
        return
    listing.photos = [
        replace(photo, annotations=[_as_box(car) for car in photo.annotations]) for photo in listing.photos
    ]
    listing.ignore(
        "labels/",
        BOXES_AS_MASKS,
        f"all {len(seen.polygons):,} polygons have four corners, as oriented boxes have: each is taken as a box around "
        "them, and no mask",
    )


def _as_box(car: Annotation) -> Annotation:
    if not isinstance(car.segmentation, list):
        return car
    (points,) = car.segmentation
    across, down = points[::2], points[1::2]
    text = "corners " + ", ".join(f"{x:g} {y:g}" for x, y in zip(across, down, strict=True))
    return replace(car, segmentation=None, corners=(min(across), min(down), max(across), max(down)), box_text=text)


def _check(data: Path, listing: Listing, described: Description, seen: _Seen) -> None:
    beyond = seen.beyond()
    as_corners = all(x < w and y < h for x, y, w, h in seen.boxes)
    if as_corners and beyond >= _FEWEST_BEYOND and beyond > _SHARE_BEYOND * len(seen.boxes):
        raise CarsegError(
            f"{data}: {beyond} of {len(seen.boxes)} boxes reach beyond their photos, and read as corners all of them "
            "fit; a row is class, centre x, centre y, width, height"
        )
    if listing.photos:
        return
    if not described.names:
        advice = suggestion(listing.types, seen.numbers, [])
        order = " ".join(f"{name}={k}" for k, name in enumerate(listing.types.names))
        numbers = ", ".join(sorted(seen.numbers, key=int)) or "none"
        raise CarsegError(
            f"{data}: YOLO labels of the classes {numbers}, which nothing names; "
            f'add data.yaml or classes.txt, or say which is which, for instance CLASSES="{advice or order}"'
        )
    found = ", ".join(as_text(name) for name in sorted(seen.others)[:10]) or "none"
    typed = by_classes(listing.types, seen.others)
    raise CarsegError(f"{data}: no label is {listing.types.sentence} (found: {found}); {typed}")
