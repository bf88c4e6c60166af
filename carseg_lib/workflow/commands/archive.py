"""The commands that put a run into one zip for an archive, and run such a zip again."""

from __future__ import annotations

from pathlib import Path

import click

from carseg_lib.core.cli import CarsegCommand, option
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.profiles import parse_overrides
from carseg_lib.workflow.commands.options import open_run, shown, variables

_CHOICES = (
    '"data=carried": photos of your own, not their digests alone; "wheels=carried": all packages, for this system; '
    '"changes=patch": code that is not committed, with the patch'
)


@click.command("archive", cls=CarsegCommand, help="put a run into one zip: code, data or digests, results, metadata")
@variables("run", "profile")
@option("out", "the zip, or a folder for it (default: archive/ in the run's folder)")
@option("set", _CHOICES)
def archive(run: str, profile: str, out: str, set: str) -> None:
    """Write the archive of a finished run; uploads nothing."""
    study = open_run(run, profile)
    from carseg_lib.workflow.archive.make import Options, make_archive

    options = Options.parse(parse_overrides(set))
    path = Path(out).expanduser() if out else study.folder / "archive"
    path = path if path.suffix.lower() == ".zip" else path / f"{study.name}.zip"
    for line in make_archive(study, path, options):
        print(line)
    print(f"done: {shown(path)}")


@click.command("rerun", cls=CarsegCommand, help="run an archived study again, without a network, and compare")
@variables("archive")
@option("data", "the photos, where the archive has their digests alone")
@option("negatives", "the photos without a car, where the archive has their digests alone")
@option("out", "the folder to unpack into (default: reports/.reruns/<name of the archive>)")
def rerun(archive: str, data: str, negatives: str, out: str) -> int:
    """Run an archive again; 1 if its numbers differ."""
    if not archive:
        raise CarsegError("name an archive of a run by ARCHIVE=file.zip.")
    from carseg_lib.workflow.archive.rerun import rerun as run_again

    folder = Path(out).expanduser() if out else None
    outcome = run_again(Path(archive).expanduser(), folder, data, negatives)
    print(f"{outcome.text}\ndone: {shown(outcome.folder / 'index.html')}")
    return int(outcome.verdict == "differs")


COMMANDS = (archive, rerun)
