"""Commands on models: predict with a trained one, export it, train and measure the car segmenter."""

from __future__ import annotations

from pathlib import Path

import click

from carseg_lib.core import files
from carseg_lib.core.cli import CarsegCommand
from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.commands.options import create_run, open_run, shown, variables


@click.command("predict", cls=CarsegCommand, help="predict photos: a page, and an overlay and a JSON each")
@variables("images", "run", "profile", "device")
def predict(images: str, run: str, profile: str, device: str) -> None:
    """Predict the photos of IMAGES with a trained run's model."""
    if not images:
        raise CarsegError("name a photo, or a folder of photos, by IMAGES=path.")
    study = open_run(run, profile, device)
    from carseg_lib.workflow.predict import predict_path

    folder = study.folder / "predictions"
    files.remove_leftovers(folder)
    predict_path(study, Path(images).expanduser(), folder)
    print(f"open: {(folder / 'index.html').resolve().as_uri()}")


@click.command("export-model", cls=CarsegCommand, help="write a run's model as ONNX, with a runner without torch")
@variables("run", "profile", "out")
def export_model(run: str, profile: str, out: str) -> None:
    """Write a trained run's model as one ONNX file, with a runner and a card."""
    study = open_run(run, profile, "cpu")
    from carseg_lib.engine.portable.export import export_onnx

    folder = Path(out).expanduser() if out else study.folder / "portable"
    files.remove_leftovers(folder)
    found = export_onnx(study, folder)
    print(f"same type as torch in {found.same_type} of {found.photos} validation photos")
    print(f"done: {shown(folder)}")


@click.command("eval-annotator", cls=CarsegCommand, help="measure the annotator on photos with masks")
@variables("data", "classes", "format", "profile", "seed", "device", "set")
def eval_annotator(**options: str) -> None:
    """Measure an annotator on photos with masks."""
    study = create_run(run="annotator", **options)
    from carseg_lib.experiments.segmenter.evaluate import evaluate_annotator

    evaluate_annotator(study)


@click.command("train-segmenter", cls=CarsegCommand, help="train the car segmenter, the source of pseudo-masks")
@variables("data", "classes", "format", "run", "seed", "device", "nproc", "weights", "set", "real")
def train_segmenter(run: str, real: str, **options: str) -> None:
    """Train and measure a car segmenter."""
    study = create_run(run=run or "segmenter", profile="segmenter", **options)
    from carseg_lib.experiments.segmenter import train

    print(f"done: {shown(train.train_segmenter(study, Path(real).expanduser() if real else None))}")


COMMANDS = (predict, export_model, eval_annotator, train_segmenter)
