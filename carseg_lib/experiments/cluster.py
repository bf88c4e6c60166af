"""Trials on a dask cluster: CLUSTER=tcp://host:8786 in the place of JOBS.

Each trial is one task of the cluster's workers, which write it into the experiment's folder; a task of a worker that
dies is given to another one. Results are files, not what workers send back. dask unpickles what it is sent: a cluster
is for a network whose machines are trusted, or for TLS (docs/cluster/index.md).

joblib has a backend for dask, but where a task takes several workers down with it (out of memory, say) joblib is not
told and waits for ever; so the tasks are submitted to dask itself.
"""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import platform
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError, first_line
from carseg_lib.core.locks import wait_for_lock
from carseg_lib.experiments.subsets import code_digest

WAIT = 10  # seconds, for the scheduler and for the first worker
_SAID = 200  # characters of what dask says
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):\d{1,5}")
_CODE = "from carseg_lib.experiments import trials"
_PACKAGES = ("dask", "distributed", "torch", "torchvision", "timm", "numpy", "pandas", "pillow")  # decide numbers
_ONE_AT_A_TIME = threading.Lock()  # of trials in this process: random numbers and threads are the whole process's

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Expected:
    """What a worker must have for its trials to give the numbers of this process.

    Attributes:
        versions: of Python, of packages and of carseg's code, by name.
        token: a file of the experiment's folder, and its text, which no other folder's has.
        files: that it must see, by path, with their sizes in bytes.
        children: whether trials start processes: to load photos, or to train.
    """

    versions: dict[str, str]
    token: tuple[Path, str]
    files: dict[str, int]
    children: bool


def check_address(address: str) -> str:
    """Return the address of a scheduler, as CLUSTER gives it; "" if there is none.

    Raises:
        CarsegError: It is written otherwise.
    """
    if address and not _ADDRESS.fullmatch(address):
        raise CarsegError(
            f"CLUSTER={address}: give the address of a dask scheduler, tcp://host:8786 (or tls://), as it prints it."
        )
    return address


@contextmanager
def required(folder: Path, seen: Sequence[Path], *, children: bool) -> Iterator[Expected]:
    """What workers must have: this process's versions, and sight of some files and of `folder`, where one is written.

    That file goes with the end of the block.

    Raises:
        CarsegError: The file cannot be written.
    """
    token, text = folder / ".cluster", uuid4().hex
    files.write_text(token, text)
    try:
        yield Expected(_versions(), (token, text), {str(path): path.stat().st_size for path in seen}, children)
    finally:
        token.unlink(missing_ok=True)


