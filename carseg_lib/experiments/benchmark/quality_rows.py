"""The quality part of the benchmark: what each system reaches at equal epochs and in equal time, as rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import duration
from carseg_lib.core.paths import runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.experiments.benchmark import yolo
from carseg_lib.experiments.benchmark.quality import Quality, train_carseg, train_classifier, train_torchvision
from carseg_lib.experiments.benchmark.rows import Row
from carseg_lib.experiments.benchmark.speed import CARSEG, CLASSIFIER, TORCHVISION, TORCHVISION_SAME_SIZE
from carseg_lib.experiments.benchmark.systems import System, carseg_system, torchvision_system
from carseg_lib.experiments.benchmark.timing import medians

logger = logging.getLogger(__name__)


def measure_quality(
    run: Run, dataset: Catalogue, *, epochs: int, trained: dict[str, System], info: dict[str, Any]
) -> Iterator[list[Row]]:
    """Train every system on the same photos, and yield the rows as they are measured.

    Args:
        run: the recipe; the same number of photos and kind of initial weights on all sides.
        dataset: with masks and splits.
        epochs: passes that torchvision's model is trained for.
        trained: the trained systems are put here, by name.
        info: the measurements behind the rows are put here.
    """
    weights = run.config.model.weights
    trained[TORCHVISION_SAME_SIZE] = torchvision = torchvision_system(run.config, dataset.body_types, weights)
    of_torchvision = train_torchvision(run, dataset, torchvision, epochs)
    trained[TORCHVISION] = torchvision_system(run.config, dataset.body_types, weights, as_it_comes=True)
    trained[TORCHVISION].model.load_state_dict(torchvision.model.state_dict())
    _, same_epochs = train_carseg(run.updated(name="equal-epochs", train={"epochs": epochs}), dataset)
    fitting = max(round(of_torchvision.seconds / same_epochs.seconds * same_epochs.epochs), 1)
    model, same_time = train_carseg(run.updated(name="equal-time", train={"epochs": fitting}), dataset)
    trained[CARSEG] = carseg_system(run.config, dataset.body_types, CARSEG)
    trained[CARSEG].model.load_state_dict(model.state_dict())
    found = {TORCHVISION: of_torchvision, "equal epochs": same_epochs, "equal time": same_time}
    info["quality"] = {name: asdict(quality) for name, quality in found.items()}
    yield quality_rows(of_torchvision, same_epochs, same_time, run)
    of_step = medians(info["step_seconds"])[CLASSIFIER]
    of_classifier = train_classifier(run, dataset, of_torchvision.seconds, of_step)
    info["quality"][CLASSIFIER] = asdict(of_classifier)
    note = f"{of_classifier.epochs} epochs, {duration(of_classifier.seconds)}"
    what = "validation accuracy, equal time, classifier"
    yield [Row("quality", what, "%", None, 100 * of_classifier.accuracy, note=note)]
    if yolo.is_installed():
        yield _yolo_rows(run, dataset, of_torchvision.seconds, info)


def quality_rows(torchvision: Quality, same_epochs: Quality, same_time: Quality, run: Run) -> list[Row]:
    """The rows of carseg beside torchvision."""
    photos = run.config.inputs.max_images_per_split
    start = "from scratch" if run.config.model.weights == "none" else "backbone from ImageNet"
    n = f"{photos} photos, {start}; n ≤ {photos} validation photos"
    target = torchvision.accuracy
    first = min(filter(None, (same_epochs.seconds_to(target), same_time.seconds_to(target))), default=None)
    rows = []
    for carseg, when in ((same_epochs, f"{torchvision.epochs} epochs each"), (same_time, "equal time")):
        note = f"{n}; {carseg.epochs} epochs of carseg, {duration(carseg.seconds)}"
        what = f"validation accuracy, {when}"
        rows.append(Row("quality", what, "%", 100 * torchvision.accuracy, 100 * carseg.accuracy, note=note))
        rows.append(Row("quality", f"mask AP, {when}", "%", 100 * torchvision.mask_ap, 100 * carseg.mask_ap))
    note = "; ".join(filter(None, (torchvision.note, "" if first else "carseg never reached it")))
    what = f"training time to torchvision's last accuracy ({target:.1%})"
    return [*rows, Row("quality", what, "s", torchvision.seconds, first, False, note)]


def _yolo_rows(run: Run, dataset: Catalogue, seconds: float, info: dict[str, Any]) -> list[Row]:
    """The rows of YOLO; a failure of that program is written into them, and the benchmark continues."""
    whats = [f"{what}, equal time, {yolo.MODEL}" for what in ("validation accuracy", "mask AP")]
    try:
        found = yolo.train_yolo(run.config, dataset, seconds, runs_root() / "yolo")
    except CarsegError as error:
        logger.info("yolo is left out: %s", error)
        reason = " ".join(str(error).split())[:200].replace("|", "/")
        return [Row("quality", what, "%", None, None, note=f"failed: {reason}") for what in whats]
    info["quality"]["yolo"] = asdict(found)
    note = f"{found.epochs} epochs, {duration(found.seconds)}"
    values = (found.accuracy, found.mask_ap)
    return [Row("quality", what, "%", None, 100 * value, note=note) for what, value in zip(whats, values, strict=True)]
