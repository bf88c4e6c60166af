"""The format of a data set, by the files in its folder; a folder that fits two formats is refused.

Formats that have a place of their own for annotations go before those whose files lie beside the photos, and these
before type folders. A format that is known and not read is named, with the way to export one that is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from carseg_lib.core.classes import FOLDERS, ClassMap
from carseg_lib.core.config import DataFormat, Unlabelled
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.clips import clips_of
from carseg_lib.data.formats import (
    coco,
    csv_table,
    cvat_xml,
    label_studio,
    labelme,
    pascal_voc,
    programs,
    stanford_cars,
    supervisely,
    via,
    yolo,
)
from carseg_lib.data.formats.annotation_files import AnnotationFiles
from carseg_lib.data.formats.base import Listing, is_junk, name_of
from carseg_lib.data.formats.folder_places import has_type_folders
from carseg_lib.data.formats.image_folder import read_image_folder
from carseg_lib.data.formats.json_files import parsed_once
from carseg_lib.data.formats.yolo_files import names_classes
from carseg_lib.data.names import split_of
from carseg_lib.data.photos import PHOTO_SUFFIXES, picture_format
from carseg_lib.data.strange_files import strange


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    Attributes:
        key: Its name as a value of FORMAT.
        name: Its name, in words.
        mark: The file that shows a folder to be of it, or "".
        read: Its reader of a folder, or of a file.
        looked_for: What `mark` looks for, in words.
        file: Whether a file is of it, by what is in it; None where DATA cannot be one.
    """

    key: DataFormat
    name: str
    mark: Callable[[Path], str]
    read: Callable[[Path, ClassMap, Unlabelled], Listing]
    looked_for: str
    file: Callable[[Path], bool] | None = None


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


def _listing(
    key: DataFormat, name: str, files: AnnotationFiles, read: Callable[[Path, ClassMap, Unlabelled], Listing]
) -> Format:
    """A format whose annotation files list many photos each."""
    kinds = " or ".join(f"*{suffix}" for suffix in files.suffixes)
    looked_for = f"{kinds} of {files.program} in it, in annotations/ or in folders of splits"
    return Format(key, name, files.first, read, looked_for, files.fits)


COCO = _listing("coco", "COCO annotations", coco.FILES, coco.read_coco)
CVAT = _listing("cvat", "CVAT for images", cvat_xml.FILES, cvat_xml.read_cvat)
LABEL_STUDIO = _listing("label-studio", "Label Studio", label_studio.FILES, label_studio.read_label_studio)
VIA = _listing("via", "VGG Image Annotator", via.FILES, via.read_via)
SUPERVISELY = Format(
    "supervisely", "Supervisely", supervisely.first_supervisely, supervisely.read_supervisely, "ann/*.json beside img/"
)
VOC = Format(
    "voc", "VOC annotations", _voc_mark, pascal_voc.read_pascal_voc, "Annotations/*.xml, or .xml beside photos"
)
STANFORD = Format(
    "stanford-cars",
    "Stanford Cars",
    _stanford_mark,
    _all_labelled(stanford_cars.read_stanford_cars),
    "the devkit's .mat files, or anno_train.csv",
)
TABLE = Format(
    "csv",
    "CSV table",
    _table_mark,
    csv_table.read_csv_table,
    "photos.csv, or one other table with columns of photos and types",
    lambda path: path.suffix.lower() == ".csv",
)
ANNOTATED = (COCO, CVAT, LABEL_STUDIO, VIA, VOC, STANFORD, TABLE)
# of folders without a place for annotations, by files between the photos
OTHER_TABLE = replace(TABLE, mark=_other_table_mark)
BESIDE = (
    replace(VOC, mark=_voc_beside_mark),
    SUPERVISELY,
    Format("labelme", "labelme", labelme.first_labelme, labelme.read_labelme, ".json files of labelme beside photos"),
    Format("yolo", "YOLO labels", yolo.first_labels, yolo.read_yolo, ".txt files of YOLO in labels/, or beside photos"),
    OTHER_TABLE,
)
# of folders without annotations
TYPE_FOLDERS = Format(
    "folders", "type folders", lambda data: "", _all_labelled(read_image_folder), "photos in folders of the types"
)
FORMATS = (*ANNOTATED, *BESIDE, TYPE_FOLDERS)


def detect_and_list(
    data: Path, types: ClassMap | None = None, unlabelled: Unlabelled = "exclude", data_format: DataFormat = "auto"
) -> Listing:
    """Detect the format of a data set and list its photos without opening them.

    Args:
        data: A folder with annotations in one of ANNOTATED's formats; else one with annotations beside the photos, as
            BESIDE; else one of type folders, <split>/<type>/*.jpg or <type>/*.jpg. Or an annotation file.
        types: The body types; the paper's four if not given.
        unlabelled: What photos without any annotation are: left out, or background.
        data_format: The format, if it is not to be detected.

    Raises:
        CarsegError: No such data, two formats fit, the data are not of the format that is given, or the reader of the
            format refuses the data.
    """
    data, types = Path(data), types or ClassMap()
    with parsed_once():
        found, folder = _format_of(data, types, data_format)
        if types.named_by_folders and found is not TYPE_FOLDERS:
            raise CarsegError(
                f"{data}: CLASSES={FOLDERS} is for photos in type folders, these have {found.name}; name the types "
                "in CLASSES"
            )
        listing = found.read(folder, types, unlabelled)
    listing.name = name_of(data)
    listing.source = found.name
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


