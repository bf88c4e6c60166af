"""Measure what a photo costs, and write the tables of docs/scale.md from docs/scale.csv and FORMULAS.

    .venv/bin/python docs/scale.py                        # write the tables
    .venv/bin/python docs/scale.py tables                 # measure tables of invented photos
    .venv/bin/python docs/scale.py photos folder          # measure reading the photos of a folder
    .venv/bin/python docs/scale.py networks reports/quick   # measure the segmenter, and a run's model
    .venv/bin/python docs/scale.py intervals reports/quick  # measure a run's intervals; a minute, the others seconds

A measurement prints lines for docs/scale.csv: name, value, unit. Seconds are of the processor, so that other programs
beside it matter little.
"""

from __future__ import annotations

import csv
import itertools
import math
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).parent
SIZES = (10_000, 1_000_000, 100_000_000)
# What is written of N photos: 70 of 100 train, 20 validate, as carseg divides them. Names are those of docs/scale.csv.
FORMULAS = {
    "originals, GB": "N * photo_mb / 1e3",
    "01 reads each photo once, CPU h": "N * inspect_s / 3600",
    "01, memory, GB": "N * catalogue_kb / 1e6",
    "tables of the run on disk, GB": "2 * N * table_disk_kb / 1e6",
    "02, near duplicates and splits, CPU h": "N * split_s / 3600",
    "02, masks where none are given, CPU h": "N * segment_s / 3600",
    "03, decoded photos, GB of disk": "0.9 * N * decoded_mb / 1e3",
    "03, decoding them, CPU h": "0.9 * N * decode_s / 3600",
    "03, labels and order, memory, GB": "(0.9 * N * labels_kb + 0.7 * N * order_kb) / 1e6",
    "03, 11 epochs, h": "11 * 0.7 * N / train_photos_s / 3600",
    "03, watching validation in 11 epochs, CPU h": "11 * 0.2 * N * predict_s / 3600",
    "04 predicts 30 of 100, CPU h": "0.3 * N * predict_s / 3600",
    "04, intervals of validation, CPU h": "0.2 * N * interval_s / 3600",
    "04, intervals of validation, memory, GB": "0.2 * N * interval_kb / 1e6",
    "04, predictions, GB of disk": "0.3 * N * prediction_kb / 1e6",
    "all, core hours": "N * (inspect_s + split_s + segment_s + 0.9 * decode_s + 2.5 * predict_s + 0.2 * interval_s "
    "+ 2 * 11 * 0.7 / train_photos_s) / 3600",
}


def read_constants() -> dict[str, dict[str, str]]:
    """The rows of docs/scale.csv by name."""
    with (HERE / "scale.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def constants_table() -> str:
    """The measured constants as a Markdown table."""
    rows = [
        f"| `{row['name']}` | {row['value']} {row['unit']} | {row['what']} | `{row['command']}` | `{row['commit']}` "
        f"| {row['date']} |"
        for row in read_constants().values()
    ]
    head = "| constant | value | of what | command | commit | date |\n| --- | ---: | --- | --- | --- | --- |"
    return "\n".join([head, *rows])


def scale_table() -> str:
    """What the formulas give for each number of photos, two digits."""
    values = {name: float(row["value"]) for name, row in read_constants().items()}
    rows = []
    for name, formula in FORMULAS.items():
        numbers = [eval(formula, {"__builtins__": {}}, values | {"N": n}) for n in SIZES]
        rows.append(f"| {name} | `{formula}` | {' | '.join(map(_two_digits, numbers))} |")
    head = "| | formula | 10⁴ | 10⁶ | 10⁸ |\n| --- | --- | ---: | ---: | ---: |"
    return "\n".join([head, *rows])


def _two_digits(value: float) -> str:
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):,.{max(digits, 0)}f}"


def write() -> None:
    """Write both tables between the markers of docs/scale.md."""
    page = HERE / "scale.md"
    text = page.read_text(encoding="utf-8")
    for name, table in (("constants", constants_table()), ("scale", scale_table())):
        before, _, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{before}<!-- {name} -->\n{table}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}"
    page.write_text(text, encoding="utf-8")


