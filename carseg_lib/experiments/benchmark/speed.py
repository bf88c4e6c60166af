"""How fast: training and inference in photos a second, one photo's latency, and the share that reading photos takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence, Sized
from typing import Any

from torch import Tensor

from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset, cache_of
from carseg_lib.data.loading import DistributedBatchSampler, balanced_epoch_order, make_loader
from carseg_lib.experiments.benchmark.rows import Row
from carseg_lib.experiments.benchmark.systems import Batch, System
from carseg_lib.experiments.benchmark.timing import interleaved, medians

LOADED = 8  # batches whose reading is timed
BATCHES = 3  # of them that steps are timed on, in turn
STOCK, STOCK_SAME_SIZE = "stock", "stock, same size"
OURS, OURS_SAME_BACKBONE, CLASSIFIER = "ours", "ours, ResNet-50", "classifier"
REFERENCE_BATCH = 2  # photos a device in torchvision's reference recipe; eight of 800 pixels take over 20 GB
SIDES = {STOCK: "stock as it comes", STOCK_SAME_SIZE: "stock at the same size"}
# What it finds decides its speed: with random weights a hundred things a photo, after a few steps of training nothing.
# One that was trained to its end, which takes days here, lies between the two.
STOCK_UNTRAINED = "stock, same size, untrained"
UNTRAINED_SIDE = {STOCK_UNTRAINED: "stock at the same size, untrained"}


def read_batches(run: Run, dataset: Catalogue) -> tuple[list[Batch], float]:
    """Some batches, and the median seconds that one took to be read and augmented."""
    photos = CarDataset(
        dataset,
        "train",
        run.config.inputs,
        run.config.seed,
        augment=True,
        cache=cache_of(dataset, run.config.inputs, run.caches),
    )
    order = balanced_epoch_order(photos.photos.body_type, 1, run.config.seed, run.config.train.class_balance)
    loader = iter(
        make_loader(
            photos,
            DistributedBatchSampler(
                order[: run.config.train.batch_size * LOADED], run.config.train.batch_size
            ),
        )
    )
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
    run: Run,
    repeats: int,
    facts: dict[str, Any],
) -> list[Row]:
    """The rows of training; the seconds of every step go into `facts`.

    Args:
        systems: by name.
        batches: on which they take their steps.
        loading: seconds that reading one took.
        study: its batch and image size.
        repeats: of each step.
        facts: what bench.json holds.
    """
    turn = dict.fromkeys(systems, 0)
    photos = {name: REFERENCE_BATCH if name == STOCK else run.config.train.batch_size for name in systems}

    def step(name: str) -> None:
        turn[name] += 1
        images, targets = batches[turn[name] % len(batches)]
        systems[name].step((images[: photos[name]], targets[: photos[name]]))

    seconds = interleaved({name: (lambda name=name: step(name)) for name in systems}, repeats)
    facts["step_seconds"] = seconds
    middle = medians(seconds)
    rate = {name: photos[name] / s for name, s in middle.items()}
    height, width = run.config.inputs.size
    what = f"training, {width} × {height} px"
    share = loading / (loading + middle[OURS])
    recipe = "fp32, reference recipe, first layers frozen as from ImageNet"
    notes = {STOCK: f"{recipe}; {REFERENCE_BATCH} photos a step", STOCK_SAME_SIZE: f"{recipe}; same batch"}
    return [
        *_beside_stock(what, rate, SIDES, notes),
        Row("speed", f"{what}, classifier", "photos/s", None, rate[CLASSIFIER], note="no boxes, no masks"),
        Row(
            "speed",
            "reading and augmenting, share of a step",
            "%",
            None,
            100 * share,
            False,
            "ours, no workers",
        ),
    ]


def _beside_stock(
    what: str, rate: Mapping[str, float], sides: Mapping[str, str], notes: Mapping[str, str]
) -> list[Row]:
    """Photos a second of ours, and of ours with torchvision's backbone, beside torchvision's."""
    return [
        Row(
            "speed",
            f"{what}{backbones}, {side}",
            "photos/s",
            rate[stock],
            rate[ours],
            note=notes[stock],
        )
        for ours, backbones in ((OURS, ""), (OURS_SAME_BACKBONE, ", ResNet-50 on both sides"))
        for stock, side in sides.items()
    ]


def inference_speed(
    systems: Mapping[str, System],
    batches: list[Batch],
    repeats: int,
    facts: dict[str, Any],
    are_trained: bool,
) -> list[Row]:
    """The rows of inference, as `training_speed` has them of training.

    Args:
        systems: by name; if ours and torchvision's are trained, torchvision's untrained one too.
        batches: the first is answered.
        repeats: of each.
        facts: what bench.json holds.
        are_trained: ours and torchvision's have been trained.
    """
    images = batches[0][0]
    answers: dict[str, Any] = {}
    whole = interleaved(
        {n: (lambda n=n, s=s: answers.update({n: s.answer(images)})) for n, s in systems.items()}, repeats
    )
    found = {n: detections_a_photo(answer) for n, answer in answers.items() if n != CLASSIFIER}
    one = interleaved({n: (lambda s=s: s.answer(images[:1])) for n, s in systems.items()}, repeats)
    facts |= {"inference_seconds": whole, "latency_seconds": one, "detections_a_photo": found}
    rate = {name: len(images) / s for name, s in medians(whole).items()}
    latency = {name: 1000 * s for name, s in medians(one).items()}
    sides = SIDES | (UNTRAINED_SIDE if are_trained else {})
    notes = {
        stock: f"detections a photo: stock {found[stock]:.3g}, ours {found[OURS]:.3g}; masks pasted"
        for stock in sides
    }
    if are_trained:
        notes[STOCK] += "; stock's weights are from training at the same size"
    else:
        notes = {stock: f"untrained; {note}" for stock, note in notes.items()}
    single = "one photo, from tensor to masks"
    return [
        *_beside_stock(f"inference, batch {len(images)}", rate, sides, notes),
        Row("speed", f"inference, batch {len(images)}, classifier", "photos/s", None, rate[CLASSIFIER]),
        *[
            Row("speed", f"{single}, {side}", "ms", latency[stock], latency[OURS], False)
            for stock, side in sides.items()
        ],
    ]


def detections_a_photo(answers: Sequence[Sized | Mapping[str, Tensor]]) -> float:
    """How many things an answer holds for a photo: a list of them, or torchvision's dict of tensors."""
    return statistics.mean(len(one["scores"] if isinstance(one, Mapping) else one) for one in answers)
