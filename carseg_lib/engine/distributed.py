"""Running a module of this package in several processes, under torchrun."""

import os
import subprocess
import sys
import tempfile

from carseg_lib.core.errors import CarsegError


def inside() -> bool:
    """Whether this process is one of several that torchrun started."""
    return "LOCAL_RANK" in os.environ


def place() -> tuple[int, int]:
    """This process's number and how many there are, over all machines; (0, 1) without torchrun."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def run_module(module: str, argument: str, workers: int) -> None:
    """Runs `python -m module argument` in some processes on this machine; their lines go to this one's output.

    Raises:
        CarsegError: a process told of a user's mistake.
        RuntimeError: a process failed.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={workers}"]
    # torchrun gives each process one thread; all of them together may use the machine
    environment = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // workers, 1))} | os.environ
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            [*command, "-m", module, argument],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        ) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
        errors.seek(0)
        told = errors.read().splitlines()
    if process.returncode:
        if mistakes := [line.removeprefix("carseg: ") for line in told if line.startswith("carseg: ")]:
            raise CarsegError(mistakes[-1])
        raise RuntimeError(f"{module} in {workers} processes failed:\n" + "\n".join(told[-50:]))
