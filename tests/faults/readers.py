"""Every reader of files that anybody may have written, or that a bad disk may have changed: valid seeds, and a call.

A reader is built once in a folder of its own; the fuzzer then replaces one of its files by a broken variant, calls it,
and puts the file back. Imports are inside: the readers of annotations start without torch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from tests.faults import given_files as given
from tests.faults import mutate
from tests.faults import own_files as own
from tests.faults.reader import Reader

PHOTO_ERRORS = frozenset({"ImageError"})
READERS = {
    "coco": Reader(given.coco, mutate.of_json, ("*/annotations/*.json",)),
    "voc": Reader(given.layout("voc", given.voc), mutate.any_text, ("**/*.xml", "**/*.txt")),
    "yolo": Reader(given.layout("yolo", given.yolo), mutate.any_text, ("**/*.txt", "**/*.yaml")),
    "csv": Reader(given.layout("csv", given.csv), mutate.any_text, ("**/*.csv",)),
    "labelme": Reader(given.program("labelme", "box", "polygon", "bitmap"), mutate.of_json, ("**/*.json",)),
    "cvat": Reader(given.program("cvat", "box", "polygon", "bitmap"), mutate.any_text, ("**/*.xml",)),
    "label-studio": Reader(
        given.program("label-studio", "box", "polygon", "bitmap"), mutate.of_json, ("*/train.json",)
    ),
    "via": Reader(given.program("via", "box", "polygon"), mutate.of_json, ("**/train/*.json",)),
    "via-csv": Reader(given.program("via", "box", "polygon", table=True), mutate.any_text, ("**/train/*.csv",)),
    "supervisely": Reader(given.program("supervisely", "box", "polygon", "bitmap"), mutate.of_json, ("**/*.json",)),
    "stanford-cars": Reader(given.stanford, mutate.of_bytes, ("**/*.mat",), allowed=frozenset({"subprocess.Popen"})),
    "zip": Reader(given.zipped, mutate.of_bytes, ("*.zip",)),
    "profile": Reader(given.profile, mutate.any_text, ("*.yaml",)),
    "classes": Reader(given.classes, mutate.any_text, ("*.yaml", "*.txt")),
    "settings": Reader(given.overrides, mutate.any_text, ("set.txt",)),
    "report-table": Reader(given.report, mutate.any_text, ("*.csv", "*.txt")),
    "photo": Reader(given.photo, mutate.of_bytes, ("*.*",), PHOTO_ERRORS),
    "photo-header": Reader(given.header, mutate.of_bytes, ("*.*",)),
    "mask-png": Reader(given.mask_png, mutate.of_bytes, ("*.png",), PHOTO_ERRORS),
    "packed-masks": Reader(given.packed, mutate.of_json, ("*.json",), PHOTO_ERRORS | {"ValueError"}),
    "catalogue": Reader(own.saved_catalogue, mutate.any_text, ("dataset/*",)),
    "config.json": Reader(own.run_config, mutate.of_json, ("reports/a/config.json",)),
    "stamp": Reader(own.stamp, mutate.of_json, ("reports/a/stamps/*.json",)),
    "notebook": Reader(own.notebook, mutate.of_json, ("*.ipynb",)),
    "cache": Reader(own.cache, mutate.of_bytes, ("cache/photos-*",)),
    "metrics.json": Reader(
        own.metrics,
        mutate.of_json,
        ("reports/fake/metrics.json", "reports/fake/provenance.json", "reports/fake/page.json", "reference/*.json"),
    ),
    "page": Reader(own.page, mutate.any_text, ("reports/fake/*.csv", "reports/fake/*.json", "reports/fake/dataset/*")),
    "presence.json": Reader(own.presence, mutate.of_json, ("a/model/presence.json",)),
    "checkpoint": Reader(own.checkpoint, mutate.of_bytes, ("*.pt",)),
    "checkpoint-pickle": Reader(own.pickled, mutate.of_bytes, ("data.pkl",)),
    "training-state": Reader(own.resumed, mutate.of_bytes, ("training/*",)),
    "segmenter": Reader(own.segmenter, mutate.of_bytes, ("*.safetensors",)),
}

# Of a thousand inputs and some, how many a reader is given: those that are read fast many, so that an hour is of all.
SHARES = {
    "photo-header": 300,
    "report-table": 150,
    "config.json": 80,
    "mask-png": 80,
    "segmenter": 80,
    "checkpoint": 70,
}
SHARES |= {"photo": 60, "checkpoint-pickle": 50, "notebook": 50, "packed-masks": 30, "presence.json": 20, "zip": 10}
SHARES |= {"classes": 10, "csv": 10, "yolo": 8, "cvat": 6, "coco": 6, "label-studio": 3, "stamp": 3, "voc": 3}
SHARES |= {"labelme": 2, "supervisely": 2, "via": 2, "settings": 2, "via-csv": 2, "catalogue": 1, "profile": 1}
SHARES |= {"training-state": 1, "metrics.json": 0.5, "cache": 0.5, "page": 0.2, "stanford-cars": 0.1}


def variants(reader: Reader, folder: Path, rng: random.Random) -> Iterator[tuple[Path, bytes, bytes]]:
    """Endless broken variants: the file, its valid content, and the broken one."""
    paths = sorted({path for pattern in reader.files for path in folder.glob(pattern) if path.is_file()})
    contents = {path: path.read_bytes() for path in paths}
    assert paths, "nothing to break"
    while True:
        path = rng.choice(paths)
        change = reader.change
        if change is mutate.of_json and path.suffix not in (".json", ".ipynb"):
            change = mutate.any_text
        yield path, contents[path], change(rng, contents[path])
