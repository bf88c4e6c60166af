"""The format of a data set, by the files in its folder; a folder that fits two formats is refused.

Formats that have a place of their own for annotations go before those whose files lie beside the photos, and these
before type folders. A format that is known and not read is named, with the way to export one that is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from carseg_lib.core.classes import FOLDERS, ClassMap
from carseg_lib.core.config import Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.clips import clips_of
from carseg_lib.data.formats import coco, csv_table, pascal_voc, programs, stanford_cars, yolo
from carseg_lib.data.formats.base import Listing, is_junk, name_of
from carseg_lib.data.formats.folder_places import has_type_folders
from carseg_lib.data.formats.image_folder import read_image_folder
from carseg_lib.data.formats.yolo_files import names_classes
from carseg_lib.data.photos import PHOTO_SUFFIXES


@dataclass(frozen=True)
class Format:
    """A format of data sets: its name; the file that shows a folder to be of it, or ""; and its reader of a folder."""

    name: str
    mark: Callable[[Path], str]
    read: Callable[[Path, ClassMap, Unlabelled], Listing]


def _all_labelled(read: Callable[[Path, ClassMap], Listing]) -> Callable[[Path, ClassMap, Unlabelled], Listing]:
    """The reader of a format in which every photo has a label, so that it makes no difference what the others are."""
    return lambda data, types, unlabelled: read(data, types)


def _voc_mark(data: Path) -> str:
    folder = pascal_voc.annotation_folder(data)
    return f"{folder.name}/*.xml" if folder else ""


def _stanford_mark(data: Path) -> str:
    path = next(iter(sorted(stanford_cars.annotation_files(data).values())), None)
    return path.relative_to(data).as_posix() if path else ""


def _table_mark(data: Path) -> str:
    return csv_table.NAME if (data / csv_table.NAME).is_file() else ""


def _voc_beside_mark(data: Path) -> str:
    path = pascal_voc.first_beside(data)
    return path.relative_to(data).as_posix() if path else ""


def _other_table_mark(data: Path) -> str:
    paths = csv_table.tables_of(data)
    return paths[0].relative_to(data).as_posix() if paths else ""


COCO = Format("COCO annotations", coco.FILES.first, coco.read_coco)
TABLE = Format("CSV table", _table_mark, csv_table.read_csv_table)
VOC = Format("VOC annotations", _voc_mark, pascal_voc.read_pascal_voc)
ANNOTATED = (COCO, VOC, Format("Stanford Cars", _stanford_mark, _all_labelled(stanford_cars.read_stanford_cars)), TABLE)
# of folders without a place for annotations, by files between the photos
OTHER_TABLE = Format(TABLE.name, _other_table_mark, TABLE.read)
BESIDE = (
    Format(VOC.name, _voc_beside_mark, VOC.read),
    Format("YOLO labels", yolo.first_labels, yolo.read_yolo),
    OTHER_TABLE,
)
# of folders without annotations
TYPE_FOLDERS = Format("type folders", lambda data: "", _all_labelled(read_image_folder))
FILES = {".json": COCO, ".csv": TABLE}  # that DATA may name


def detect_and_list(data: Path, types: ClassMap | None = None, unlabelled: Unlabelled = "exclude") -> Listing:
    """Detect the format of a data set and list its photos without opening them.

    Args:
        data: A folder with COCO annotations (annotations/*.json), VOC annotations (Annotations/*.xml), the devkit of
            Stanford Cars or a table photos.csv; else one with VOC annotations or YOLO labels beside the photos, or one
            other table; else one of type folders, <split>/<type>/*.jpg or <type>/*.jpg. Or a COCO .json file, or a .csv
            table.
        types: The body types; the paper's four if not given.
        unlabelled: What photos without any annotation are: left out, or background.

    Raises:
        CarsegError: No such data, two formats fit, or the reader of the format refuses the data.
    """
    data, types = Path(data), types or ClassMap()
    data_format, folder = _format_of(data, types)
    if types.named_by_folders and data_format is not TYPE_FOLDERS:
        raise CarsegError(
            f"{data}: CLASSES={FOLDERS} is for photos in type folders, these have {data_format.name}; name the types "
            "in CLASSES"
        )
    listing = data_format.read(folder, types, unlabelled)
    listing.name = name_of(data)
    listing.source = data_format.name
    _name_clips(listing)
    return listing


def _name_clips(listing: Listing) -> None:
    """Take the clips that photos are frames of, by their names, as their groups, where the data give no group."""
    records = [*listing.photos, *listing.background]
    if any(record.group or any(one.group for one in record.annotations) for record in records):
        return
    clips = clips_of([record.photo_id for record in records])
    if not any(clips):
        return
    named = [
        replace(record, group=clip, annotations=[replace(one, group=clip) for one in record.annotations])
        for record, clip in zip(records, clips, strict=True)
    ]
    listing.photos, listing.background = named[: len(listing.photos)], named[len(listing.photos) :]


def _format_of(data: Path, types: ClassMap) -> tuple[Format, Path]:
    """The format of a data set, and the folder that has it: data, or one that lies alone in it, as in archives."""
    if not data.exists():
        raise CarsegError(f"{data}: there is no such folder or file; give the path of the photos as DATA=path")
    if data.is_file():
        if told := programs.named_format(data):
            raise CarsegError(told)
        if data.suffix.lower() not in FILES:
            hint = "; give the folder that it describes as DATA" if data.suffix.lower() in (".yaml", ".yml") else ""
            raise CarsegError(f"{data}: neither a folder nor a COCO .json file nor a .csv table{hint}")
        return FILES[data.suffix.lower()], data
    try:
        empty = not any(data.iterdir())
    except OSError as error:
        raise CarsegError(f"{data}: the folder cannot be read ({error.strerror})") from None
    if empty:
        raise CarsegError(f"{data}: the folder is empty; give the path of the photos as DATA=path")
    folders = _only_folders(data)
    marks: dict[Format, str] = {}
    described = [folder for folder in folders if names_classes(folder)]
    places: list[tuple[tuple[Format, ...], Path]] = [(ANNOTATED, folder) for folder in folders]
    places += [(BESIDE, folder) for folder in (*described, *reversed(folders))]
    if types.named_by_folders:  # then files beside the photos say nothing that is asked for
        places = [place for place in places if place[0] is ANNOTATED]
    for formats, folder in places:
        if marks := {one: mark for one in formats if (mark := one.mark(folder))}:
            break
    if len(marks) > 1:
        (one, its), (other, others), *_ = ((found.name, mark) for found, mark in marks.items())
        raise CarsegError(
            f"{data}: has {one} ({its}) and {other} ({others}), and it is not clear which to use; take one of them "
            "out of the folder, or give a .json or .csv file as DATA"
        )
    if not marks:
        return TYPE_FOLDERS, data
    if next(iter(marks)) is OTHER_TABLE and not csv_table.names_types(folder, types) and has_type_folders(data, types):
        return TYPE_FOLDERS, data  # the table says what else is known of the cars
    return next(iter(marks)), folder


def _only_folders(data: Path) -> list[Path]:
    """The folder, and those inside of it as long as one holds a single folder and no photo, the innermost last."""
    folders = [data]
    while True:
        try:
            inside = [path for path in folders[-1].iterdir() if not is_junk(path.name)]
        except OSError:
            return folders
        inner = [path for path in inside if path.is_dir() and not path.is_symlink()]
        if len(inner) != 1 or any(path.suffix.lower() in PHOTO_SUFFIXES for path in inside):
            return folders
        folders.append(inner[0])
