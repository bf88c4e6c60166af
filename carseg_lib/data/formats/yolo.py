"""Photos with YOLO labels: a .txt file a photo, a row a car, boxes or polygons in shares of the photo's sides.

<split>/{images,labels}/, images/<split>/ and labels/<split>/, images/ and labels/, or .txt files beside the photos.
data.yaml, or a list classes.txt, names the classes; data.yaml, the names of folders, or lists of photos that data.yaml
names, give the splits. A row of five numbers is a box: class, centre x, centre y, width, height; a longer one is a
polygon.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, name_of
from carseg_lib.data.formats.folder_advice import advise, by_classes, suggestion
from carseg_lib.data.formats.folder_places import is_mask_folder, is_photo, place_of, type_by_folder, walk
from carseg_lib.data.formats.yolo_files import Description, describe, first_labels, label_file, rows_of
from carseg_lib.data.names import split_of_folders
from carseg_lib.data.photos import upright_size

__all__ = ["first_labels", "read_yolo"]


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
            photo in folders of two splits, or no label of the types.
    """
    listing = Listing(name=name_of(data), root=data, types=types)
    described = describe(data)
    others: Counter[str] = Counter()
    numbers: Counter[str] = Counter()  # labels by the number of their class
    by_folder: Counter[str] = Counter()  # labels whose type is that of their folder
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
            cars, found = _cars(data, photo_id, path, described, types, others, numbers, by_folder)
            if split is None:
                listing.ignore(photo_id, "in no split", f"no split of {_file_name(described)} has it")
            elif not found:
                listing.add_unlabelled(photo_id, split, unlabelled)
            elif not cars:
                listing.ignore(photo_id, "no labelled car", "no label of the body types", split)
            else:
                listing.photos.append(ImageRecord(photo_id, split, cars))
    for name, number in sorted(others.items()):
        listing.ignore("labels/", types.exclusion_reason(name), f"{as_text(name)}: {number} labels")
    _check(data, listing, described, others, numbers)
    for name, number in sorted(by_folder.items()):
        listing.note(f"{number} labels are called {as_text(name)}: their type is that of the photo's folder")
    if described.twice:
        listing.note(
            f"{len(described.twice)} folders or photos are given for two splits by {_file_name(described)}, the first "
            f"{described.twice[0]}: they count as {described.places[described.twice[0]]}"
        )
    advise(listing, others, "labels have other classes", "labels")
    return listing


def _cars(
    data: Path,
    photo_id: str,
    path: Path | None,
    described: Description,
    types: ClassMap,
    others: Counter[str],
    numbers: Counter[str],
    by_folder: Counter[str],
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
        numbers[str(index)] += 1
        body_type = types.resolve(name)
        if body_type is None and (body_type := type_by_folder(name if described.names else "", photo_id, types)):
            by_folder[name] += 1
        if body_type is None:
            others[name] += 1
            continue
        pixels = [value * (width, height)[k % 2] for k, value in enumerate(values)]
        if len(pixels) > 4:
            cars.append(Annotation(body_type, segmentation=[pixels]))
            continue
        x, y, w, h = pixels
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


def _check(data: Path, listing: Listing, described: Description, others: Counter[str], numbers: Counter[str]) -> None:
    if listing.photos:
        return
    if not described.names:
        advice = suggestion(listing.types, numbers, [])
        order = " ".join(f"{name}={k}" for k, name in enumerate(listing.types.names))
        raise CarsegError(
            f"{data}: YOLO labels of the classes {', '.join(sorted(numbers, key=int)) or 'none'}, which nothing names; "
            f'add data.yaml or classes.txt, or say which is which, for instance CLASSES="{advice or order}"'
        )
    found = ", ".join(as_text(name) for name in sorted(others)[:10]) or "none"
    typed = by_classes(listing.types, others)
    raise CarsegError(f"{data}: no label is {listing.types.sentence} (found: {found}); {typed}")
