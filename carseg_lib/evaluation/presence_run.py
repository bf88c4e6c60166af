"""The second look at a run's photos: learn what the object and its types look like, choose the threshold, measure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.data_spec import BUILTIN as RENDERED
from carseg_lib.core.paths import RunPaths
from carseg_lib.data.background import BackgroundDataset, read_background_folder
from carseg_lib.data.boxes import largest_instance
from carseg_lib.data.builtin_background import with_background
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.engine.inference import Detection
from carseg_lib.engine.likeness import ImageNetClassifier, class_names, crop_region, object_classes
from carseg_lib.engine.presence import Presence, reference_scores
from carseg_lib.engine.second_look import SecondLook, object_score, photo_score
from carseg_lib.engine.second_opinion import TEACHERS, SecondOpinion, learn_opinion
from carseg_lib.engine.shares import ALONE, Batch, Shares
from carseg_lib.evaluation.presence import (
    BUILTIN,
    GIVEN,
    NO_CAR,
    OWN,
    PRESENCE,
    SPLITS,
    describe,
    describe_answers,
    presence_metrics,
)

logger = logging.getLogger(__name__)

_AT_ONCE = 64  # photos in memory

Detector = Callable[[BackgroundDataset, str], Iterator[list[Detection]]]  # of photos, and the name of their share


@dataclass(frozen=True)
class Looks:
    """What a second look at a run's photos gave.

    Attributes:
        classes: ImageNet's, of the object.
        weights_sha256: of the network that looked.
        opinion: that it has of the types; None: it has none.
        rows: of presence.csv.
        car_scores: of the validation photos.
        left_out: photos of `eval.negatives`, counted by why they are left out.
    """

    classes: np.ndarray
    weights_sha256: str
    opinion: SecondOpinion | None
    rows: list[dict[str, Any]]
    car_scores: np.ndarray
    left_out: dict[str, int]


def second_looks(
    config: RunConfig,
    dataset: Catalogue,
    training: CarDataset,
    photos: dict[str, CarDataset],
    detections: dict[str, list[list[Detection]]],
    detect: Detector,
    *,
    device: torch.device,
    shares: Shares,
) -> Looks:
    """Look again at the cars of validation and test and at photos without a car.

    Args:
        config: of the run.
        dataset: the run's photos.
        training: all training photos; up to `TEACHERS` of them teach what the types look like.
        photos: by split; those of training, a sample, teach which ImageNet classes the object has.
        detections: of each validation and test photo, highest score first.
        detect: the detector, for photos without a car.
        device: where the ImageNet classifier runs.
        shares: of this process.

    Raises:
        CarsegError: The ImageNet weights, or the photos of `eval.negatives`, cannot be had.
    """
    classifier, classes, opinion = ImageNetClassifier(device), np.array([], int), None
    if config.eval.likeness == "imagenet":
        classes = learn_classes(classifier, photos["train"], shares)
        if config.eval.second_opinion == "on" or (config.eval.second_opinion, config.data.source) == ("auto", RENDERED):
            opinion = learn_types(classifier, classes, training, shares)
    second_look = SecondLook(classifier, classes.tolist(), opinion)
    rows: list[dict[str, Any]] = []
    car_scores = np.zeros(0)
    for split in SPLITS:
        of_split = list(look_again(second_look, photos[split], detections[split], shares, f"look at {split}"))
        if split == "validation":
            car_scores = np.array([photo_score(regions) for regions in of_split])
        labels = photos[split].photos[["photo_id", "body_type"]].to_dict("records")
        rows += presence_rows(labels, of_split, source=OWN, split=split)
    negatives = negatives_of(config)
    for source, split, background in background_photos(config, dataset, negatives):
        name = f"{source} background of {split}"
        found = list(detect(background, name))
        labels = [{"photo_id": photo_id, "body_type": NO_CAR} for photo_id in background.photos["photo_id"]]
        looks = look_again(second_look, background, found, shares, f"look at {name}")
        rows += presence_rows(labels, looks, source=source, split=split)
    left_out = negatives.excluded_counts() if negatives else {}
    return Looks(classes, classifier.sha256, opinion, rows, car_scores, left_out)


def measure_presence(
    config: RunConfig, paths: RunPaths, dataset: Catalogue, looks: Looks, *, model_sha256: str
) -> dict[str, Any]:
    """Choose the threshold from the second looks, and measure. Writes model/presence.json and presence.csv.

    Args:
        config: of the run.
        paths: of the run.
        dataset: the run's photos.
        looks: at them.
        model_sha256: of the detector's weights.

    Returns:
        As `presence.presence_metrics`.
    """
    if config.eval.likeness == "imagenet" and not len(looks.classes):
        logger.warning("no ImageNet class is like the training photos' objects: the detector alone says what is one")
    for reason, n in looks.left_out.items():
        logger.warning("NEGATIVES=%s: %d left out (%s)", config.negatives_as_given, n, reason)
    presence = Presence(
        classes=tuple(looks.classes.tolist()),
        names=tuple(class_names(looks.classes)),
        car_scores=reference_scores(looks.car_scores),
        cars=len(looks.car_scores),
        keep=config.eval.keep_cars,
        weights_sha256=looks.weights_sha256,
        model_sha256=model_sha256,
        opinion=looks.opinion,
    )
    table = pd.DataFrame(looks.rows, columns=list(PRESENCE)).astype(PRESENCE)
    groups = dataset.photos.set_index("photo_id")["group"] if dataset.has_groups else None
    metrics = presence_metrics(table, presence, dataset.body_types, groups)
    presence.save(paths.presence)
    files.write_csv(paths.presence_table, table)
    logger.info("car or no car: %s; %s", describe(metrics), describe_answers(metrics))
    return metrics


def learn_classes(classifier: ImageNetClassifier, photos: CarDataset, shares: Shares = ALONE) -> np.ndarray:
    """The ImageNet classes of the photos' labelled objects, see `likeness.object_classes`."""
    return object_classes(_labelled_objects(classifier, photos, slice(None), shares, "classes"))


