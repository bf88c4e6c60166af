"""Commands of the experiments: sim-to-real, ablation, generalisation, benchmark."""

from __future__ import annotations

from dataclasses import replace

import click

from carseg_lib.core import cli, profiles
from carseg_lib.core.cli import CarsegCommand
from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.commands.options import overrides_of, shown, variables


@click.command("sim2real", cls=CarsegCommand, help="train on rendered cars, measure on photographs")
@variables(
    "real", "synthetic", "classes", "profile", "run", "seed", "device", "nproc", "weights", "jobs", "cluster", "set"
)
def sim2real(
    real: str, synthetic: str, profile: str, run: str, weights: str, jobs: str, cluster: str, set: str, **options: str
) -> None:
    """Train on rendered cars and measure on photographs."""
    from carseg_lib.experiments.sim2real import config
    from carseg_lib.experiments.sim2real.run import run_sim2real

    overrides = profiles.parse_overrides(set) | ({"weights": weights} if weights else {})
    plan = config.create_plan(
        real,
        synthetic,
        run,
        profile or "quick",
        overrides,
        seed=options["seed"] or "0",
        device=options["device"] or "auto",
        num_processes=options["nproc"] or "1",
        classes=options["classes"],
        jobs=_jobs(jobs),
    )
    print(f"done: {shown(run_sim2real(replace(plan, cluster=_cluster(cluster, jobs))))}")


@click.command("ablation", cls=CarsegCommand, help="train the variants of notebooks/ablations.yaml")
@variables("data", "real", "negatives", "classes", "format", "run", "device", "jobs", "cluster", "set")
def ablation(data: str, format: str, run: str, device: str, jobs: str, cluster: str, set: str, **options: str) -> None:
    """Train every variant and compare."""
    from carseg_lib.experiments.ablation import config

    overrides = overrides_of(set, format)
    plan = config.create_plan(data, run, device or "auto", overrides, jobs=_jobs(jobs), **options)
    from carseg_lib.experiments.ablation.run import run_ablation

    print(f"done: {shown(run_ablation(replace(plan, cluster=_cluster(cluster, jobs))))}")


@click.command("generalisation", cls=CarsegCommand, help="measure on groups never seen, and draw a learning curve")
@variables("data", "classes", "format", "profile", "run", "seed", "device", "nproc", "jobs", "cluster", "set")
def generalisation(
    data: str, format: str, profile: str, run: str, jobs: str, cluster: str, set: str, **options: str
) -> None:
    """Measure on groups never seen, and by the number of training photos."""
    from carseg_lib.experiments.generalisation import config

    plan = config.create_plan(
        data,
        run,
        profile or "quick",
        overrides_of(set, format),
        seed=options["seed"] or "0",
        device=options["device"] or "auto",
        num_processes=options["nproc"] or "1",
        classes=options["classes"],
        jobs=_jobs(jobs),
    )
    from carseg_lib.experiments.generalisation.run import run_generalisation

    print(f"done: {shown(run_generalisation(replace(plan, cluster=_cluster(cluster, jobs))))}")


@click.command("readings", cls=CarsegCommand, help="train the paper's text under each of its readings")
@variables("data", "classes", "format", "run", "device", "jobs", "cluster", "set")
def readings(data: str, classes: str, format: str, run: str, device: str, jobs: str, cluster: str, set: str) -> None:
    """Train every reading of the sample, and draw the specification curve."""
    from carseg_lib.experiments.readings import config

    overrides = overrides_of(set, format)
    plan = config.create_plan(data, run, device or "auto", overrides, classes=classes, jobs=_jobs(jobs))
    from carseg_lib.core.paths import project_folder
    from carseg_lib.experiments.readings.run import run_readings
    from carseg_lib.workflow import notebooks

    folder = run_readings(replace(plan, cluster=_cluster(cluster, jobs)))
    notebook = project_folder() / "notebooks" / "05_readings.ipynb"
    reports = {"CARSEG_REPORTS": str(folder.parent)}
    executed, _ = notebooks.run_notebook(notebook, {"run_name": folder.name}, reports)
    notebooks.write_executed(executed, folder / "notebooks", notebook.stem)
    print(f"done: {shown(folder / 'notebooks' / '05_readings.html')}")


@click.command("benchmark", cls=CarsegCommand, help="measure carseg beside torchvision's Mask R-CNN")
@variables("data", "classes", "profile", "device", "set")
def benchmark(data: str, classes: str, profile: str, device: str, set: str) -> None:
    """Measure carseg beside torchvision."""
    from carseg_lib.experiments.benchmark.run import create_plan, run_benchmark

    plan = create_plan(profiles.parse_overrides(set))
    print(f"done: {shown(run_benchmark(profile or 'quick', data, device or 'auto', plan, classes=classes))}")


def _jobs(text: str) -> int:
    jobs = cli.whole_number(text or "1", "JOBS")
    if not jobs:
        raise CarsegError("JOBS=0: must be 1 or more.")
    return jobs


def _cluster(address: str, jobs: str) -> str:
    from carseg_lib.core.cluster import check_address

    if address and jobs:
        raise CarsegError(f"JOBS={jobs} and CLUSTER={address}: give one; a cluster makes a training on each worker.")
    return check_address(address)


COMMANDS = (readings, sim2real, ablation, generalisation, benchmark)
