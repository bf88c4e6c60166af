"""Running a module of this package in several processes, under torchrun."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.log import show_log

logger = logging.getLogger(__name__)


def inside() -> bool:
    """Whether torchrun started this process. Schedulers set RANK, LOCAL_RANK and WORLD_SIZE for any job."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank_and_size() -> tuple[int, int]:
    """This process's rank and the number of processes, over all machines; (0, 1) without torchrun."""
    return (int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))) if inside() else (0, 1)


def processes_here() -> int:
    """The number of processes that torchrun started on this machine, of several perhaps; 0 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 0)) if inside() else 0


def run_module(module: str, argument: str, processes: int) -> None:
    """Runs `python -m module argument` in several processes on this machine, and logs the lines that they print.

    Raises:
        CarsegError: a process met a user's mistake.
        RuntimeError: a process failed.
    """
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"),
        *("-m", module, argument),
    ]
    # torchrun gives each process one thread; all of them together may use the machine
    environment = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // processes, 1))} | os.environ
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process:
            for line in process.stdout or ():
                logger.info(line.rstrip("\n"))
        errors.seek(0)
        messages = errors.read().splitlines()
    if process.returncode:
        if mistakes := [line.removeprefix("carseg: ") for line in messages if line.startswith("carseg: ")]:
            raise CarsegError(mistakes[-1])
        raise RuntimeError(f"{module} in {processes} processes failed:\n" + "\n".join(messages[-50:]))


def run_main(main: Callable[[str], None]) -> int:
    """The main part of a module that `run_module` runs: calls `main` with the command's argument.

    The first process shows what the library logs. A user's mistake is one line on standard error, and exit status 2.
    """
    rank, _ = rank_and_size()
    show_log(logging.INFO if rank == 0 else logging.WARNING)
    try:
        main(sys.argv[1])
    except CarsegError as error:
        print(f"carseg: {error}", file=sys.stderr)
        return 2
    return 0
