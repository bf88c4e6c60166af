"""Photos that annotation files name, whatever program wrote them: found, typed and listed in one way.

The reader of a format makes a `NamedPhoto` of each photo and a `Source` of each file. Finding the photos, the body
types, the counted lines and the refusals are those of all formats, and here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, cast

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.boxes import Box
from carseg_lib.data.formats.base import Annotation, ImageRecord, Listing, as_text, car_model
from carseg_lib.data.formats.folder_advice import advise, by_classes
from carseg_lib.data.formats.folder_places import type_by_folder
from carseg_lib.data.formats.image_folder import add_background_folders
from carseg_lib.data.formats.joined_parts import without_boxes_of_masks
from carseg_lib.data.formats.unlisted import note_unlisted
from carseg_lib.data.names import inside
from carseg_lib.data.photo_names import FoundPhoto, PhotoFinder, common_root
from carseg_lib.data.photos import upright_size
from carseg_lib.data.remarks import NAME_BY_BASE, NAME_PREFIXED, NAME_SPELLED, NAME_SUFFIX


@dataclass(frozen=True)
class NamedPhoto:
    """A photo as an annotation file names it.

    Attributes:
        name: As it is written.
        where: The place in the file, for messages: "id 3".
        labels: Its labelled objects; `body_type` is the name of the class, as it is written.
        stated_size: (width, height) in pixels if the file states it.
        split: As a name of a split, or of a subset; "" for that of the file.
        kinds: What the photo as a whole is called, where the file says it.
        more: Whether it has labels that are not among `labels`: shapes that are not read, crowds.
        photo_id: The photo, where the place of its annotation file tells it; "" to find it by its name.
        shares: Whether its boxes and polygons are in shares of the photo's sides, 0 to 1, as the file states no size.
    """

    name: str
    where: str
    labels: Sequence[Annotation] = ()
    stated_size: tuple[int, int] | None = None
    split: str = ""
    kinds: Sequence[str] = ()
    more: bool = False
    photo_id: str = ""
    shares: bool = False


@dataclass
class Source:
    """What one annotation file says, or the annotation files of a folder that has one a photo.

    Attributes:
        path: The file or folder.
        photos: The photos that it names.
        split: Of its photos, or "".
        names: The names of its classes; those of its labels besides.
        counts: Labels that are left out or understood otherwise: (reason, name of the class, more words) → number.
        key: What the file calls the name of a photo.
        unit: What the file calls a label, in the plural.
        pairs: Whether a car may have a box and a mask as labels of their own.
        elsewhere: Whether its names are of the photos on the program's server, so that only their last part counts.
    """

    path: Path
    photos: list[NamedPhoto] = field(default_factory=list)
    split: str = ""
    names: set[str] = field(default_factory=set)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    key: str = "file_name"
    unit: str = "annotations"
    pairs: bool = True
    elsewhere: bool = False

    def leave_out(self, shape: str, name: str) -> None:
        """Count a label of a shape that has no area, as a line or points have none."""
        self.counts["other shape", name, f", drawn as {as_text(shape)}"] += 1


def list_named(
    data: Path, listing: Listing, sources: Sequence[Source], unlabelled: Unlabelled, what: str = "category"
) -> dict[str, str]:
    """Add the photos that annotation files name to a listing.

    Labels of other types, photos without a labelled car of the types, photos found by other names than the files write,
    and photos beside them that no file names, are noted in `ignored`. A folder `background/` among the photos holds
    photos without a car.

    Args:
        data: The data set, a folder or a file.
        listing: Of no photos yet; its root is set where photos are found by their names.
        sources: What the files say.
        unlabelled: What photos without any label are: left out, or background. One whose labels are all of other
            types, or not read, is left out in either case: it may show a car.
        what: What the files call a class.

    Returns:
        The photos that the files name, and where each is named.

    Raises:
        CarsegError: A photo is named twice, its name leads outside, its folders are of two splits, or no label is of
            the types.
    """
    places = [_Places(data, source) for source in sources]
    if any(place.finder for place in places):
        finders = [finder for place in places for finder in place.finders()]
        listing.root = common_root(finders, (path for place in places for path in place.paths()))
    seen: dict[str, str] = {}
    others: Counter[str] = Counter()
    by_folder: Counter[str] = Counter()
    for place in places:
        _list_source(place, listing, seen, unlabelled, others, by_folder)
    names = {name for source in sources for name in source.names} | set(others)
    if not any(listing.types.resolve(name) for name in names) and not listing.photos:
        raise CarsegError(_no_type(data, listing.types, names, others, what))
    for name, number in sorted(by_folder.items()):
        words = f"{number} {sources[0].unit} are called {as_text(name)}" if name else f"{number} have no name"
        listing.note(f"{words}: their type is that of the photo, or of its folder")
    advise(listing, others, f"{sources[0].unit} have other classes", sources[0].unit)
    add_background_folders(listing, seen)
    if any(place.finder for place in places):  # others were found by their own annotation files
        note_unlisted(listing, seen, "image of the annotations")
    return seen


def group_of(known: Mapping[str, Any], where: str) -> str:
    """What a label's attributes say of the car's group: `group`, or `model` without the year; "" if nothing.

    Raises:
        CarsegError: It is no text.
    """
    for name in ("group", "model"):
        value = known.get(name)
        if value is None or value == "":
            continue
        if type(value) not in (str, int):
            raise CarsegError(
                f"{where} is {as_text(str(value))[:60]}, not a text; name one group, or remove it".replace(
                    "{name}", name
                )
            )
        return as_text(str(value).strip() if name == "group" else car_model(str(value)))
    return ""


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """(width, height) as a file states them, in pixels; None where they are not whole numbers above 0."""
    sides = _whole(width), _whole(height)
    return sides if all(sides) else None


def _whole(value: Any) -> int:
    """A whole number above 0, also written as 240.0 or "240"; 0 if it is none."""
    try:
        number = float(value) if type(value) in (int, float, str) else 0.0
    except (ValueError, OverflowError):
        return 0
    return int(number) if 0 < number < 10**6 and number.is_integer() else 0


class _Places:
    """Where the photos are that one source names."""

    def __init__(self, data: Path, source: Source) -> None:
        self.source = source
        self._data = data
        self._of_subset: dict[str, PhotoFinder] = {}
        self.finder = None
        if not all(photo.photo_id for photo in source.photos) or not source.photos:
            self.finder = self._finder(source.split)
        self.found: list[FoundPhoto | None] = [
            None if photo.photo_id else self._finder(photo.split or source.split).find(photo.name)
            for photo in source.photos
        ]

    def finders(self) -> Iterable[PhotoFinder]:
        """Those that were used, the source's own first."""
        return self._of_subset.values()

    def paths(self) -> list[Path]:
        """The photos that were found."""
        return [photo.path for photo in self.found if photo and photo.path]

    def photo_id(self, photo: NamedPhoto, found: FoundPhoto | None, root: Path) -> str:
        """A photo, relative to the root; the checked name as it is written if there is no such photo."""
        if found is None:
            return photo.photo_id
        if found.path:
            return found.path.relative_to(root).as_posix()
        name = inside(photo.name)
        if name is None and self.source.elsewhere and not found.alike:
            name = inside(PurePosixPath(photo.name.replace("\\", "/")).name)
        if name is None:
            alike = f" (the last part of it is that of {len(found.alike)} files there)" if found.alike else ""
            raise CarsegError(
                f"{self.source.path}: the {self.source.key} {photo.name!r} ({photo.where}) leads outside of {root}"
                f"{alike}; file names must be relative to that folder"
            )
        return name

    def _finder(self, subset: str) -> PhotoFinder:
        if subset not in self._of_subset:
            self._of_subset[subset] = PhotoFinder(self._data, self.source.path, subset)
        return self._of_subset[subset]


