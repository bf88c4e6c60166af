"""The command line `carseg`: `carseg run --data photos --profile smoke`; make calls it.

Each option's default is an environment variable (`--data`: CARSEG_DATA), which is how make passes its variables on.
The commands are in `carseg_lib.workflow.commands`; each imports what it needs when it is called, so that a mistake in
the options is reported at once.
"""

from __future__ import annotations

import sys

import click

from carseg_lib.core.cli import CarsegGroup, run_command
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.log import show_log
from carseg_lib.workflow.commands import archive, certainty, data, development, experiments, model, paper, run

RENAMED = {
    "catalogue": "inspect",
    "verify": "check-reference",
    "reference": "update-reference",
    "teacher": "eval-annotator",
    "segmenter": "train-segmenter",
    "transfer": "sim2real",
    "ablate": "ablation",
    "bench": "benchmark",
    "settings": "show-config",
}  # former names of commands


class StudyCommands(CarsegGroup):
    """The commands; one that has another name now is refused by it."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a name, None if there is none.

        Raises:
            CarsegError: The command has another name now.
        """
        if cmd_name in RENAMED:
            raise CarsegError(f"{cmd_name} is now called {RENAMED[cmd_name]}: carseg {RENAMED[cmd_name]}")
        return super().get_command(ctx, cmd_name)


@click.group("carseg", cls=StudyCommands, help="A study of Mask R-CNN on four car body types.")
def cli() -> None:
    """The study's commands."""


for _module in (run, data, model, paper, certainty, experiments, archive, development):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the arguments are the process's own if not given.

    Returns:
        0: done; 1: the study failed (traceback above), or a comparison differs; 2: a user's mistake (one line);
        130: interrupted.
    """
    show_log()
    return run_command(cli, arguments, prog="carseg")


if __name__ == "__main__":
    sys.exit(main())
