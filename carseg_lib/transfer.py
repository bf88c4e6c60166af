"""Rendered to real: what does a network that learned from rendered cars know of photos of real ones?

Two questions, both answered on the validation photos of a real data set; its test photos are never answered.

- Versions: trained on rendered photos alone, how many real ones are answered right? One training for each version of
  the renderer, each on the same number of photos.
- Curve: from the same n real photos, in the same number of steps, what is learned with the rendered network as a
  start, and what with the profile's weights?

Each training is a cell, `reports/<run>/<cell>/`, laid out as a run is; its `cell.json`, written last, says what it was
made by. A cell that is done is not made again, and one that was killed goes on after its last whole epoch. No epoch
is chosen: the last one's network is measured, as a choice by the photos that are measured would flatter it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from carseg_lib import files, pipeline, staleness
from carseg_lib.catalogue import Catalogue
from carseg_lib.errors import CarsegError
from carseg_lib.evaluation import answer_split
from carseg_lib.inference import choose_device
from carseg_lib.model import MaskRCNN, build_model
from carseg_lib.preprocessing import CarPhotos
from carseg_lib.settings import project_folder
from carseg_lib.signature import signature
from carseg_lib.sources import load_catalogue
from carseg_lib.splits import assign_splits
from carseg_lib.study import Study
from carseg_lib.training import recipe_fingerprint, train
from carseg_lib.transfer_plan import (
    MONITOR,
    Cell,
    TransferPlan,
    planned_cells,
    reports_in,
    study_of,
    study_of_cell,
)
from carseg_lib.transfer_results import read_cell, write_results
from carseg_lib.weights import WeightsRecord, load_weights, read_checkpoint

NOT_DRAWN = "not drawn"
# The code that decides answers, and that makes catalogues, with all that it imports.
ANSWERING = "from carseg_lib import evaluation"
CATALOGUING = "from carseg_lib import sources, splits"


def make_transfer(plan: TransferPlan, say: Callable[[str], None] = print) -> Path:
    """Make what is missing of a plan; the tables of results are written after each cell, the page at the end.

    Args:
        plan: from `transfer_plan.create_plan`.
        say: is given each line for the terminal.

    Returns:
        The page of the results.

    Raises:
        CarsegError: too few photos, a real validation photo among the rendered ones, a start that does not fit, or
            another process makes this run.
    """
    from carseg_lib.report.transfer import write_transfer_report  # imports matplotlib

    choose_device(plan.device)
    with pipeline.run_lock(plan):
        files.remove_leftovers(plan.folder)
        say("reading the photos")
        catalogues = {data: _catalogued(plan, data) for data in (plan.real, *plan.rendered.values())}
        cells = planned_cells(plan, catalogues)
        _check(plan, cells, catalogues)
        real = catalogues[plan.real]
        judged = judged_photos(real, plan)
        for number, cell in enumerate(cells, start=1):
            place = f"[{number}/{len(cells)}] {cell.name}"
            say(f"{place}: {make_cell(plan, cell, catalogues[cell.data], judged, say)}")
            write_results(plan, cells[:number], real, judged)
        return write_transfer_report(plan.folder)


def nested_subset(photos: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Draw n photos, each body type by its share; what a smaller n gives is part of what a larger one does.

    The photos of each type are shuffled and spread evenly from 0 to 1; the first n of all types together are taken.
    The order follows from seed and photo_id alone, so that versions of a data set give the same pictures.

    Args:
        photos: with photo_id and body_type.
        n: at most as many as there are.
        seed: of the shuffle.

    Returns:
        The rows, in the order of `photos`. With T types, a type with the share s has n·s photos, give or take
        (1 + s·T) / 2.
    """
    shuffled = photos.photo_id.map(lambda name: hashlib.sha256(f"{seed}/{name}".encode()).hexdigest())
    rank = shuffled.groupby(photos.body_type).rank(method="first")
    size = photos.body_type.map(photos.body_type.value_counts())
    order = pd.DataFrame({"place": (rank - 0.5) / size, "tie": shuffled}).sort_values(["place", "tie"])
    return photos.loc[order.index[:n].sort_values()]


def cell_dataset(source: Catalogue, photos: int, seed: int) -> Catalogue:
    """The data set of one training: some training photos, and a few validation photos to watch it by.

    Raises:
        CarsegError: so few photos that a body type has none.
    """
    chosen = nested_subset(source.split("train").photos, photos, seed)
    if absent := [t for t in source.body_types if t not in set(chosen.body_type)]:
        raise CarsegError(f"{source.root}: among {photos} training photos is no {absent[0]}; ask for more.")
    watched = nested_subset(source.split("validation").photos, MONITOR, seed)
    return _only(source, pd.concat([chosen.photo_id, watched.photo_id]))


def judged_photos(real: Catalogue, plan: TransferPlan) -> Catalogue:
    """The real validation photos that every cell answers."""
    validation = real.split("validation")
    n = plan.validation_photos or len(validation.photos)
    return _only(validation, nested_subset(validation.photos, n, plan.seed).photo_id)