def _list_source(
    place: _Places,
    listing: Listing,
    seen: dict[str, str],
    unlabelled: Unlabelled,
    others: Counter[str],
    by_folder: Counter[str],
) -> None:
    """Add the photos of one source to a listing."""
    source, types = place.source, listing.types
    twice, first = 0, len(listing.ignored)
    for photo, found in zip(source.photos, place.found, strict=True):
        photo_id = place.photo_id(photo, found, listing.root)
        if photo_id in seen:
            raise CarsegError(
                f"{source.path}: the photo {photo_id!r} ({photo.where}) is already listed in {seen[photo_id]}; "
                "list every photo once"
            )
        seen[photo_id] = f"{source.path.name} with {photo.where}"
        split = photo.split or source.split
        kind = next((kind for kind in photo.kinds if types.resolve(kind)), "")
        cars = []
        for label in _in_pixels(photo, listing.root / photo_id):
            name = label.body_type
            body_type = types.resolve(name)
            if body_type is None and (body_type := _type_by_photo(name, kind, photo_id, types)):
                by_folder[name] += 1
            if body_type is None:
                source.counts[types.exclusion_reason(name), name, ""] += 1
                others[name] += 1
            else:
                cars.append(replace(label, body_type=body_type))
        if source.pairs and len(cars) > 1:
            cars, boxes = without_boxes_of_masks(cars)
            twice += boxes
        if not cars and (kind or not photo.labels):
            cars = [Annotation(body_type) for body_type in [types.resolve(kind)] if body_type]  # somewhere in it
            others.update(photo.kinds if not cars else ())
        if cars:
            listing.photos.append(ImageRecord(photo_id, split, cars, photo.stated_size))
        elif photo.labels or photo.more or photo.kinds:
            listing.ignore(photo_id, "no labelled car", "no annotation of the body types", split)
        else:
            listing.add_unlabelled(photo_id, split, unlabelled)
    if twice:
        listing.note(f"{twice} boxes are of cars whose mask has a label of its own, of one class: the masks are taken")
    of_photos = listing.ignored[first:]
    del listing.ignored[first:]  # the lines that add up come first
    for (reason, name, words), number in sorted(source.counts.items()):
        detail = f"{as_text(name) or 'without a name'}: {number} {source.unit}{words}"
        listing.ignore(source.path.name, reason, detail, source.split)
    listing.ignored += of_photos
    _note_names(place, listing)


