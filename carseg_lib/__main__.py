"""The command line: `python -m carseg_lib run --data photos --profile smoke`; `make` calls it.

Each option's default is an environment variable (`--data`: CARSEG_DATA), which is how make hands its variables over:
no value passes through a shell.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from carseg_lib import files, settings
from carseg_lib.errors import CarsegError
from carseg_lib.study import Study, reports_folder

VARIABLES = {
    "data": "your photos: a folder, a COCO .json file, a .csv table, or kaggle:owner/slug@version (default: rendered, "
    "the embedded data set)",
    "types": 'the body types: "hatchback wagon=estate,kombi", a .yaml file, or folders (default: the paper\'s four)',
    "profile": "set of parameters: smoke, quick (default), best or paper",
    "run": "name of the run and of its folder under reports/ (default: the profile's name; with the data's name in it "
    "if that run holds other data)",
    "seed": "seed of every random choice (default: 0)",
    "device": "auto (default), cpu, cuda or mps",
    "weights": "coco, imagenet, segmenter, none, or a checkpoint's path (default: the profile's)",
    "workers": "training processes (default: 1)",
    "set": 'parameters that differ from the profile: "epochs=3 lr=0.001"',
    "photo": "the photo, or folder of photos, to predict",
    "out": "for export: the folder to write (default: export/ in the run's folder)",
    "real": "for transfer: the real photos, a folder or a COCO .json file",
    "rendered": 'for transfer: rendered data sets, e.g. "rendered-2109-plain full=rendered" (default: the embedded)',
}
RUN_ONLY = ("run", "profile")
STUDY = ("data", "types", "profile", "run", "seed", "device", "weights", "workers", "set")


class Parser(argparse.ArgumentParser):
    """Tells a mistake in the options as any other mistake."""

    def error(self, message: str) -> NoReturn:
        """Raises a CarsegError instead of ending the process."""
        raise CarsegError(f"{message} (see: {self.prog} --help)")


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: as on the command line, without the program's name; the process's own if not given.

    Returns:
        0: done; 1: the study failed (traceback above); 2: a user's mistake (one line); 130: interrupted.
    """
    return run_command(_parser(), arguments)