@contextmanager
def connect(address: str, expected: Expected) -> Iterator[Any]:
    """A client of a cluster within the block, whose workers are checked.

    Raises:
        CarsegError: dask is not installed, no scheduler or worker answers, or one is not as expected.
    """
    try:
        import distributed
    except ImportError:
        raise CarsegError(
            "CLUSTER needs dask, here and on every machine of the cluster: .venv/bin/python "
            "scripts/setup_environment.py cluster"
        ) from None
    try:
        client = distributed.Client(address, timeout=WAIT, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise CarsegError(
            f"CLUSTER={address}: no scheduler answers there ({first_line(error, _SAID)}): start one (dask scheduler), "
            "or give the address that it prints."
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError:
            raise CarsegError(
                f"CLUSTER={address}: the scheduler has no worker: start some, on any machine that sees this folder: "
                f"dask worker {address} --nthreads 1"
            ) from None
        _check_workers(client, expected)
        yield client


def _check_workers(client: Any, expected: Expected) -> None:
    for worker, threads in client.nthreads().items():
        if threads > 1:
            raise CarsegError(
                f"The worker {worker} has {threads} threads, and a trial needs a process of its own: start it with "
                "--nthreads 1, and as many by --nworkers as trials are to run on it."
            )
    for worker, wrong in client.run(_wrong, expected, on_error="return").items():
        if isinstance(wrong, BaseException):
            wrong = (
                f"cannot run carseg ({first_line(wrong, _SAID)}): install this commit of it there, in the same place"
            )
        if wrong:
            raise CarsegError(f"The worker {worker} {wrong}.")


def outcomes(
    client: Any,
    call: Callable[[Task, Any, int], Outcome],
    tasks: Sequence[Task],
    shared: Any,
    expected: Expected,
    place_of: Callable[[Task], tuple[str, Path]],
) -> Iterator[Outcome]:
    """Do tasks on a cluster; yields what came of each, in the order in which they end.

    Args:
        client: From `connect`.
        call: A module's function of (task, shared, threads): threads are a worker's share of its machine's cores.
        tasks: What is to be done.
        shared: What all tasks need, sent once.
        expected: What a worker is checked for again before each task: it may have come later.
        place_of: A task's name, and a file that is locked while it is done: a worker which was given up as lost, but is
            not, ends before another one begins.

    Raises:
        CarsegError: A task took four workers down, the scheduler is gone, or `call` raised it.
    """
    import distributed

    beside = Counter(info["host"] for info in client.scheduler_info(n_workers=-1)["workers"].values())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # once: the tables of all photos
        # A task, not scattered data: what a dead worker held is made again from what the scheduler keeps.
        given = client.submit(_same, shared, pure=False)
    futures = {}
    for task in tasks:
        name, lock = place_of(task)
        arguments = (call, task, given, expected, dict(beside), lock)
        futures[client.submit(_on_worker, *arguments, key=f"{name}-{uuid4().hex}", pure=False)] = name
    try:
        for future in distributed.as_completed(futures, loop=client.loop):
            try:
                yield future.result()
            except distributed.KilledWorker:
                raise CarsegError(
                    f"{futures[future]}: the workers that it was given to ended, one after the other, perhaps for want "
                    "of memory: start fewer on a machine; the same command goes on."
                ) from None
            except (distributed.client.FutureCancelledError, distributed.comm.CommClosedError) as error:
                raise CarsegError(
                    f"The cluster is gone ({first_line(error, _SAID)}): start it again; the same command goes on."
                ) from None
    finally:
        client.cancel(list(futures))


def _same(value: Any) -> Any:
    return value


def _on_worker(
    call: Callable[[Task, Any, int], Outcome],
    task: Task,
    shared: Any,
    expected: Expected,
    beside: dict[str, int],
    lock: Path,
) -> Outcome:
    from distributed import get_worker
    from distributed.comm import get_address_host

    worker = get_worker()
    if wrong := _wrong(expected):
        raise CarsegError(f"The worker {worker.address} {wrong}.")
    threads = max(1, (os.cpu_count() or 1) // beside.get(get_address_host(worker.address), 1))
    files.make_folder(lock.parent)
    with _ONE_AT_A_TIME, wait_for_lock(lock):
        return call(task, shared, threads)


def _wrong(expected: Expected) -> str:
    """What this process lacks, as the end of a sentence that begins with its name; "" if nothing."""
    own = _versions()
    for name, version in expected.versions.items():
        if own[name] != version:
            what = (
                "another code of carseg" if name == "carseg" else f"{name} {own[name] or 'not at all'}, not {version}"
            )
            return f"has {what}: install the same commit and the same locks there"
    token, text = expected.token
    wanted: dict[Path, str | int] = {token: text} | {Path(name): size for name, size in expected.files.items()}
    for path, state in wanted.items():
        try:
            found = path.read_text(encoding="utf-8") if path == token else path.stat().st_size
        except OSError:
            found = None
        if found != state:
            lacks = "does not see" if found is None else "sees another file as"
            return f"{lacks} {path}: reports/ and the photos must be the same folder, by the same path, on all machines"
    if expected.children and multiprocessing.current_process().daemon:
        return (
            "may not start processes, which SET=num_workers and NPROC ask for: leave them out, or start it with "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False in its environment"
        )
    return ""


def _versions() -> dict[str, str]:
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    return found | {"carseg": code_digest(_CODE)}