def _in_pixels(photo: NamedPhoto, path: Path) -> Sequence[Annotation]:
    """The labels of a photo, those in shares of its sides multiplied by these."""
    if not photo.shares or not photo.labels:
        return photo.labels
    sides = upright_size(path) or (1, 1)  # a broken photo is told of when it is read
    scaled = []
    for label in photo.labels:
        corners, polygons = label.corners, label.segmentation
        if corners:
            corners = cast(Box, tuple(value * sides[k % 2] for k, value in enumerate(corners)))
        if isinstance(polygons, list):
            polygons = [[value * sides[k % 2] for k, value in enumerate(polygon)] for polygon in polygons]
        scaled.append(replace(label, corners=corners, segmentation=polygons))
    return scaled


def _type_by_photo(name: str, kind: str, photo_id: str, types: ClassMap) -> str | None:
    """The type of a label that is called no more than a car: what the photo is called, or else its folder."""
    return (type_by_folder(name, f"{kind}/x", types) if kind else None) or type_by_folder(name, photo_id, types)


def _note_names(place: _Places, listing: Listing) -> None:
    """Say how many photos were found by other names than the file writes."""
    source = place.source
    for how, reason, words in (
        ("spelling", NAME_SPELLED, "in another spelling"),
        ("base name", NAME_BY_BASE, "by the last part of their names"),
        ("prefix", NAME_PREFIXED, "without the digits that stand before their names"),
        ("suffix", NAME_SUFFIX, "as another kind of file"),
    ):
        found = [(photo, its) for photo, its in zip(source.photos, place.found, strict=True) if its and its.how == how]
        if found:
            photo, its = found[0]
            path = its.path.relative_to(listing.root).as_posix() if its.path else ""
            first = f"{as_text(photo.name)!r} is {path}"
            detail = f"{len(found)} photos found {words}; the first: {first}"
            listing.ignore(source.path.name, reason, detail, source.split)


def _no_type(data: Path, types: ClassMap, names: set[str], others: Counter[str], what: str) -> str:
    if not any(names):
        return f"{data}: the annotations have no label; label the photos, or export them again"
    found = ", ".join([as_text(name) for name in sorted(names) if name][:10]) or "none"
    typed = by_classes(types, {name: others[name] for name in names})
    return f"{data}: no {what} is {types.sentence} (found: {found}); rename them in the annotation file, or {typed}"