def run_command(parser: argparse.ArgumentParser, arguments: list[str] | None = None) -> int:
    """Read the command line and call its command; the answers are those of `main`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    try:
        asked = parser.parse_args(arguments)
        return asked.command(asked)
    except CarsegError as error:
        print(f"carseg: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True  # it would tell of the kernel's answer nobody waits for
        print(
            "\ncarseg: stopped. What is finished is kept: the same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # the reader of our lines went away: `make settings | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        refused = files.access_error(error, Path(os.fsdecode(error.filename or reports_folder())))
        if not refused:
            raise
        print(f"carseg: {refused}", file=sys.stderr)
        return 2


def add_command(
    commands: Any,
    variables: Mapping[str, str],
    name: str,
    function: object,
    text: str,
    options: tuple[str, ...],
) -> argparse.ArgumentParser:
    """Add a command whose options are some of the variables; CARSEG_<NAME> of the environment is an option's default.

    Args:
        commands: As `add_subparsers` returns it.
        variables: The help of each variable, by name.
        name: Of the command.
        function: Is given what was asked for, returns the exit code.
        text: Its help.
        options: Names of its variables.
    """
    added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    added.set_defaults(command=function)
    for option in options:
        default = os.environ.get(f"CARSEG_{option.upper()}", "")
        added.add_argument(f"--{option}", default=default, metavar=option.upper(), help=variables[option])
    return added


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m carseg_lib",
        description="A study of Mask R-CNN on four car body types.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="command", required=True)

    command = functools.partial(add_command, commands, VARIABLES)
    run = command(
        "run", _run, "run the study, from photos to report; does only what is not up to date", STUDY
    )
    run.add_argument(
        "--until", default="report", metavar="STEP", help="last step, e.g. 03_training (default: report)"
    )
    command(
        "catalogue",
        _catalogue,
        "show what a data set holds, before anything is trained",
        ("data", "types", "seed"),
    )
    command("report", _report, "write a run's page anew", RUN_ONLY)
    command("verify", _verify, "compare a run with the reference of its profile and data", RUN_ONLY)
    command("reference", _reference, "make a run the reference that verify compares with", RUN_ONLY)
    command("predict", _predict, "a trained run's answers for your photos", (*RUN_ONLY, "device", "photo"))
    command(
        "transfer",
        _transfer,
        "train on rendered cars, measure on real photos",
        ("real", "rendered", "profile", "run", "seed", "device", "workers", "weights", "set"),
    )
    command(
        "bench",
        _bench,
        "measure speed, quality and memory beside torchvision's Mask R-CNN",
        ("data", "profile", "device", "set"),
    )
    command(
        "ablate",
        _ablate,
        "train every variant of notebooks/ablations.yaml and compare",
        ("data", "run", "device", "set"),
    )
    command(
        "export",
        _export,
        "write a run's photos as COCO files, to correct masks and to read back as DATA",
        (*RUN_ONLY, "out"),
    )
    command(
        "teacher",
        _teacher,
        "measure how well and how fast the teacher draws, on photos whose masks are known",
        ("data", "profile", "seed", "device", "set"),
    )
    command(
        "segmenter",
        _segmenter,
        "train the car segmenter, which draws masks for photos without",
        ("data", "run", "seed", "device", "workers", "weights", "set", "real"),
    )
    command("lab", _lab, "open the notebooks in JupyterLab", STUDY)
    command("settings", _settings, "list the parameters of a profile, with their ranges", ("profile",))
    return parser


def _study(asked: argparse.Namespace) -> Study:
    return Study.create(
        run=asked.run,
        profile=asked.profile or "quick",
        data=asked.data,
        overrides=settings.parse_settings(asked.set),
        seed=asked.seed or "0",
        device=asked.device or "auto",
        workers=asked.workers or "1",
        weights=asked.weights,
        types=asked.types,
    )


def _open(asked: argparse.Namespace, device: str = "") -> Study:
    return Study.open(asked.run or asked.profile or "quick", device=device)


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


def _run(asked: argparse.Namespace) -> int:
    from carseg_lib import pipeline
    from carseg_lib.notebooks import NotebookFailedError

    study = _study(asked)
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    taken = "" if asked.run or study.run == study.profile else f" (run {study.profile} holds other photos)"
    print(
        f"run {study.run}{taken}: {study.profile} profile, {study.data_as_given}, seed {study.seed}, "
        f"device {study.device}"
    )
    try:
        ran = pipeline.make_run(study, asked.until)
    except NotebookFailedError as error:
        print(f"{error}\ncarseg: the run failed; nothing of this step was kept as a result.", file=sys.stderr)
        return 1
    end = _shown(study.page if asked.until == "report" else study.folder)
    print(f"done: {end}" if ran else f"nothing to be done: {end} is up to date")
    return 0


def _catalogue(asked: argparse.Namespace) -> int:
    study = Study.create(data=asked.data, types=asked.types, seed=asked.seed or "0")
    from carseg_lib.contents import show_contents

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done:,} of {total:,} photos read", end="\n" if done == total else "", file=sys.stderr)

    with study.photos_for_a_look() as place:
        show_contents(place, study.type_names, study.seed, print, progress)
    return 0


def _report(asked: argparse.Namespace) -> int:
    from carseg_lib import pipeline

    print(f"done: {_shown(pipeline.make_report(_open(asked)))}")
    return 0


def _verify(asked: argparse.Namespace) -> int:
    study = _open(asked)
    from carseg_lib.verify import failures, verify_run

    table = verify_run(study.folder, reports_folder() / "reference")
    lines = failures(table)
    print(
        "\n".join(lines)
        or f"run {study.run} is like its reference: {len(table)} comparisons, all within tolerance"
    )
    return 1 if lines else 0


def _reference(asked: argparse.Namespace) -> int:
    from carseg_lib.verify import write_reference

    print(f"done: {_shown(write_reference(_open(asked).folder, reports_folder() / 'reference'))}")
    return 0


def _predict(asked: argparse.Namespace) -> int:
    if not asked.photo:
        raise CarsegError("name a photo, or a folder of photos, by PHOTO=path.")
    study = _open(asked, asked.device)
    from carseg_lib.predict import predict_path

    folder = study.folder / "answers"
    predict_path(study, Path(asked.photo).expanduser(), folder)
    print(f"done: {_shown(folder)}")
    return 0


def _transfer(asked: argparse.Namespace) -> int:
    from carseg_lib import transfer, transfer_plan

    _refuse_types("transfer")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    given = settings.parse_settings(asked.set) | ({"weights": asked.weights} if asked.weights else {})
    plan = transfer_plan.create_plan(
        asked.real,
        asked.rendered,
        asked.run,
        asked.profile or "quick",
        given,
        seed=asked.seed or "0",
        device=asked.device or "auto",
        workers=asked.workers or "1",
    )
    print(f"done: {_shown(transfer.make_transfer(plan))}")
    return 0


def _bench(asked: argparse.Namespace) -> int:
    from carseg_lib.bench import run

    _refuse_types("bench")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    plan = run.create_plan(settings.parse_settings(asked.set))
    page = run.run_bench(asked.profile or "quick", asked.data, asked.device or "auto", plan)
    print(f"done: {_shown(page)}")
    return 0


def _ablate(asked: argparse.Namespace) -> int:
    from carseg_lib import ablation_plan

    _refuse_types("ablate")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    given = settings.parse_settings(asked.set)
    plan = ablation_plan.create_plan(asked.data, asked.run, asked.device or "auto", given)
    from carseg_lib.ablation import make_ablation

    print(f"done: {_shown(make_ablation(plan))}")
    return 0


def _export(asked: argparse.Namespace) -> int:
    study = _open(asked)
    from carseg_lib.export import export_coco

    folder = Path(asked.out).expanduser() if asked.out else study.folder / "export"
    print(f"done: {_shown(export_coco(study, folder))}")
    return 0


def _teacher(asked: argparse.Namespace) -> int:
    _refuse_types("teacher")
    study = Study.create(
        run="teacher",
        profile=asked.profile or "quick",
        data=asked.data,
        overrides=settings.parse_settings(asked.set),
        seed=asked.seed or "0",
        device=asked.device or "auto",
    )
    from carseg_lib.teacher_check import check_teacher

    check_teacher(study)
    return 0


def _segmenter(asked: argparse.Namespace) -> int:
    _refuse_types("segmenter")
    signal.signal(signal.SIGTERM, end_like_ctrl_c)
    asked.profile, asked.run, asked.types = "segmenter", asked.run or "segmenter", ""
    study = _study(asked)
    real = Path(asked.real).expanduser() if asked.real else None
    from carseg_lib.segmenter_training import make_segmenter

    print(f"done: {_shown(make_segmenter(study, real))}")
    return 0


def _lab(asked: argparse.Namespace) -> int:
    from carseg_lib import pipeline

    if asked.data:
        study = _study(asked)
        with pipeline.run_lock(study):
            study.save()
        run = study.run
    elif asked.run or (reports_folder() / (asked.profile or "quick") / "study.json").is_file():
        run = _open(asked).run
    else:
        run = ""
    print(
        f'the notebooks open run "quick"; in their parameters cell say run = "{run}"'
        if run
        else "there is no run for the notebooks to open yet: make lab DATA=folder, or make reproduce, begins one"
    )
    notebooks = settings.project_folder() / "notebooks"
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={notebooks}"])


def _settings(asked: argparse.Namespace) -> int:
    values, _ = settings.read_profile(asked.profile or "quick")
    for name, value in values.items():
        field = settings.Settings.model_fields[name]
        print(f"{name:22} {value!s:18} {field.description} ({settings.allowed(field)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
