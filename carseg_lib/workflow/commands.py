"""The commands of the command line: each is given what was asked for, and returns the exit code.

What a command needs is imported when it is called: a mistake in the options is told at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from carseg_lib.core import profiles
from carseg_lib.core.config import describe_range, fields
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder, runs_root
from carseg_lib.core.run import Run


def _study(asked: argparse.Namespace) -> Run:
    return Run.create(
        name=asked.run,
        profile=asked.profile or "quick",
        data=asked.data,
        overrides=profiles.parse_overrides(asked.set),
        seed=asked.seed or "0",
        device=asked.device or "auto",
        num_processes=asked.workers or "1",
        weights=asked.weights,
        classes=asked.types,
    )


def _open(asked: argparse.Namespace, device: str = "") -> Run:
    return Run.open(asked.run or asked.profile or "quick", device=device)


def _refuse_types(command: str) -> None:
    """Refuse TYPES where it would change nothing: these compare on the paper's types."""
    if os.environ.get("CARSEG_TYPES"):
        raise CarsegError(f"TYPES: {command} knows the paper's four body types alone; leave TYPES out.")


def _shown(path: Path) -> str:
    """A path as short as it can be told from the current folder."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def end_like_ctrl_c(*_: object) -> None:
    """Answers a signal to end as Ctrl-C is answered."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as nohup and scripts start what runs in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def run(asked: argparse.Namespace) -> int:
    """Brings a run up to date."""
    from carseg_lib.workflow import pipeline
    from carseg_lib.workflow.notebooks import NotebookFailedError

    study = _study(asked)
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    taken = (
        ""
        if asked.run or study.name == study.config.profile
        else f" (run {study.config.profile} holds other photos)"
    )
    print(
        f"run {study.name}{taken}: {study.config.profile} profile, {study.config.data_as_given}, "
        f"seed {study.config.seed}, device {study.config.device}"
    )
    try:
        ran = pipeline.make_run(study, asked.until)
    except NotebookFailedError as error:
        print(f"{error}\ncarseg: the run failed; nothing of this step was kept as a result.", file=sys.stderr)
        return 1
    end = _shown(study.page if asked.until == "report" else study.folder)
    print(f"done: {end}" if ran else f"nothing to be done: {end} is up to date")
    return 0


def catalogue(asked: argparse.Namespace) -> int:
    """Shows what a data set holds."""
    study = Run.create(data=asked.data, classes=asked.types, seed=asked.seed or "0")
    from carseg_lib.data.locate import temporary_photos
    from carseg_lib.data.summary import print_summary

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done:,} of {total:,} photos read", end="\n" if done == total else "", file=sys.stderr)

    with temporary_photos(study.config.data.source) as place:
        print_summary(place, study.config.data.classes, study.config.seed, print, progress)
    return 0


def report(asked: argparse.Namespace) -> int:
    """Writes a run's page anew."""
    from carseg_lib.workflow import pipeline

    print(f"done: {_shown(pipeline.make_report(_open(asked)))}")
    return 0


def verify(asked: argparse.Namespace) -> int:
    """Compares a run with its reference; 1 if it differs."""
    study = _open(asked)
    from carseg_lib.workflow.reference import compare_run, mismatches

    table = compare_run(study.folder, runs_root() / "reference")
    lines = mismatches(table)
    print(
        "\n".join(lines)
        or f"run {study.name} is like its reference: {len(table)} comparisons, all within tolerance"
    )
    return 1 if lines else 0


def reference(asked: argparse.Namespace) -> int:
    """Makes a run the reference of its profile and data."""
    from carseg_lib.workflow.reference import write_reference

    print(f"done: {_shown(write_reference(_open(asked).folder, runs_root() / 'reference'))}")
    return 0


def predict(asked: argparse.Namespace) -> int:
    """Answers the photos of PHOTO with a trained run's model."""
    if not asked.photo:
        raise CarsegError("name a photo, or a folder of photos, by PHOTO=path.")
    study = _open(asked, asked.device)
    from carseg_lib.workflow.predict import predict_path

    folder = study.folder / "predictions"
    predict_path(study, Path(asked.photo).expanduser(), folder)
    print(f"done: {_shown(folder)}")
    return 0


