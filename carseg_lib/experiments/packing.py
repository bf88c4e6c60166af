"""Making the model that comes with carseg: a run's, packed as one file, measured as `make predict` uses it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.data_spec import resolve_source
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import interval, markdown_table, percent
from carseg_lib.core.parallel import thread_pool
from carseg_lib.core.paths import use_runs_root
from carseg_lib.core.progress import counted
from carseg_lib.core.run import Run
from carseg_lib.data.background import read_background_folder
from carseg_lib.data.boxes import largest_instance
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.locate import locate_photos
from carseg_lib.data.photos import ImageError
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.packaged import open_packaged, pack
from carseg_lib.engine.predictor import Prediction, Predictor
from carseg_lib.evaluation.bootstrap import mean_estimate, proportion_estimate
from carseg_lib.evaluation.evaluate import mask_iou

NAME = "car-types.safetensors"


def pack_model(run: Run, real: str = "", negatives: str = "") -> Path:
    """Pack a run's model, and measure the packed file: on its own validation photos, on others, on photos without cars.

    Args:
        run: Trained and evaluated.
        real: Other photos of the same types, as DATA is given; of them the validation photos are predicted.
        negatives: A folder of photos without a car.

    Returns:
        The file, in the run's folder; its sha256 and its model card are beside it.

    Raises:
        CarsegError: The run has no trained model or was not evaluated, or other photos cannot be read.
    """
    path = run.folder / NAME
    own = Catalogue.load(run.dataset)
    cars = [(f"validation photos of “{own.name}”, its own kind", own.split("validation"))]
    if real:
        other = load_catalogue(locate_photos(resolve_source(real)), run.config.data.classes)
        other = assign_splits(other, run.config.seed)
        cars.append((f"validation photos of “{other.name}”, of which it saw none", other.split("validation")))
    folder = Path(negatives).expanduser()
    without_car = read_background_folder(folder) if negatives else None
    pack(run, path, {})
    with tempfile.TemporaryDirectory() as reports, use_runs_root(Path(reports)):
        predictor = Predictor(open_packaged(path=path))
        measured: dict[str, Any] = {
            "trained_on": f"the {len(own.split('train').photos):,} training photos of “{own.name}”",
            "cars": [{"photos": words} | _on_cars(predictor, photos, run) for words, photos in cars],
        }
        if without_car is not None:
            found = [bool(one.cars) for _, one in _predicted(predictor, without_car, without_car.background)]
            measured["without_car"] = {"photos": f"photos of “{folder.name}”, without a car"} | {
                "called_a_car": proportion_estimate(sum(found), len(found))
            }
    pack(run, path, measured)
    files.write_text(path.with_suffix(".md"), model_card(path, measured, run))
    return path


def _on_cars(predictor: Predictor, catalogue: Catalogue, run: Run) -> dict[str, Any]:
    """The accuracy of a photo's answer ("no car" is wrong), its recall by type, and the IoU of its mask."""
    labels = catalogue.photos.set_index("photo_id")
    cars = dict(list(catalogue.instances.groupby("photo_id")))
    right: dict[str, list[bool]] = {name: [] for name in predictor.body_types}
    overlaps = []
    for photo_id, found in _predicted(predictor, catalogue, catalogue.photos):
        row = labels.loc[photo_id]
        right[row["body_type"]].append(found.best is not None and found.best.body_type == row["body_type"])
        truth = largest_instance(cars[photo_id], row["body_type"])
        overlaps.append(mask_iou(found.best, truth, int(row["height"]), int(row["width"])))
    every = [one for of_type in right.values() for one in of_type]
    known = np.array([overlap for overlap in overlaps if overlap == overlap])
    settings = run.config.eval
    return {
        "accuracy": proportion_estimate(sum(every), len(every)),
        "recall": {name: proportion_estimate(sum(of_type), len(of_type)) for name, of_type in right.items()},
        "mask_iou": mean_estimate(known, bootstrap_samples=settings.bootstrap_samples, seed=run.config.seed)
        if len(known)
        else None,
    }


def _predicted(predictor: Predictor, catalogue: Catalogue, photos: pd.DataFrame) -> Iterator[tuple[str, Prediction]]:
    """What is found in some of a catalogue's photos, by their names."""
    names = photos["photo_id"].tolist()
    paths = [catalogue.root / name for name in names]
    with thread_pool() as pool:
        found = counted(predictor.predict_many(paths, pool), catalogue.name, len(paths))
        for name, (path, prediction) in zip(names, found, strict=True):
            if isinstance(prediction, ImageError):
                raise CarsegError(f"{path}: {prediction}")
            yield name, prediction


def model_card(path: Path, measured: Mapping[str, Any], run: Run) -> str:
    """The model card of a packed model as Markdown."""
    model, inputs, types = run.config.model, run.config.inputs, run.config.data.classes.names
    rows = []
    for of in measured["cars"]:
        recalls = ", ".join(f"{name} {percent(recall['value'], 0)}" for name, recall in of["recall"].items())
        accuracy = f"{percent(of['accuracy']['value'])} ({interval(of['accuracy'])})"
        mask = f"{of['mask_iou']['value']:.3f}" if of["mask_iou"] else "–"
        rows.append([of["photos"], f"{of['accuracy']['n']:,}", accuracy, recalls, mask])
    table = markdown_table(("photos", "n", "type named right", "by type", "mean mask IoU"), rows, align="lrrlr")
    missed = ""
    if carless := measured.get("without_car"):
        called = carless["called_a_car"]
        share = f"{percent(called['value'])} ({interval(called)}) of {called['n']:,}"
        missed = f"\nIt finds a car in {share} {carless['photos']}.\n"
    return f"""# The model `{path.name}`

A Mask R-CNN ({model.backbone}, {inputs.width} x {inputs.height} pixels) that names {", ".join(types)}, trained by
profile `{run.config.profile}`, seed {run.config.seed}, on {measured["trained_on"]}. `make predict` uses it where
no run is trained yet.

- **File**: {path.stat().st_size / 1e6:.1f} MB, safetensors, kernels at half precision, sha256 `{files.sha256(path)}`.
- **Made by** `make pack-model`; settings and measurements are in the file's header too.
- **Licence**: as the code's; its first weights, where they are ImageNet's, are Apache-2.0 (Google).

Measured as `make predict` answers: a photo without an answer counts as wrong. 95% intervals over photos, one training.

{table}{missed}
**Limits.** It knows these types alone: a car of another type gets one of them. One training of one seed.
"""
