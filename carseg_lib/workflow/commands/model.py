"""Commands on models: predict with a trained one, export it, train and measure the car segmenter."""

from __future__ import annotations

from pathlib import Path

import click

from carseg_lib.core import files
from carseg_lib.core.cli import CarsegCommand, whole_number
from carseg_lib.core.config import MOST_PROCESSES
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import runs_root
from carseg_lib.core.run import Run
from carseg_lib.workflow.commands.options import create_run, open_run, shown, variables


@click.command("predict", cls=CarsegCommand, help="predict photos: a page, or the files that SAVE names")
@variables("images", "run", "profile", "device", "nproc", "save")
def predict(images: str, run: str, profile: str, device: str, nproc: str, save: str) -> None:
    """Predict the photos of IMAGES with a trained run's model."""
    if not images:
        raise CarsegError("name a photo, or a folder of photos, by IMAGES=path.")
    study = _trained_run(run, profile, device)
    processes = whole_number(nproc or "1", "NPROC")
    if not 1 <= processes <= MOST_PROCESSES:
        raise CarsegError(f"NPROC={nproc}: must be a whole number from 1 to {MOST_PROCESSES}")
    from carseg_lib.engine import distributed
    from carseg_lib.workflow.predict import predict_path
    from carseg_lib.workflow.prediction_files import read_kinds

    folder = study.folder / "predictions"
    kinds = read_kinds(save)
    files.remove_leftovers(folder)
    predict_path(study, Path(images).expanduser(), folder, save, processes)
    if distributed.rank_and_size()[0] == 0:
        print(f"open: {(folder / 'index.html').resolve().as_uri()}" if "page" in kinds else f"done: {shown(folder)}")


def _trained_run(run: str, profile: str, device: str) -> Run:
    """The run that RUN or PROFILE names; without either the default run if it is trained, else the packaged model."""
    if not run and not profile and not (runs_root() / "quick" / "model" / "best.json").is_file():
        from carseg_lib.engine.packaged import about_packaged, open_packaged

        print(f"no run is trained yet: {about_packaged()}")
        return open_packaged(device)
    return open_run(run, profile, device)


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


@click.command("try-page", cls=CarsegCommand, help="make one offline page of an exported model, to drop photos into")
@variables("run", "profile", "out")
def try_page(run: str, profile: str, out: str) -> None:
    """Write try.html beside a run's exported model, which is exported first where it is missing or of older weights."""
    study = open_run(run, profile, "cpu")
    from carseg_lib.engine.portable.export import MODEL, export_onnx, is_exported
    from carseg_lib.engine.portable.page import write_page
    from carseg_lib.reporting.palette import class_colors

    folder = Path(out).expanduser() if out else study.folder / "portable"
    if not is_exported(study, folder):
        export_onnx(study, folder)
    page = write_page(folder / MODEL, class_colors, runs_root() / ".data" / "npm")
    if not out:
        print(f"make report RUN={study.name} puts a link to it on the page of the run")
    print(f"open: {page.resolve().as_uri()} ({page.stat().st_size / 1e6:.1f} MB)")


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


@click.command("pack-model", cls=CarsegCommand, help="pack a run's model as the one that comes with carseg")
@variables("run", "profile", "real", "negatives")
def pack_model(run: str, profile: str, real: str, negatives: str) -> None:
    """Pack and measure a trained run's model."""
    study = open_run(run, profile, "cpu")
    from carseg_lib.experiments.packing import pack_model

    print(f"done: {shown(pack_model(study, real, negatives))}")


COMMANDS = (predict, export_model, try_page, eval_annotator, train_segmenter, pack_model)
