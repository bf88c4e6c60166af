"""Cells: trainings on some photos of a data set, each measured on the same other photos, for studies of several.

A cell is a folder laid out as a run is; its `cell.json`, written last, says what it was made by. A cell that is done is
not made again, and one that was killed goes on after its last whole epoch. No epoch is chosen: the last one's network
is measured, as a choice by the photos that are measured would flatter it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from carseg_lib.core import code_fingerprint, files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import MONITOR, Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.fingerprint import stat_fingerprint
from carseg_lib.data.loader import load_catalogue
from carseg_lib.data.splits import assign_splits
from carseg_lib.engine.checkpoint import last_weights
from carseg_lib.engine.inference import choose_device
from carseg_lib.engine.trainer import train, training_fingerprint
from carseg_lib.evaluation.evaluate import predict_split
from carseg_lib.models.mask_rcnn import MaskRCNN, build_model
from carseg_lib.models.weights import PretrainedInfo, load_weights, read_checkpoint

NOT_SAMPLED = "not drawn"
# The code that decides answers, and that makes catalogues, with all that it imports.
ANSWERING = "from carseg_lib.evaluation import evaluate"
CATALOGUING = "from carseg_lib.data import loader, splits"


def nested_stratified_sample(photos: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
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


def trial_dataset(source: Catalogue, photos: int, seed: int) -> Catalogue:
    """The data set of one training: some training photos, and a few validation photos to watch it by.

    Raises:
        CarsegError: so few photos that a body type has none.
    """
    chosen = nested_stratified_sample(source.split("train").photos, photos, seed)
    if absent := [t for t in source.body_types if t not in set(chosen.body_type)]:
        raise CarsegError(f"{source.root}: among {photos} training photos is no {absent[0]}; ask for more.")
    watched = nested_stratified_sample(source.split("validation").photos, MONITOR, seed)
    return _only(source, pd.concat([chosen.photo_id, watched.photo_id]))


def eval_images(catalogue: Catalogue, n: int, seed: int) -> Catalogue:
    """The validation photos that every cell answers: n of them, or all if n is 0."""
    validation = catalogue.split("validation")
    return _only(
        validation, nested_stratified_sample(validation.photos, n or len(validation.photos), seed).photo_id
    )


def run_trial(
    run: Run,
    dataset: Catalogue | None,
    judged: Catalogue,
    facts: dict[str, Any],
    say: Callable[[str], None],
    *,
    with_masks: bool,
    whole: bool = False,
) -> str:
    """Bring one cell up to date: train its network, answer the photos by which cells are compared.

    Args:
        study: the cell's, its folder among the reports.
        dataset: what it is trained on; None measures its first weights as they are.
        judged: the photos that it answers.
        facts: what `cell.json` says of it beside its numbers.
        say: is given each line for the terminal.
        with_masks: whether it has a mask branch.
        whole: its first weights must give every part of the network.

    Returns:
        What came of it, in words.
    """
    model, record = initial_model(run, with_masks, whole)
    needs = {
        "training": training_fingerprint(run, dataset, record) if dataset else record.sha256,
        "photos": judged.fingerprint,
        "answering": digest_of(ANSWERING),
        "tta": run.config.eval.tta,
    }
    before = read_trial(run.folder)
    if before.get("needs") == needs:
        return "is up to date"
    run.save()
    kept = run.folder / "model.pt"
    seconds = before.get("seconds", 0.0)
    photos = 0
    if dataset:
        photos = len(dataset.split("train").photos)
        if before.get("needs", {}).get("training") != needs["training"]:
            say(f"{run.name}: {photos:,} photos of {dataset.name}, {run.config.train.epochs} epochs")
            started = time.monotonic()
            dataset.save(run.dataset)
            train(run)
            _keep_last_epoch(run.checkpoints / needs["training"], kept)
            seconds = round(time.monotonic() - started, 1)
        model.load_state_dict(read_checkpoint(kept))
    model = model.to(choose_device(run.config.device), memory_format=torch.channels_last).eval()
    asked = CarDataset(judged, "validation", run.config.inputs, run.config.seed)
    predictions, _ = predict_split(model, asked, "validation", run.config)
    files.write_csv(run.predictions, predictions)
    made = [run.predictions, *([kept] if dataset else [])]
    card = facts | {
        "steps": run.config.train.epochs * -(-photos // run.config.train.batch_size),
        "seconds": seconds,
        "weights": record.as_dict(),
        "needs": needs,
        "sha256": {path.name: files.sha256(path) for path in made},
    }
    files.write_json(run.folder / "cell.json", card)
    shutil.rmtree(run.checkpoints, ignore_errors=True)  # what is measured is in model.pt
    right = int((predictions.predicted == predictions.body_type).sum())
    return f"{right:,} of {len(predictions):,} validation photos are answered right"


def initial_model(run: Run, with_masks: bool, whole: bool = False) -> tuple[MaskRCNN, PretrainedInfo]:
    """The study's model with its first weights, as training will have it.

    Raises:
        CarsegError: the weights do not fit, or, where they must be `whole`, leave a part at its random start.
    """
    model = build_model(run.config.model, len(Catalogue.body_types) + 1, with_masks)
    record = load_weights(model, run.config.model.backbone, run.config.model.weights)
    if whole and record.fresh:
        raise CarsegError(
            f"start {run.config.model.weights} lacks {record.fresh} of the network's tensors, or has them for other classes: "
            "take a checkpoint trained on the four body types, with masks if the real photos have them."
        )
    return model, record


def read_trial(folder: Path) -> dict[str, Any]:
    """What `cell.json` says of a finished cell; empty if there is none, or its files are not those it left."""
    path = folder / "cell.json"
    if not path.is_file():
        return {}
    card = files.read_json(path)
    made = card["sha256"].items()
    whole = all((folder / name).is_file() and files.sha256(folder / name) == digest for name, digest in made)
    return card if whole else {}


def cached_catalogue(run: Run, folder: Path) -> Catalogue:
    """A study's photos with splits; kept in `folder`, read again if they or the code that reads them change."""
    place = locate_photos(run.config.data.source)
    folder = folder / hashlib.sha256(os.fsencode(place)).hexdigest()[:12]
    made_from = {"data": stat_fingerprint(place), "seed": run.config.seed, "code": digest_of(CATALOGUING)}
    note = folder / "made_from.json"
    if not note.is_file() or files.read_json(note) != made_from:
        assign_splits(load_catalogue(place), run.config.seed).save(folder)
        files.write_json(note, made_from)
    return Catalogue.load(folder)


def _keep_last_epoch(checkpoints: Path, path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(last_weights(checkpoints), buffer)
    files.write_bytes(path, buffer.getvalue())


def _only(catalogue: Catalogue, photo_ids: pd.Series) -> Catalogue:
    """The same catalogue with some of its photos; the others are listed as left out."""
    others = catalogue.photos.photo_id[~catalogue.photos.photo_id.isin(photo_ids)]
    return catalogue.without(
        others, NOT_SAMPLED, pd.Series("belongs to no part of this training", others.index)
    )


@functools.cache
def digest_of(code: str) -> str:
    """A digest of all modules of the library that a piece of code reaches."""
    return files.sha256_text(
        str(code_fingerprint.imported_files(project_folder(), ("carseg_lib",), code, "a study of cells"))
    )