def measure_tables(photos: int = 100_000) -> Iterator[tuple[str, float, str]]:
    """Tables of invented photos with a box each; no photo is read."""
    import numpy as np
    import pandas as pd
    import psutil

    from carseg_lib.core.classes import BODY_TYPES
    from carseg_lib.core.config import InputConfig
    from carseg_lib.data.catalogue import INSTANCE_COLUMNS, PHOTO_COLUMNS, Catalogue
    from carseg_lib.data.dataset import CarDataset
    from carseg_lib.data.loading import balanced_epoch_order
    from carseg_lib.data.splits import assign_splits

    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, size=(photos, 5))
    ids = [f"folder/{i % 100:03}/photo-{i:09}.jpg" for i in range(photos)]
    types = np.array(BODY_TYPES)[rng.integers(0, 4, photos)]
    one: dict = {"photo_id": ids, "body_type": types}
    size = {"width": 640, "height": 480, "brightness": 0.5}
    digest = {"file_sha256": [f"{a:064x}" for a in hashes[:, 0]], "pixel_sha256": [f"{a:064x}" for a in hashes[:, 1]]}
    phash = {"phash": [f"{a:016x}" for a in hashes[:, 2]]}
    table = pd.DataFrame(one | size | digest | phash | {"split": "", "group": ""})[list(PHOTO_COLUMNS)]
    # The mask is a random text of the usual length of one.
    masks = ["".join(map(chr, row)) for row in rng.integers(48, 110, size=(photos, 250))]
    box = {"x1": 100.25, "y1": 100.25, "x2": 540.75, "y2": 380.75, "mask": masks}
    origin = {"box_origin": "given", "mask_origin": "given", "mask_quality": np.nan}
    cars = pd.DataFrame(one | box | origin)[list(INSTANCE_COLUMNS)]
    catalogue = Catalogue("invented", Path("/"), table.astype(PHOTO_COLUMNS), cars.astype(INSTANCE_COLUMNS))
    memory = sum(part.memory_usage(deep=True).sum() for part in (catalogue.photos, catalogue.instances))
    yield "table_kb", memory / photos / 1e3, "kB"
    started = time.process_time()
    catalogue = assign_splits(catalogue, 0)
    yield "split_s", (time.process_time() - started) / photos, "CPU s"
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        catalogue.save(Path(folder))
        Catalogue.load(Path(folder))
        yield "table_s", (time.process_time() - started) / photos, "CPU s"
        written = sum(path.stat().st_size for path in Path(folder).iterdir())
        yield "table_disk_kb", written / photos / 1e3, "kB"
    process = psutil.Process()
    before, started = process.memory_info().rss, time.process_time()
    part = CarDataset(catalogue, "train", InputConfig(), 0)
    yield "labels_s", (time.process_time() - started) / len(part), "CPU s"
    yield "labels_kb", (process.memory_info().rss - before) / len(part) / 1e3, "kB"
    before, started = process.memory_info().rss, time.process_time()
    order = balanced_epoch_order(part.photos.body_type, 1, 0, 0.5)
    yield "order_s", (time.process_time() - started) / len(order), "CPU s"
    yield "order_kb", (process.memory_info().rss - before) / len(order) / 1e3, "kB"


