"""How fast: training and inference in photos a second, one photo's latency, and the share that reading photos takes."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from torch import Tensor

from carseg_lib.core.config import RunConfig
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.experiments.baselines import training_photos
from carseg_lib.experiments.benchmark.rows import Row
from carseg_lib.experiments.benchmark.systems import Batch, System
from carseg_lib.experiments.benchmark.timing import interleaved, medians

LOADED = 8  # batches whose reading is timed
BATCHES = 3  # of them that steps are timed on, in turn
TORCHVISION, TORCHVISION_SAME_SIZE = "torchvision", "torchvision, same size"
CARSEG, CARSEG_RESNET50, CLASSIFIER = "carseg", "carseg, ResNet-50", "classifier"
REFERENCE_BATCH = 2  # photos a device in torchvision's reference recipe; eight of 800 pixels take over 20 GB
SIDES = {TORCHVISION: "torchvision as it comes", TORCHVISION_SAME_SIZE: "torchvision at the same size"}
# Its detections decide its speed: with random weights a hundred a photo, after a few steps of training none.
# One that was trained to its end, which takes days here, lies between the two.
TORCHVISION_UNTRAINED = "torchvision, same size, untrained"


def read_batches(run: Run, dataset: Catalogue) -> tuple[list[Batch], float]:
    """Some batches, and the median seconds that one took to be read and augmented."""
    config = run.config
    photos = training_photos(config, dataset, run.caches)
    order = balanced_epoch_order(photos.photos.body_type, 1, config.seed, config.train.class_balance)
    size = config.train.batch_size
    loader = iter(make_loader(photos, DistributedBatchSampler(order[: size * LOADED], size)))
    batches, seconds = [], []
    started = time.perf_counter()
    for batch in loader:
        seconds.append(time.perf_counter() - started)
        batches.append(batch)
        started = time.perf_counter()
    return batches[:BATCHES], statistics.median(seconds)


def training_speed(
    systems: Mapping[str, System],
    batches: list[Batch],
    loading: float,
    config: RunConfig,
    repeats: int,
    info: dict[str, Any],
) -> list[Row]:
    """The rows of training; the seconds of every step go into `info`.

    Args:
        systems: by name.
        batches: on which they take their steps.
        loading: seconds that reading one took.
        config: batch and image size.
        repeats: of each step.
        info: what bench.json holds.
    """
    turn = dict.fromkeys(systems, 0)
    photos = {name: REFERENCE_BATCH if name == TORCHVISION else config.train.batch_size for name in systems}

    def step(name: str) -> None:
        turn[name] += 1
        images, targets = batches[turn[name] % len(batches)]
        systems[name].step((images[: photos[name]], targets[: photos[name]]))

    info["step_seconds"] = interleaved({name: functools.partial(step, name) for name in systems}, repeats)
    middle = medians(info["step_seconds"])
    rate = {name: photos[name] / s for name, s in middle.items()}
    what = f"training, {config.inputs.width} × {config.inputs.height} px"
    share = loading / (loading + middle[CARSEG])
    recipe = "fp32, reference recipe, first layers frozen as from ImageNet"
    notes = {TORCHVISION: f"{recipe}; {REFERENCE_BATCH} photos a step", TORCHVISION_SAME_SIZE: f"{recipe}; same batch"}
    return [
        *_beside_torchvision(what, rate, SIDES, notes),
        Row("speed", f"{what}, classifier", "photos/s", None, rate[CLASSIFIER], note="no boxes, no masks"),
        Row("speed", "reading and augmenting, share of a step", "%", None, 100 * share, False, "carseg, no workers"),
    ]


def _beside_torchvision(
    what: str, rate: Mapping[str, float], sides: Mapping[str, str], notes: Mapping[str, str]
) -> list[Row]:
    """Photos a second of carseg, and of carseg with torchvision's backbone, beside torchvision's."""
    return [
        Row("speed", f"{what}{backbones}, {side}", "photos/s", rate[torchvision], rate[carseg], note=notes[torchvision])
        for carseg, backbones in ((CARSEG, ""), (CARSEG_RESNET50, ", ResNet-50 on both sides"))
        for torchvision, side in sides.items()
    ]


def inference_speed(
    systems: Mapping[str, System], batches: list[Batch], repeats: int, info: dict[str, Any], are_trained: bool
) -> list[Row]:
    """The rows of inference, as `training_speed` has them of training.

    Args:
        systems: by name; if carseg and torchvision's are trained, torchvision's untrained one too.
        batches: the first is predicted.
        repeats: of each.
        info: what bench.json holds.
        are_trained: carseg and torchvision's have been trained.
    """
    images = batches[0][0]
    outputs: dict[str, Any] = {}

    def predict(name: str, batch: Tensor) -> None:
        outputs[name] = systems[name].predict(batch)

    full = interleaved({name: functools.partial(predict, name, images) for name in systems}, repeats)
    found = {name: detections_a_photo(output) for name, output in outputs.items() if name != CLASSIFIER}
    one = interleaved({name: functools.partial(predict, name, images[:1]) for name in systems}, repeats)
    info |= {"inference_seconds": full, "latency_seconds": one, "detections_a_photo": found}
    rate = {name: len(images) / s for name, s in medians(full).items()}
    latency = {name: 1000 * s for name, s in medians(one).items()}
    sides = SIDES | ({TORCHVISION_UNTRAINED: f"{SIDES[TORCHVISION_SAME_SIZE]}, untrained"} if are_trained else {})
    note = "detections a photo: torchvision {:.3g}, carseg {:.3g}; masks pasted"
    notes = {side: note.format(found[side], found[CARSEG]) for side in sides}
    if are_trained:
        notes[TORCHVISION] += "; torchvision's weights are from training at the same size"
    else:
        notes = {torchvision: f"untrained; {note}" for torchvision, note in notes.items()}
    what, single = f"inference, batch {len(images)}", "one photo, from tensor to masks"
    return [
        *_beside_torchvision(what, rate, sides, notes),
        Row("speed", f"{what}, classifier", "photos/s", None, rate[CLASSIFIER]),
        *(Row("speed", f"{single}, {side}", "ms", latency[t], latency[CARSEG], False) for t, side in sides.items()),
    ]


def detections_a_photo(outputs: Sequence[Sized | Mapping[str, Tensor]]) -> float:
    """The mean number of detections of a photo: each a list of them, or torchvision's dict of tensors."""
    return statistics.mean(len(one["scores"] if isinstance(one, Mapping) else one) for one in outputs)
