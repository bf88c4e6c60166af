"""Running a module of this package in several processes, under torchrun.

A process that dies takes the others with it; torchrun starts all of them again, and they go on from what is finished.
"""

import datetime
import logging
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from carseg_lib.core.environment import thread_waiting
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import duration
from carseg_lib.core.log import show_log

logger = logging.getLogger(__name__)

# Often enough for a bad day of a machine, seldom enough for a program that fails each time.
MAX_RESTARTS = 3
# For torchrun: left to itself it keeps the processes' addresses in one store, where those that it starts again find the
# addresses of the dead, and wait for them.
OWN_STORE = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
_FOREVER = datetime.timedelta(days=30)  # processes wait for the slowest; torchrun ends them where one dies
_Item = TypeVar("_Item")


def inside() -> bool:
    """Whether torchrun started this process. Schedulers set RANK, LOCAL_RANK and WORLD_SIZE for any job."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank_and_size() -> tuple[int, int]:
    """This process's rank and the number of processes, over all machines; (0, 1) without torchrun."""
    return (int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))) if inside() else (0, 1)


def local_rank() -> int:
    """This process's number among those on its machine; 0 without torchrun."""
    return int(os.environ.get("LOCAL_RANK", 0)) if inside() else 0


def restarts() -> int:
    """How often torchrun has started this process's group again, after a process of it was lost."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) if inside() else 0


def share_of(items: Sequence[_Item]) -> list[_Item]:
    """What this process works on of items that all processes know, dealt like cards: all of them without torchrun."""
    rank, processes = rank_and_size()
    return list(items[rank::processes])


def wait_for_all() -> None:
    """Returns once every process of torchrun's has come here; at once without torchrun."""
    if rank_and_size()[1] > 1:
        import torch.distributed as group  # here, so that a process that starts others need not load torch

        if not group.is_initialized():
            group.init_process_group("gloo", timeout=_FOREVER)
        group.barrier()


def logged_progress(what: str) -> Callable[[int, int], None]:
    """A callback (photos done, photos in all) that logs how far this process's share is, a dozen times.

    Args:
        what: is being done, in words.
    """
    started, logged = time.monotonic(), 0

    def progress(done: int, total: int) -> None:
        nonlocal logged
        if done == total or done >= logged + total / 12:
            logged = done
            left = (time.monotonic() - started) / done * (total - done)
            logger.info(f"{what}: {done:,} of {total:,} photos, {duration(left)} left")

    return progress


def processes_here() -> int:
    """The number of processes that torchrun started on this machine, of several perhaps; 0 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 0)) if inside() else 0


def run_module(module: str, argument: str, processes: int) -> None:
    """Runs `python -m module argument` in several processes on this machine, and logs the lines that they print.

    Where one is lost, all are started again, `MAX_RESTARTS` times at most; after a user's mistake they are not.

    Raises:
        CarsegError: a process met a user's mistake.
        RuntimeError: a process failed.
    """
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"),
        *(f"--max-restarts={MAX_RESTARTS}", "-m", module, argument),
    ]
    # torchrun gives each process one thread; all of them together may use the machine
    share = {"OMP_NUM_THREADS": str(max((os.cpu_count() or 1) // processes, 1))}
    environment = share | OWN_STORE | thread_waiting() | os.environ
    mistakes: list[str] = []
    messages: deque[str] = deque(maxlen=50)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:

        def read_errors() -> None:
            for line in process.stderr or ():
                messages.append(line.rstrip("\n"))
                if line.startswith("carseg: "):
                    mistakes.append(line.removeprefix("carseg: ").rstrip("\n"))
                    process.terminate()  # another attempt would meet it again

        errors = threading.Thread(target=read_errors, daemon=True)
        errors.start()
        for line in process.stdout or ():
            logger.info(line.rstrip("\n"))
        errors.join()
    if mistakes:
        raise CarsegError(mistakes[-1])
    if process.returncode:
        raise RuntimeError(f"{module} in {processes} processes failed:\n" + "\n".join(messages))


def run_main(main: Callable[[str], None]) -> int:
    """The main part of a module that `run_module` runs: calls `main` with the command's argument.

    The first process shows what the library logs. A user's mistake is one line on standard error, and exit status 2.
    """
    rank, processes = rank_and_size()
    show_log(logging.INFO if rank == 0 else logging.WARNING)
    if rank == 0 and restarts():
        most = os.environ.get("TORCHELASTIC_MAX_RESTARTS", MAX_RESTARTS)
        logger.warning(
            f"a process was lost: {processes} start again and go on from what is finished "
            f"(restart {restarts()} of {most})"
        )
    try:
        main(sys.argv[1])
    except CarsegError as error:
        print(f"carseg: {error}", file=sys.stderr)
        return 2
    return 0
