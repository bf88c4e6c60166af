"""`croissant.json`: the photos of a run as a data set of MLCommons Croissant 1.0, read by mlcroissant and others.

Three tables beside it hold what its record sets read: `croissant/photos.csv`, `croissant/cars.csv` and
`croissant/background.csv`. A box is COCO's, `x y width height` in pixels; a mask is COCO's compressed run-length
string, column by column, of the photo's height and width. Croissant has no type for run lengths: a mask is text.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping
from typing import Any

from carseg_lib.data.catalogue import Catalogue
from carseg_lib.workflow.archive.inputs import BUILTIN_FILE
from carseg_lib.workflow.archive.ro_crate import CC0, Facts
from carseg_lib.workflow.archive.zip_files import Entry

FILE = "croissant.json"
Json = dict[str, Any]
_TEXT, _INTEGER, _FLOAT, _BOX, _IMAGE = "sc:Text", "sc:Integer", "sc:Float", "cr:BoundingBox", "sc:ImageObject"
PHOTOS = {
    "photo_id": (_TEXT, "name of the photo's file"),
    "split": (_TEXT, "train, validation or test"),
    "body_type": (_TEXT, "type of the photo's main car"),
    "width": (_INTEGER, "pixels"),
    "height": (_INTEGER, "pixels"),
    "file_sha256": (_TEXT, "of the photo's file, hex"),
}
CARS = {
    "photo_id": (_TEXT, "the photo"),
    "body_type": (_TEXT, "type of this car"),
    "box": (_BOX, "x, y, width and height in pixels, from the upper left corner, as COCO has them"),
    "mask": (_TEXT, "COCO's compressed run lengths, column by column, of height x width pixels; empty without a mask"),
    "box_origin": (_TEXT, "given with the photos, or how it was found"),
    "mask_origin": (_TEXT, "given with the photos, or the annotator that drew it"),
    "mask_quality": (_FLOAT, "of a mask that was drawn by an annotator, 0 to 1"),
}
BACKGROUND = {name: PHOTOS[name] for name in ("photo_id", "split", "width", "height", "file_sha256")}
_CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def tables(catalogue: Catalogue) -> list[Entry]:
    """The tables that the record sets read, of the photos that a run used."""
    cars = catalogue.instances
    box = cars[["x1", "y1", "x2", "y2"]].astype(float)
    sides = (box["x1"], box["y1"], box["x2"] - box["x1"], box["y2"] - box["y1"])
    texts = [" ".join(map(repr, map(float, row))) for row in zip(*sides, strict=True)]
    found = {
        "photos": catalogue.photos[list(PHOTOS)],
        "cars": cars.assign(box=texts)[list(CARS)],
        "background": catalogue.background[list(BACKGROUND)],
    }
    return [
        Entry(_table(name), table.to_csv(index=False, lineterminator="\n").encode())
        for name, table in found.items()
        if len(table)
    ]


def write_croissant(facts: Facts, catalogue: Catalogue, sizes: Mapping[str, int], sums: Mapping[str, str]) -> Json:
    """Return the description of the photos, for JSON.

    Args:
        facts: Of the run.
        catalogue: The photos that it used.
        sizes: Bytes of each file of the archive, by name.
        sums: sha256 (hex) of the tables and of the built-in archive of photos, by name.
    """
    builtin = not facts.inputs.data.place
    photos = facts.inputs.data
    distribution = [_file_object(name, sizes[name], sums[name], "text/csv") for name in sums if name.endswith(".csv")]
    record_sets = [
        _record_set("photos", PHOTOS, "a row a photo of a car", key="photo_id"),
        _record_set("cars", CARS, "a row a labelled car; a photo may have several"),
    ]
    if len(catalogue.background):
        record_sets.append(_record_set("background", BACKGROUND, "a row a photo without a car", key="photo_id"))
    if builtin:
        distribution.append(_file_object(BUILTIN_FILE, sizes[BUILTIN_FILE], sums[BUILTIN_FILE], "application/zip"))
    if builtin:
        distribution.append(_file_set(["images/*.jpg", "images/**/*.jpg"], BUILTIN_FILE))
        record_sets.append(_images("images"))
    elif photos.carried:
        root = _root_of_photos(catalogue, photos.place, sizes)
        distribution.append(_file_set(_included(catalogue, root)))
        record_sets.append(_images(root))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": _plain(catalogue.name),
        "description": f"{len(catalogue.photos)} photos of cars with {len(catalogue.instances)} boxes and masks, and "
        f"{len(catalogue.background)} photos without a car, as run {facts.name} used them.",
        "version": str(facts.provenance["carseg"].get("version") or "0.0.0"),
        "datePublished": facts.made[:10],
        "license": CC0 if builtin else "not known to carseg: that of the photos' owner",
        "url": "https://creativecommons.org/publicdomain/zero/1.0/" if builtin else "https://example.org/not-published",
        "citeAs": str(facts.citation.get("title", "carseg")),
        "creator": {"@type": "sc:Organization", "name": "carseg contributors" if builtin else "the photos' owner"},
        "isLiveDataset": False,
        "rai:dataCollection": "path-traced from parametric car models" if builtin else "given to carseg by its user",
        "rai:dataAnnotationProtocol": _origin(catalogue),
        "rai:personalSensitiveInformation": "none: no camera took the photos"
        if builtin
        else "not checked: photos of streets may show people and number plates",
        "distribution": distribution,
        "recordSet": record_sets,
    }


def _root_of_photos(catalogue: Catalogue, place: str, sizes: Mapping[str, int]) -> str:
    """The folder in the archive that photo ids start from: the shortest under which the first photo lies."""
    first = str(catalogue.photos["photo_id"].iloc[0])
    names = (name for name in sizes if name.startswith(place.partition("/")[0] + "/") and name.endswith(f"/{first}"))
    return min(names, key=len).removesuffix(f"/{first}")


def _origin(catalogue: Catalogue) -> str:
    def told(column: str) -> str:
        counts = catalogue.instances[column].replace("", "none").value_counts()
        return ", ".join(f"{name} ({count})" for name, count in counts.items())

    return f"boxes: {told('box_origin')}; masks: {told('mask_origin')}"


def _table(name: str) -> str:
    return f"croissant/{name}.csv"


def _file_object(name: str, size: int, sha256: str, kind: str) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name.rpartition("/")[2],
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": kind,
        "sha256": sha256,
    }


def _included(catalogue: Catalogue, root: str) -> list[str]:
    """Patterns of the photos' files; each by its name where some photos were left out, which may be no images."""
    if len(catalogue.excluded):
        ids = [*catalogue.photos["photo_id"], *catalogue.background["photo_id"]]
        return [glob.escape(f"{root}/{photo_id}") for photo_id in sorted(ids)]
    suffixes = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff")
    return [f"{glob.escape(root)}/*.{form(suffix)}" for suffix in suffixes for form in (str.lower, str.upper)]


