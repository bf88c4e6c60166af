"""A YOLO segmentation model beside carseg, where the person who runs the benchmark has installed one.

Ultralytics' YOLO is AGPL-3.0: it is no dependency and never imported. If there is a command `yolo` on the PATH (in an
environment of its own, `uv tool install ultralytics`), it is run as any other program would be: trained on the same
photos, from the same kind of start, for as long as torchvision's model was, and measured on the same validation photos.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import yaml

from carseg_lib.core import files
from carseg_lib.core.config import RunConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.data.dataset import CarDataset
from carseg_lib.data.masks import decode_mask, encode_mask
from carseg_lib.engine.device import choose_device
from carseg_lib.experiments.benchmark.quality import Quality, score_predictions

logger = logging.getLogger(__name__)

COMMAND = "yolo"
MODEL = "yolo11n-seg"  # the smallest, 2.9 million parameters; ".yaml": from scratch, ".pt": from COCO


def is_installed() -> bool:
    """Whether there is a `yolo` to run."""
    return shutil.which(COMMAND) is not None


def train_yolo(config: RunConfig, dataset: Catalogue, seconds: float, folder: Path) -> Quality:
    """Trains it for some time and measures it on the validation photos.

    Args:
        config: photos, size and batch; weights "none" trains from scratch, else from COCO (a download of its own).
        dataset: with masks and splits.
        seconds: of training.
        folder: to work in; what is there is replaced.

    Returns:
        What came of it; the time of its own validations counts, as it does them in between.

    Raises:
        CarsegError: it failed; the message holds its last lines.
    """
    shutil.rmtree(folder, ignore_errors=True)
    parts = {split: CarDataset(dataset, split, config.inputs, config.seed).photos for split in ("train", "validation")}
    for split, photos in parts.items():
        write_split(folder / split, dataset, photos)
    names = dict(enumerate(dataset.body_types))
    described = {"path": str(folder), "train": "train/images", "val": "validation/images", "names": names}
    files.write_text(folder / "data.yaml", yaml.safe_dump(described, sort_keys=False))
    start = f"{MODEL}.yaml" if config.model.weights == "none" else f"{MODEL}.pt"
    logger.info("yolo: %s, %.0f s of training", start, seconds)
    kind = choose_device(config.device).type
    common = ["exist_ok=True", f"device={'0' if kind == 'cuda' else kind}", "plots=False"]
    common += [f"imgsz={max(config.inputs.size)}", f"batch={config.train.batch_size}"]
    training = [f"model={start}", f"data={folder / 'data.yaml'}", "workers=0", f"seed={config.seed}"]
    training += [f"time={seconds / 3600:.6f}", "epochs=10000"]  # time ends it
    _run("train", folder, "trained", common + training)
    predicting = [f"model={folder / 'trained/weights/last.pt'}", f"source={folder / 'validation/images'}"]
    predicting += ["save_txt=True", "save_conf=True", "save=False", "retina_masks=True"]
    _run("predict", folder, "predictions", [*common, *predicting, f"conf={config.model.score_threshold}"])
    detections = read_detections(folder / "predictions/labels", parts["validation"], dataset.body_types)
    history = pd.read_csv(folder / "trained" / "results.csv", skipinitialspace=True)
    accuracy, mask_ap = score_predictions(photo_predictions(detections, parts["validation"]), detections, dataset)
    taken = float(history["time"].iloc[-1])
    return Quality(len(history), taken, accuracy, mask_ap, ((taken, accuracy),))


def write_split(folder: Path, dataset: Catalogue, photos: pd.DataFrame) -> None:
    """One split as YOLO reads it: images/, and labels/ with a line a car: class, then its outline, 0..1.

    Args:
        folder: to write into.
        dataset: with masks.
        photos: the rows to write; each is a file named by its number, which keeps the photo's ending.
    """
    cars = dict(list(dataset.instances.groupby("photo_id")))
    classes = {body_type: i for i, body_type in enumerate(dataset.body_types)}
    for name in ("images", "labels"):
        files.make_folder(folder / name)
    for number, photo in enumerate(photos.itertuples()):
        source = dataset.root / photo.photo_id
        (folder / "images" / f"{number:06d}{source.suffix.lower()}").symlink_to(source.resolve())
        lines = []
        for car in cars[photo.photo_id].itertuples():
            outline = largest_outline(decode_mask(car.mask, photo.height, photo.width))
            if len(outline) >= 3:
                values = (outline / [photo.width, photo.height]).clip(0, 1).flatten()
                lines.append(" ".join([str(classes[car.body_type]), *(f"{value:.5f}" for value in values)]))
        files.write_text(folder / "labels" / f"{number:06d}.txt", "\n".join(lines) + "\n")


def largest_outline(mask: np.ndarray) -> np.ndarray:
    """The outline of a mask's largest part: (N, 2) x, y of pixel centres; empty of an empty mask."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return np.zeros((0, 2))
    return max(outlines, key=cv2.contourArea)[:, 0] + 0.5


def read_detections(folder: Path, photos: pd.DataFrame, body_types: tuple[str, ...]) -> pd.DataFrame:
    """What it found, as a table of detections.

    Args:
        folder: of a text file a photo in which something was found; a line: class, outline 0..1, score.
        photos: in the order of `write_split`.
        body_types: of the classes.

    Returns:
        A row a detection: photo_id, body_type, score, x1..y2 (pixels), mask.
    """
    rows = []
    for number, photo in enumerate(photos.itertuples()):
        path = folder / f"{number:06d}.txt"
        for line in path.read_text().splitlines() if path.is_file() else ():
            of_class, *outline, score = (float(value) for value in line.split())
            points = np.array(outline).reshape(-1, 2) * [photo.width, photo.height]
            if len(points) < 3:
                continue
            mask = np.zeros((photo.height, photo.width), np.uint8)
            cv2.fillPoly(mask, [np.floor(points).astype(np.int32)], 1)
            (x1, y1), (x2, y2) = points.min(0), points.max(0)
            rows.append((photo.photo_id, body_types[int(of_class)], score, x1, y1, x2, y2, encode_mask(mask)))
    return pd.DataFrame(rows, columns=["photo_id", "body_type", "score", "x1", "y1", "x2", "y2", "mask"])


def photo_predictions(detections: pd.DataFrame, photos: pd.DataFrame) -> pd.DataFrame:
    """The photos with the type of their best detection as `predicted`; nothing where there is none."""
    best = detections.sort_values("score", ascending=False, kind="stable").drop_duplicates("photo_id")
    return photos.assign(predicted=photos.photo_id.map(best.set_index("photo_id").body_type))


def _run(mode: str, folder: Path, name: str, arguments: list[str]) -> None:
    """Run it once; what it writes is in the subfolder `name`."""
    command = [COMMAND, "segment", mode, f"project={folder}", f"name={name}", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).split()[-60:])
        raise CarsegError(f"yolo failed: {last}; take it off the PATH to measure without it")
