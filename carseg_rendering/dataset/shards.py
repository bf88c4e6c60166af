"""All photos of a plan, rendered in parallel, each kept as it is finished: a builder that was killed goes on.

A photo is two files of a work folder, `00012.jpg` and `00012.json` (its cars, its parameters, the JPEG's sha256); the
second is written last. The folder's name says from which seed, version and code they are, so that nothing else is
taken for them; the number of photos does not matter, so that a larger set begins with the photos of a smaller one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carseg_lib.core import files
from carseg_lib.core.code_fingerprint import imported_files
from carseg_lib.core.paths import project_folder
from carseg_lib.core.errors import CarsegError
from carseg_lib.data.masks import box_of_mask, encode_mask
from carseg_rendering.dataset.plan import DatasetPlan, body_type_of, photo_name

if TYPE_CHECKING:
    from carseg_rendering.camera.render import RenderedPhoto

Render = Callable[
    ..., "RenderedPhoto"
]  # (index, *, seed, version, changes); other processes import it by name
Part = dict[str, Any]  # photo, sha256, cars (body_type, bbox, area, segmentation), parameters

_SAY_EVERY = 15.0  # seconds


def render_photo(
    index: int, *, seed: int, version: str, changes: Mapping[str, Any] | None = None
) -> RenderedPhoto:
    """The renderer's photo; imports the renderer when it is called.

    Args:
        index: Of the photo.
        seed: Of the data set.
        version: Of the renderer.
        changes: Parameters that are not to be what chance made them, by their names in parameters.csv.
    """
    from carseg_rendering.camera import render as photographs

    return photographs.render_photo(index, seed=seed, version=version, changes=changes or {})


def renderer_versions() -> dict[str, str]:
    """The versions of the packages that decide a photo's bytes.

    Raises:
        CarsegError: Mitsuba is not installed.
    """
    try:
        return {name: metadata.version(name) for name in ("mitsuba", "drjit", "numpy", "pillow")}
    except metadata.PackageNotFoundError as error:
        raise CarsegError(
            f"rendering needs {error.name}, which is not installed: run make dataset, it installs it"
        ) from None


def renderer_fingerprint() -> str:
    """sha256 (hex) over all code that a photo depends on, and the versions of the packages it uses."""
    code = imported_files(
        project_folder(), "carseg_lib", "from carseg_rendering.camera.render import render_photo", "a photo"
    )
    return files.sha256_text(json.dumps([code, renderer_versions()]))


def work_folder(plan: DatasetPlan) -> Path:
    """Where the photos of a plan are kept while the set is made: in `.rendering/`, which `make clean` removes."""
    return project_folder() / ".rendering" / f"{plan.version}-{plan.seed}-{renderer_fingerprint()[:12]}"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def hold(work: Path) -> Iterator[Path]:
    """Keep a work folder (made if missing) for this process; the system frees it however the process ends.

    Raises:
        CarsegError: Another process has it, or it cannot be written.
    """
    path = files.make_folder(work) / ".lock"
    try:
        lock = path.open("a")
    except OSError as error:
        raise files.disk_error(error, path) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CarsegError(f"{work}: another process renders into it; wait for it to end") from None
        files.remove_leftovers(work)
        yield work


def render_parts(
    plan: DatasetPlan,
    work: Path,
    *,
    render: Render = render_photo,
    processes: int = 0,
    say: Callable[[str], None] = print,
) -> None:
    """Render the photos of a plan that are not in the work folder yet.

    Args:
        plan: What to render.
        work: The work folder.
        render: Makes a photo from its index; a function that other processes can import.
        processes: How many work at once; 0 takes one a core.
        say: Is given each line for the terminal.

    Raises:
        CarsegError: A process was ended from outside, or the folder cannot be written.
        RuntimeError: A photo failed; the message has its index, the cause what went wrong.
    """
    missing = [index for index in range(plan.photos) if not read_part(work, index)]
    there = plan.photos - len(missing)
    if not missing:
        say(f"all {plan.photos:,} photos are rendered already")
        return
    kept = f", {there:,} are there already" if there else ""
    say(f"rendering {len(missing):,} photos{kept}")
    run_all([partial(_render_part, render, plan, work, index) for index in missing], processes, say)


def run_all(tasks: Sequence[Callable[[], Any]], processes: int, say: Callable[[str], None]) -> list[Any]:
    """Do many renderings in parallel, telling now and then how long it will take.

    Args:
        tasks: Other processes can import what they call.
        processes: How many work at once; 0 takes one a core.
        say: Is given each line for the terminal.

    Returns:
        What the tasks return, in their order.

    Raises:
        CarsegError: A process was ended from outside.
        Exception: The first that a task raised; what runs is finished, what waits is not begun.
    """
    processes = min(processes or cores(), len(tasks))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_begin_process) as pool:
        try:
            running = [pool.submit(task) for task in tasks]
            _follow(running, processes, say)
            return [future.result() for future in running]
        except BrokenProcessPool:
            raise CarsegError(
                "a rendering process was ended, perhaps for want of memory: the same command goes on from there"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def read_part(work: Path, index: int) -> Part:
    """What the work folder has of a photo; empty if it is not there, or not as it was written."""
    name = photo_name(index)
    try:
        part = json.loads((work / name).with_suffix(".json").read_text(encoding="utf-8"))
        whole = part["photo"] == name and part["sha256"] == files.sha256(work / name)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return part if whole else {}


def as_part(plan: DatasetPlan, index: int, photo: RenderedPhoto) -> Part:
    """A photo's truth as it is written down.

    Raises:
        ValueError: The photo breaks a promise: the main car is of the type that the plan wants, no other car has a
            larger box, and none is without a visible pixel.
    """
    cars = []
    for car in photo.cars:
        height, width = car.mask.shape
        x1, y1, x2, y2 = box_of_mask(car.mask)
        cars.append(
            {
                "body_type": car.body_type,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": int(car.mask.sum()),
                "segmentation": {"size": [height, width], "counts": encode_mask(car.mask)},
            }
        )
    areas = [car["bbox"][2] * car["bbox"][3] for car in cars]
    if not cars or cars[0]["body_type"] != body_type_of(index, plan.seed):
        raise ValueError(f"the main car is no {body_type_of(index, plan.seed)}")
    if areas[0] < max(areas):
        raise ValueError("another car has a larger box than the main car")
    return {
        "photo": photo_name(index),
        "sha256": hashlib.sha256(photo.jpeg).hexdigest(),
        "cars": cars,
        "parameters": photo.parameters,
    }


def _render_part(render: Render, plan: DatasetPlan, work: Path, index: int) -> None:
    """Render a photo and write it down."""
    try:
        photo = render(index, seed=plan.seed, version=plan.version)
        part = as_part(plan, index, photo)
    except CarsegError:
        raise
    except Exception as error:
        raise RuntimeError(
            f"photo {index} (seed {plan.seed}, version {plan.version}) failed: {error}"
        ) from error
    files.write_bytes(work / part["photo"], photo.jpeg)
    files.write_json((work / part["photo"]).with_suffix(".json"), part)


def _follow(running: list[Future[Any]], processes: int, say: Callable[[str], None]) -> None:
    """Wait for all, telling now and then how long it will take."""
    started = said = time.monotonic()
    for done, future in enumerate(as_completed(running), start=1):
        future.result()
        now = time.monotonic()
        if now - said >= _SAY_EVERY and done >= 2 * processes:
            left = (now - started) / done * (len(running) - done)
            say(f"{done:,} of {len(running):,} rendered, about {_words(left)} left")
            said = now
    seconds = time.monotonic() - started
    each = f"{seconds * processes / len(running):.2f} s each"
    say(f"{len(running):,} rendered in {_words(seconds)} by {processes} processes: {each}")


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _begin_process() -> None:
    """Ctrl-C is for the parent to answer; and when the parent is killed, its processes end, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