def _file_set(patterns: list[str], archive: str = "") -> Json:
    """The photos' files; `*` of a pattern matches folders as well."""
    inside = {"containedIn": {"@id": archive}} if archive else {}
    return {
        "@type": "cr:FileSet",
        "@id": "photo-files",
        "name": "photo-files",
        **inside,
        "encodingFormat": "image/jpeg",
        "includes": patterns,
    }


def _images(prefix: str) -> Json:
    source = {"fileSet": {"@id": "photo-files"}}
    name = {"extract": {"fileProperty": "fullpath"}, "transform": {"regex": rf"^(?:.*/)?{re.escape(prefix)}/(.+)$"}}
    fields = [
        {
            "@type": "cr:Field",
            "@id": "images/photo_id",
            "name": "photo_id",
            "description": "name of the photo's file",
            "dataType": _TEXT,
            "source": source | name,
        },
        {
            "@type": "cr:Field",
            "@id": "images/image",
            "name": "image",
            "description": "the photo",
            "dataType": _IMAGE,
            "source": source | {"extract": {"fileProperty": "content"}},
        },
    ]
    return {  # photos without a car are files of this set too: its names reference no other set
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "the photos themselves, those of cars and those without",
        "key": {"@id": "images/photo_id"},
        "field": fields,
    }


def _record_set(name: str, columns: Mapping[str, tuple[str, str]], description: str, key: str = "") -> Json:
    fields = []
    for column, (kind, text) in columns.items():
        field: Json = {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "description": text,
            "dataType": kind,
            "source": {"fileObject": {"@id": _table(name)}, "extract": {"column": column}},
        }
        if name == "cars" and column == "photo_id":
            field["references"] = {"field": {"@id": "photos/photo_id"}}
        fields.append(field)
    keyed = {"key": {"@id": f"{name}/{key}"}} if key else {}
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "description": description, **keyed, "field": fields}


def _plain(name: str) -> str:
    """A name of letters, digits, `_` and `-`: Croissant's tools make file names of it."""
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name).strip("_") or "photos"