def make_cell(
    plan: TransferPlan, cell: Cell, source: Catalogue, judged: Catalogue, say: Callable[[str], None]
) -> str:
    """Bring one cell up to date: train its network, answer the real validation photos.

    Returns:
        What came of it, in words.
    """
    study = study_of_cell(plan, cell)
    dataset = cell_dataset(source, cell.photos, cell.seed) if cell.photos else None
    model, record = _first_model(study, source.has_masks, whole=cell.start == "rendered")
    needs = {
        "training": recipe_fingerprint(study, dataset, record) if dataset else record.sha256,
        "photos": judged.fingerprint,
        "answering": _digest(ANSWERING),
    }
    with reports_in(plan.folder):
        before = read_cell(study.folder)
        if before.get("needs") == needs:
            return "is up to date"
        study.save()
        kept = study.folder / "model.pt"
        seconds = before.get("seconds", 0.0)
        if dataset and before.get("needs", {}).get("training") != needs["training"]:
            say(f"{cell.name}: {cell.photos:,} photos of {dataset.name}, {cell.epochs} epochs")
            started = time.monotonic()
            dataset.save(study.dataset)
            train(study)
            _keep_last_epoch(study.checkpoints / needs["training"], kept)
            seconds = round(time.monotonic() - started, 1)
        if dataset:
            model.load_state_dict(read_checkpoint(kept))
        model = model.to(choose_device(study.device), memory_format=torch.channels_last).eval()
        photos = CarPhotos(judged, "validation", study, augment=False)
        predictions, _ = answer_split(model, photos, "validation", study)
        files.write_csv(study.predictions, predictions)
        made = [study.predictions, *([kept] if dataset else [])]
        card = {
            "cell": asdict(cell),
            "steps": cell.epochs * -(-cell.photos // study.batch_size),
            "seconds": seconds,
            "weights": record.as_dict(),
            "needs": needs,
            "sha256": {path.name: files.sha256(path) for path in made},
        }
        files.write_json(study.folder / "cell.json", card)
        shutil.rmtree(study.checkpoints, ignore_errors=True)  # what is measured is in model.pt
    right = int((predictions.predicted == predictions.body_type).sum())
    return f"{right:,} of {len(predictions):,} real validation photos are answered right"


def _first_model(study: Study, with_masks: bool, whole: bool) -> tuple[MaskRCNN, WeightsRecord]:
    """The study's model with its first weights, as training will have it.

    Raises:
        CarsegError: the weights do not fit, or, where they must be `whole`, leave a part at its random start.
    """
    model = build_model(study, len(Catalogue.body_types) + 1, with_masks)
    record = load_weights(model, study.backbone, study.weights)
    if whole and record.fresh:
        raise CarsegError(
            f"start {study.weights} lacks {record.fresh} of the network's tensors, or has them for other classes: "
            "take a checkpoint trained on the four body types, with masks if the real photos have them."
        )
    return model, record


def _keep_last_epoch(checkpoints: Path, path: Path) -> None:
    last = read_checkpoint(checkpoints / files.read_json(checkpoints / "state.json")["last"])
    buffer = io.BytesIO()
    torch.save(last, buffer)
    files.write_bytes(path, buffer.getvalue())


def _catalogued(plan: TransferPlan, data: str) -> Catalogue:
    """A data set with its splits; kept in the folder, and read again if it or the code that reads it has changed."""
    place = study_of(plan, "data", data).locate_photos()
    folder = plan.folder / "data" / hashlib.sha256(os.fsencode(place)).hexdigest()[:12]
    made_from = {"data": signature(place), "seed": plan.seed, "code": _digest(CATALOGUING)}
    note = folder / "made_from.json"
    if not note.is_file() or files.read_json(note) != made_from:
        assign_splits(load_catalogue(place), plan.seed).save(folder)
        files.write_json(note, made_from)
    return Catalogue.load(folder)


def _check(plan: TransferPlan, cells: list[Cell], catalogues: Mapping[str, Catalogue]) -> None:
    """Refuse what would fail, or flatter, before hours are spent."""
    real = catalogues[plan.real]
    validation = real.split("validation").photos
    if plan.validation_photos > len(validation):
        asked = f"validation_photos asks for {plan.validation_photos:,}"
        raise CarsegError(f"REAL={plan.real} has {len(validation):,} validation photos; {asked}.")
    for data in plan.rendered.values():
        rendered = catalogues[data]
        if both := set(rendered.photos.pixel_sha256) & set(validation.pixel_sha256):
            raise CarsegError(
                f"RENDERED={data}: {len(both)} of its photos are validation photos of REAL={plan.real}."
            )
        if real.has_masks and not rendered.has_masks:
            raise CarsegError(
                f"RENDERED={data} has no masks, and REAL={plan.real} has: masks are compared too."
            )
    for cell in cells:
        if cell.photos:
            cell_dataset(catalogues[cell.data], cell.photos, cell.seed)
    if plan.start:
        _first_model(study_of_cell(plan, cells[-1]), real.has_masks, whole=True)


def _only(catalogue: Catalogue, photo_ids: pd.Series) -> Catalogue:
    """The same catalogue with some of its photos; the others are listed as left out."""
    others = catalogue.photos.photo_id[~catalogue.photos.photo_id.isin(photo_ids)]
    return catalogue.without(
        others, NOT_DRAWN, pd.Series("belongs to no part of this training", others.index)
    )


@functools.cache
def _digest(code: str) -> str:
    return files.sha256_text(str(staleness.reached_files(project_folder(), "carseg_lib", code, "transfer")))
