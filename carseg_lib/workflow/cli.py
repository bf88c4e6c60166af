"""The command line: `python -m carseg_lib run --data photos --profile smoke`; `make` calls it.

Each option's default is an environment variable (`--data`: CARSEG_DATA), which is how make hands its variables over:
no value passes through a shell.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import runs_root
from carseg_lib.workflow import commands

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
        refused = files.access_error(error, Path(os.fsdecode(error.filename or runs_root())))
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
    parsers = parser.add_subparsers(metavar="command", required=True)

    command = functools.partial(add_command, parsers, VARIABLES)
    run = command(
        "run", commands.run, "run the study, from photos to report; does only what is not up to date", STUDY
    )
    run.add_argument(
        "--until", default="report", metavar="STEP", help="last step, e.g. 03_training (default: report)"
    )
    command(
        "catalogue",
        commands.catalogue,
        "show what a data set holds, before anything is trained",
        ("data", "types", "seed"),
    )
    command("report", commands.report, "write a run's page anew", RUN_ONLY)
    command("verify", commands.verify, "compare a run with the reference of its profile and data", RUN_ONLY)
    command("reference", commands.reference, "make a run the reference that verify compares with", RUN_ONLY)
    command(
        "predict", commands.predict, "a trained run's answers for your photos", (*RUN_ONLY, "device", "photo")
    )
    command(
        "transfer",
        commands.transfer,
        "train on rendered cars, measure on real photos",
        ("real", "rendered", "profile", "run", "seed", "device", "workers", "weights", "set"),
    )
    command(
        "bench",
        commands.bench,
        "measure speed, quality and memory beside torchvision's Mask R-CNN",
        ("data", "profile", "device", "set"),
    )
    command(
        "ablate",
        commands.ablate,
        "train every variant of notebooks/ablations.yaml and compare",
        ("data", "run", "device", "set"),
    )
    command(
        "export",
        commands.export,
        "write a run's photos as COCO files, to correct masks and to read back as DATA",
        (*RUN_ONLY, "out"),
    )
    command(
        "teacher",
        commands.teacher,
        "measure how well and how fast the teacher draws, on photos whose masks are known",
        ("data", "profile", "seed", "device", "set"),
    )
    command(
        "segmenter",
        commands.segmenter,
        "train the car segmenter, which draws masks for photos without",
        ("data", "run", "seed", "device", "workers", "weights", "set", "real"),
    )
    command("lab", commands.lab, "open the notebooks in JupyterLab", STUDY)
    command(
        "settings", commands.settings, "list the parameters of a profile, with their ranges", ("profile",)
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
