"""Photos without a car that a fake run was measured on: one false alarm, one found carless, one that is gone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from PIL import Image

from carseg_lib.core import files
from carseg_lib.evaluation.presence import GIVEN, NO_CAR, PRESENCE, SCORES
from tests.helpers.judged_run import score, share


def add_carless(run: Path, photos: Path) -> None:
    """Write presence.csv of a run and its numbers, with photos of `eval.negatives`.

    Args:
        run: its folder.
        photos: the folder of the photos without a car, to be made.
    """
    photos.mkdir()
    for name in ("boat.jpg", "snowman.jpg"):
        Image.new("RGB", (90, 60), "darkgreen").save(photos / name)
    head = {"source": GIVEN, "split": "test", "body_type": NO_CAR}
    box = {"x1": 9.0, "y1": 6.0, "x2": 45.0, "y2": 30.0}
    rows = [
        {"photo_id": "boat.jpg", "predicted": "suv", "object_score": 0.9, "likeness": 0.8, "score": 0.72} | box,
        {"photo_id": "boat.jpg", "predicted": "sedan", "object_score": 0.3, "likeness": 0.1, "score": 0.03} | box,
        {"photo_id": "snowman.jpg", "predicted": ""},
        {"photo_id": "gone.jpg", "predicted": "suv", "object_score": 0.2, "likeness": 0.5, "score": 0.1} | box,
    ]
    table = pd.DataFrame([head | row for row in rows], columns=list(PRESENCE)).astype(PRESENCE)
    files.write_csv(run / "presence.csv", table)
    numbers = {"threshold": 0.5, "false_alarms": share(1, 3), "auroc": score(0.9, 0.05)}
    found = {
        "threshold": 0.5,
        "keep": 0.99,
        "classes": ["sports car"],
        "kept": {"test": share(19, 20)},
        "without_car": {GIVEN: {"photos": 3, "scores": dict.fromkeys(SCORES, numbers)}},
        "confusion": {},
    }
    files.write_json(run / "metrics.json", files.read_json(run / "metrics.json") | {"presence": found})
    config = files.read_json(run / "config.json")
    files.write_json(run / "config.json", config | {"eval": {"negatives": str(photos)}})
