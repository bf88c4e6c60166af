"""Tasks on a dask cluster: CLUSTER=tcp://host:8786 in the place of JOBS.

A task, a trial or a photo to be rendered, is done by one of the cluster's workers, which write files into a folder that
all machines see; a task of a worker that dies is given to another one. dask unpickles what it is sent: a cluster is for
a network whose machines are trusted, or for TLS (docs/cluster/index.md).

joblib has a backend for dask, but where a task takes several workers down with it (out of memory, say) joblib is not
told and waits for ever; so the tasks are submitted to dask itself.
"""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import multiprocessing
import os
import platform
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from carseg_lib.core import files
from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.errors import CarsegError, first_line
from carseg_lib.core.locks import wait_for_lock
from carseg_lib.core.paths import project_folder

WAIT = 10  # seconds, for the scheduler and for the first worker
_SAID = 200  # characters of what dask says
_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]+):\d{1,5}")
_WAITING = 1000  # tasks that the scheduler is given and that have not ended: it keeps a record of each
_ONE_AT_A_TIME = threading.Lock()  # of tasks in this process: random numbers and threads are the whole process's

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Expected:
    """What a worker must have for its tasks to give the results of this process.

    Attributes:
        code: an import statement that reaches the code of the tasks.
        versions: of packages, of Python and of that code ("carseg"), by name.
        token: a file of the folder that the tasks write into, and its text, which no other folder's has.
        files: that it must see, by path, with their sizes in bytes.
        children: whether tasks start processes: to load photos, or to train.
    """

    code: str
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
def required(
    folder: Path, code: str, packages: Sequence[str], *, seen: Sequence[Path] = (), children: bool = False
) -> Iterator[Expected]:
    """What workers must have: this process's versions, and sight of some files and of a folder.

    Args:
        folder: that the tasks write into. A file shows it to the workers, and goes with the end of the block.
        code: an import statement that reaches the code of the tasks.
        packages: that decide their results, besides dask.
        seen: files that they read.
        children: whether they start processes.

    Raises:
        CarsegError: The file cannot be written.
    """
    token, text = folder / ".cluster", uuid4().hex
    files.write_text(token, text)
    try:
        sizes = {str(path): path.stat().st_size for path in seen}
        yield Expected(code, _versions(code, ("dask", "distributed", *packages)), (token, text), sizes, children)
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
                f"The worker {worker} has {threads} threads, and a task needs a process of its own: start it with "
                "--nthreads 1, and as many by --nworkers as tasks are to run on it."
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
    name_of: Callable[[Task], str],
    lock_of: Callable[[Task], Path | None] = lambda task: None,
) -> Iterator[Outcome]:
    """Do tasks on a cluster; yields what came of each, in the order in which they end.

    Args:
        client: From `connect`.
        call: A module's function of (task, shared, threads): threads are a worker's share of its machine's cores.
        tasks: What is to be done.
        shared: What all tasks need, sent once.
        expected: What a worker is checked for again before each task: it may have come later.
        name_of: A task's name, for the scheduler and for messages.
        lock_of: A file that is locked while a task is done: a worker which was given up as lost, but is not, ends
            before another one begins. None where each file is written at once and always with the same content.

    Raises:
        CarsegError: A task took four workers down, the scheduler is gone, or `call` raised it.
    """
    import distributed

    beside = Counter(info["host"] for info in client.scheduler_info(n_workers=-1)["workers"].values())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # once: the tables of all photos
        # A task, not scattered data: what a dead worker held is made again from what the scheduler keeps.
        given = client.submit(_same, shared, pure=False)
    futures: dict[Any, str] = {}

    def submit(task: Task) -> Any:
        arguments = (call, task, given, expected, dict(beside), lock_of(task))
        future = client.submit(_on_worker, *arguments, key=f"{name_of(task)}-{uuid4().hex}", pure=False)
        futures[future] = name_of(task)
        return future

    waiting = iter(tasks)
    running = distributed.as_completed([submit(task) for task in itertools.islice(waiting, _WAITING)], loop=client.loop)
    try:
        for future in running:
            name = futures.pop(future)
            try:
                outcome = future.result()
            except distributed.KilledWorker:
                raise CarsegError(
                    f"{name}: the workers that it was given to ended, one after the other, perhaps for want of memory: "
                    "start fewer on a machine; the same command goes on."
                ) from None
            except (distributed.client.FutureCancelledError, distributed.comm.CommClosedError) as error:
                raise CarsegError(
                    f"The cluster is gone ({first_line(error, _SAID)}): start it again; the same command goes on."
                ) from None
            for task in itertools.islice(waiting, 1):
                running.add(submit(task))
            yield outcome
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
    lock: Path | None,
) -> Outcome:
    from distributed import get_worker
    from distributed.comm import get_address_host

    worker = get_worker()
    if wrong := _wrong(expected):
        raise CarsegError(f"The worker {worker.address} {wrong}.")
    threads = max(1, (os.cpu_count() or 1) // beside.get(get_address_host(worker.address), 1))
    if lock is not None:
        files.make_folder(lock.parent)
    with _ONE_AT_A_TIME, nullcontext() if lock is None else wait_for_lock(lock):
        return call(task, shared, threads)


def _wrong(expected: Expected) -> str:
    """What this process lacks, as the end of a sentence that begins with its name; "" if nothing."""
    own = _versions(expected.code, tuple(expected.versions))
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
            return f"{lacks} {path}: it must be the same on all machines, at the same path"
    if expected.children and multiprocessing.current_process().daemon:
        return (
            "may not start processes, which SET=num_workers and NPROC ask for: leave them out, or start it with "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False in its environment"
        )
    return ""


@functools.cache
def _versions(code: str, packages: tuple[str, ...]) -> dict[str, str]:
    """Versions of packages, of Python and of code, by name: once a process, which runs what it found at first."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    reached = imported_files(project_folder(), ("carseg_lib", "carseg_rendering"), code, "a task")
    own = {"Python": ".".join(platform.python_version_tuple()[:2]), "carseg": files.sha256_text(str(reached))}
    return found | own