def _format_of(data: Path, types: ClassMap, data_format: DataFormat) -> tuple[Format, Path]:
    """The format of a data set, and the folder that has it: data, or one that lies alone in it, as in archives."""
    if not data.exists():
        raise CarsegError(f"{data}: there is no such folder or file; give the path of the photos as DATA=path")
    if data.is_file():
        return _format_of_file(data, data_format), data
    try:
        empty = not any(data.iterdir())
    except OSError as error:
        raise CarsegError(f"{data}: the folder cannot be read ({error.strerror})") from None
    if empty:
        raise CarsegError(f"{data}: the folder is empty; give the path of the photos as DATA=path")
    folders = _only_folders(data)
    described = [folder for folder in folders if names_classes(folder)]
    places: list[tuple[tuple[Format, ...], Path]] = [(ANNOTATED, folder) for folder in folders]
    inner_first = sorted(folders, key=lambda folder: (_in_split(folder.relative_to(data)), -len(folder.parts)))
    places += [(BESIDE, folder) for folder in (*described, *inner_first)]
    if data_format != "auto":
        return _given_format(data, places, data_format)
    if types.named_by_folders:  # then files beside the photos say nothing that is asked for
        places = [place for place in places if place[0] is ANNOTATED]
    marks: dict[Format, str] = {}
    for formats, folder in places:
        if marks := {one: mark for one in formats if (mark := one.mark(folder))}:
            break
    if len(marks) > 1:
        (one, its), (other, others), *_ = marks.items()
        raise CarsegError(
            f"{data}: has {one.name} ({its}) and {other.name} ({others}), and it is not clear which to use; take one "
            f"of them out of the folder, or say which: FORMAT={one.key} or FORMAT={other.key}"
        )
    if not marks:
        return TYPE_FOLDERS, data
    if next(iter(marks)) is OTHER_TABLE and not csv_table.names_types(folder, types) and has_type_folders(data, types):
        return TYPE_FOLDERS, data  # the table says what else is known of the cars
    return next(iter(marks)), folder


def _format_of_file(data: Path, data_format: DataFormat) -> Format:
    """The format of a file that DATA names: the given one, else the first that it fits.

    A .json file of no known program is taken for COCO, whose reader says what is wrong with it.
    """
    if what := strange(data):
        raise CarsegError(f"{data}: {what}")
    if data_format != "auto":
        found = next((one for one in FORMATS if one.key == data_format), TYPE_FOLDERS)
        if found.file is None:
            raise CarsegError(f"{data}: FORMAT={data_format} is for a folder; give the folder of the photos as DATA")
        if data.suffix.lower() not in (".json", ".xml", ".csv"):
            raise CarsegError(f"{data}: not an annotation file, which is .json, .xml or .csv; give one, or a folder")
        if not found.file(data) and (other := programs.program_of(data)):
            raise CarsegError(f"{data}: FORMAT={data_format}, and the file is of {other}")
        return found
    if told := programs.named_format(data):
        raise CarsegError(told)
    if fitting := next((one for one in ANNOTATED if one.file and one.file(data)), None):
        return fitting
    if data.suffix.lower() == ".json":
        if programs.of_file(data) in (programs.LABELME, programs.SUPERVISELY):
            raise CarsegError(f"{data}: annotations of one photo ({programs.of_file(data)}); give their folder as DATA")
        return COCO
    described = data.suffix.lower() in (".yaml", ".yml", ".data", ".names")
    hint = "; give the folder that it describes as DATA" if described else ""
    hint = "; give the folder of the photos as DATA" if picture_format(data) else hint
    raise CarsegError(f"{data}: neither a folder nor an annotation file (.json, .xml or .csv){hint}")


def _given_format(
    data: Path, places: list[tuple[tuple[Format, ...], Path]], data_format: DataFormat
) -> tuple[Format, Path]:
    """The format that FORMAT names, and the folder that has it.

    Raises:
        CarsegError: No folder has it.
    """
    if data_format == TYPE_FOLDERS.key:
        return TYPE_FOLDERS, data
    marked = [(one, folder, mark) for formats, folder in places for one in formats if (mark := one.mark(folder))]
    if found := next(((one, folder) for one, folder, _ in marked if one.key == data_format), None):
        return found
    wanted = next(one for one in FORMATS if one.key == data_format)
    others = {one.key: f"{one.name} ({mark}): FORMAT={one.key}" for one, _, mark in reversed(marked)}
    there = (
        f"there are {' and '.join(reversed(others.values()))}"
        if others
        else "no annotations of another format are there"
    )
    raise CarsegError(
        f"{data}: FORMAT={data_format}, and there are no {wanted.name} in it (looked for {wanted.looked_for}); "
        f"{there}, or leave FORMAT out"
    )


def _in_split(folder: Path) -> bool:
    """Whether a folder is, or is in, one that a split is named by: then the split is told by the folder around it."""
    return any(split_of(part) for part in folder.parts)


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