def transfer(asked: argparse.Namespace) -> int:
    """Trains on rendered cars and measures on real ones."""
    from carseg_lib.experiments.sim2real import config
    from carseg_lib.experiments.sim2real import run as transfer

    _refuse_types("transfer")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    given = profiles.parse_overrides(asked.set) | ({"weights": asked.weights} if asked.weights else {})
    plan = config.create_plan(
        asked.real,
        asked.rendered,
        asked.run,
        asked.profile or "quick",
        given,
        seed=asked.seed or "0",
        device=asked.device or "auto",
        num_processes=asked.workers or "1",
    )
    print(f"done: {_shown(transfer.run_sim2real(plan))}")
    return 0


def bench(asked: argparse.Namespace) -> int:
    """Measures ours beside torchvision's."""
    _refuse_types("bench")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    plan = run.create_plan(profiles.parse_overrides(asked.set))
    page = run.run_bench(asked.profile or "quick", asked.data, asked.device or "auto", plan)
    print(f"done: {_shown(page)}")
    return 0


def ablate(asked: argparse.Namespace) -> int:
    """Trains every variant and compares."""
    from carseg_lib.experiments.ablation import config

    _refuse_types("ablate")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    given = profiles.parse_overrides(asked.set)
    plan = config.create_plan(asked.data, asked.run, asked.device or "auto", given)
    from carseg_lib.experiments.ablation.run import run_ablation

    print(f"done: {_shown(run_ablation(plan))}")
    return 0


def export(asked: argparse.Namespace) -> int:
    """Writes a run's photos as COCO files."""
    study = _open(asked)
    from carseg_lib.data.export_coco import export_coco

    folder = Path(asked.out).expanduser() if asked.out else study.folder / "export"
    print(f"done: {_shown(export_coco(study.dataset, study.rejected_masks, folder))}")
    return 0


def teacher(asked: argparse.Namespace) -> int:
    """Measures a teacher on photos with masks."""
    _refuse_types("teacher")
    study = Run.create(
        name="teacher",
        profile=asked.profile or "quick",
        data=asked.data,
        overrides=profiles.parse_overrides(asked.set),
        seed=asked.seed or "0",
        device=asked.device or "auto",
    )
    from carseg_lib.experiments.segmenter.evaluate import evaluate_annotator

    evaluate_annotator(study)
    return 0


def segmenter(asked: argparse.Namespace) -> int:
    """Trains and measures a car segmenter."""
    _refuse_types("segmenter")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    asked.profile, asked.run, asked.types = "segmenter", asked.run or "segmenter", ""
    study = _study(asked)
    real = Path(asked.real).expanduser() if asked.real else None
    from carseg_lib.experiments.segmenter.train import make_segmenter

    print(f"done: {_shown(make_segmenter(study, real))}")
    return 0


def lab(asked: argparse.Namespace) -> int:
    """Opens the notebooks; does not come back."""
    from carseg_lib.workflow import pipeline

    if asked.data:
        study = _study(asked)
        with pipeline.run_lock(study):
            study.save()
        run = study.name
    elif asked.run or (runs_root() / (asked.profile or "quick") / "config.json").is_file():
        run = _open(asked).name
    else:
        run = ""
    print(
        f'the notebooks open run "quick"; in their parameters cell say run_name = "{run}"'
        if run
        else "there is no run for the notebooks to open yet: make lab DATA=folder, or make reproduce, begins one"
    )
    notebooks = project_folder() / "notebooks"
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebooks}"])


def settings(asked: argparse.Namespace) -> int:
    """Lists a profile's settings."""
    values, _ = profiles.read_profile(asked.profile or "quick")
    for name, field in fields():
        if name in profiles.setting_names():
            value = values.get(name, field.default)
            print(f"{name:32} {value!s:18} {field.description} ({describe_range(field)})")
    return 0