def measure_photos(folder: Path, most: int = 200) -> Iterator[tuple[str, float, str]]:
    """Reading photos of a folder, each once."""
    import torch

    from carseg_lib.data.cache import cache_side
    from carseg_lib.data.photos import inspect_image, read_photo

    torch.set_num_threads(1)
    paths = sorted(folder.rglob("*.jpg"))
    paths = paths[:: max(1, len(paths) // most)][:most]
    yield "photo_mb", sum(path.stat().st_size for path in paths) / len(paths) / 1e6, "MB"
    started = time.process_time()
    sizes = [inspect_image(path) for path in paths]
    yield "inspect_s", (time.process_time() - started) / len(paths), "CPU s"
    yield "megapixels", sum(one.width * one.height for one in sizes) / len(paths) / 1e6, "megapixels"
    started = time.process_time()
    decoded = [read_photo(path, cache_side((224, 224))) for path in paths]
    yield "decode_s", (time.process_time() - started) / len(paths), "CPU s"
    pixels = sum(photo.width * photo.height for photo in decoded) / len(paths)
    yield "decoded_mb", pixels * (3 + 1 / 8) / 1e6, "MB"  # colours, and the mask of one car


def measure_intervals(run: Path) -> Iterator[tuple[str, float, str]]:
    """All numbers of a run's validation photos, each taken several times under other names."""
    written = sum((run / name).stat().st_size for name in ("predictions.csv", "detections.csv", "presence.csv"))
    with (run / "predictions.csv").open(encoding="utf-8") as file:
        yield "prediction_kb", written / (sum(1 for _ in file) - 1) / 1e3, "kB"
    used = []
    for copies in (4, 28):  # in a process of its own: its peak of memory is asked for
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            used.append(pool.submit(_intervals, run, copies).result())
    (few, short, low), (many, long, high) = used
    yield "interval_s", (long - short) / (many - few), "CPU s"
    yield "interval_kb", (high - low) / (many - few) / 1e3, "kB"


def _intervals(run: Path, copies: int) -> tuple[int, float, int]:
    """Photos, seconds of the processor, and the process's peak of memory in bytes."""
    import pandas as pd

    from carseg_lib.data.catalogue import Catalogue
    from carseg_lib.evaluation.classification import split_metrics

    catalogue = Catalogue.load(run / "dataset").split("validation").measured()
    predictions, detections = (
        table[table.split == "validation"]
        for table in map(pd.read_csv, (run / "predictions.csv", run / "detections.csv"))
    )
    tables = [
        pd.concat([table.assign(photo_id=f"{i}/" + table.photo_id) for i in range(copies)], ignore_index=True)
        for table in (predictions.fillna({"predicted": ""}), detections, catalogue.instances)
    ]
    started = time.process_time()
    split_metrics(*tables, body_types=catalogue.body_types, bootstrap_samples=1000, seed=0, has_masks=True)
    seconds = time.process_time() - started
    return len(tables[0]), seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_networks(run: Path, most: int = 96) -> Iterator[tuple[str, float, str]]:
    """The annotator and a run's model on validation photos, which are read too; one thread."""
    import torch

    from carseg_lib.core.run import Run
    from carseg_lib.data.catalogue import Catalogue
    from carseg_lib.data.dataset import CarDataset
    from carseg_lib.engine.inference import load_trained
    from carseg_lib.engine.pseudo_labels.run import make_annotator
    from carseg_lib.evaluation.evaluate import find_cars
    from carseg_lib.experiments.segmenter.evaluate import photos_per_second

    torch.set_num_threads(1)
    opened = Run.open(run.name)
    config = opened.config
    catalogue = Catalogue.load(run / "dataset").split("validation")
    part = CarDataset(catalogue, "validation", config.inputs, config.seed).sample(most)
    model, _ = load_trained(config, opened)
    started = time.process_time()
    found = list(find_cars(model, part, catalogue.body_types, config.model, config.train.batch_size, 0))
    yield "predict_s", (time.process_time() - started) / len(found), "CPU s"
    started = time.process_time()
    few = catalogue.without(catalogue.photos.photo_id.iloc[most:], "", catalogue.photos.photo_id.iloc[most:])
    photos_per_second(make_annotator("builtin", "cpu"), few, config.train.batch_size)
    yield "segment_s", (time.process_time() - started) / len(few.photos), "CPU s"


MEASURE = {
    "tables": measure_tables,
    "photos": measure_photos,
    "intervals": measure_intervals,
    "networks": measure_networks,
}

if __name__ == "__main__":
    if len(sys.argv) == 1:
        write()
    else:
        measure, places = MEASURE[sys.argv[1]], map(Path, itertools.islice(sys.argv, 2, None))
        for name, value, unit in measure(*places):
            print(f"{name},{value:.3g},{unit}", flush=True)