def learn_types(
    classifier: ImageNetClassifier, classes: np.ndarray, photos: CarDataset, shares: Shares = ALONE
) -> SecondOpinion | None:
    """What the object's ImageNet classes say of its types, see `second_opinion.learn_opinion`.

    Args:
        classifier: looks.
        classes: from `learn_classes`.
        photos: of training; a sample of them, if they are many.
        shares: of this process.
    """
    if not len(classes):
        return None
    teachers = photos.sample(TEACHERS)
    seen = _labelled_objects(classifier, teachers, classes, shares, "types")
    labels = [teachers.truth(i) - 1 for i in range(len(teachers))]
    return learn_opinion(seen, labels, tuple(photos.class_ids))


def _labelled_objects(
    classifier: ImageNetClassifier, photos: CarDataset, classes: slice | np.ndarray, shares: Shares, name: str
) -> np.ndarray:
    """The probabilities of some ImageNet classes for the photos' labelled objects, float32 (photos, classes)."""

    def work(batches: Sequence[Batch]) -> Iterator[list[float]]:
        for batch in batches:
            crops = []
            for i in batch:
                row = photos.photos.iloc[i]
                image, car = photos.load(i)[0], largest_instance(photos.instances[row.photo_id], row.body_type)
                crops.append(crop_region(image, (car.x1, car.y1, car.x2, car.y2), (row.width, row.height)))
            yield from classifier(crops)[:, classes].tolist()

    found = shares.results(name, _parts(photos), work, list[float], "training photos looked at")
    return np.array(list(found), np.float32)


def negatives_of(config: RunConfig) -> Catalogue | None:
    """The photos of the setting `eval.negatives`; None if it names none."""
    return read_background_folder(Path(config.eval.negatives)) if config.eval.negatives else None


def background_photos(
    config: RunConfig, dataset: Catalogue, negatives: Catalogue | None
) -> Iterator[tuple[str, str, BackgroundDataset]]:
    """The photos without a car that a run is measured on: (source, split, photos).

    First those of the data set, by split, or the built-in pictures that stand in for them; then `negatives`.
    """
    source = with_background(dataset)
    if source is dataset:
        for split in SPLITS:
            own = BackgroundDataset(dataset, split, config.inputs, config.seed)
            if len(own):
                yield OWN, split, own
    else:
        unseen = source.background[source.background["split"] != "train"].assign(split="test")
        pictures = replace(source, background=unseen)
        yield BUILTIN, "test", BackgroundDataset(pictures, "test", config.inputs, config.seed)
    if negatives:
        yield GIVEN, "test", BackgroundDataset(negatives, "test", config.inputs, config.seed)


def look_again(
    second_look: SecondLook,
    photos: CarDataset | BackgroundDataset,
    detections: Sequence[list[Detection]],
    shares: Shares = ALONE,
    name: str = "",
) -> Iterator[list[Detection]]:
    """The regions of each photo that are looked at again, with likeness and score; see `second_look.SecondLook`.

    Args:
        second_look: looks.
        photos: at these.
        detections: of each.
        shares: of this process.
        name: of the photos, if they are shared.
    """
    sizes = photos.photos[["width", "height"]].to_numpy()

    def work(batches: Sequence[Batch]) -> Iterator[list[Detection]]:
        for batch in batches:
            yield from second_look([(_image(photos, i), detections[i], tuple(sizes[i])) for i in batch])

    return shares.results(name, _parts(photos), work, list[Detection], "photos looked at again")


def _parts(photos: CarDataset | BackgroundDataset) -> list[range]:
    """The indices of the photos that are in memory, and looked at, together."""
    return [range(start, min(start + _AT_ONCE, len(photos))) for start in range(0, len(photos), _AT_ONCE)]


def _image(photos: CarDataset | BackgroundDataset, i: int) -> np.ndarray:
    loaded = photos.load(i)
    return loaded[0] if isinstance(loaded, tuple) else loaded


def presence_rows(
    photos: Iterable[Mapping[str, Any]], regions: Iterable[Sequence[Detection]], **columns: str
) -> list[dict[str, Any]]:
    """Rows of presence.csv.

    Args:
        photos: of each photo_id and body_type.
        regions: of each photo those that were looked at, in the detections' order.
        **columns: source and split.
    """
    rows = []
    for photo, found in zip(photos, regions, strict=True):
        head = {**photo, **columns}
        rows += [head | _region(one) for one in found] or [head | {"predicted": ""}]
    return rows


def _region(one: Detection) -> dict[str, Any]:
    scores = {"object_score": object_score(one), "likeness": one.likeness, "score": one.car_score}
    return {"predicted": one.body_type} | dict(zip(("x1", "y1", "x2", "y2"), one.box, strict=True)) | scores
