"""Locks on folders: one process at a time makes what a folder holds."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError

_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


@contextmanager
def folder_lock(path: Path, what: str, *, advice: str = "wait for it to end") -> Iterator[None]:
    """Hold a folder for this process within the block; does not wait for another process.

    The operating system releases the lock when the process ends, however it ends. The file `.lock` stays in the
    folder, with the number of the process that held the lock last.

    Args:
        path: The folder; it is made if it is missing.
        what: The beginning of the message if the folder is held, e.g. "Run 'quick'".
        advice: The end of that message.

    Raises:
        CarsegError: Another process holds the folder, or the lock's file cannot be written.
    """
    file = files.make_folder(path) / ".lock"
    # The fallback, a file that merely exists, would outlive a killed process.
    lock = FileLock(file, fallback_to_soft=False, preserve_lock_file=True)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise CarsegError(f"{what} is being made already (by {_owner(file)}): {advice}.") from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise CarsegError(
                f"{file}: this disk takes no locks ({error.strerror}), as some network drives; put the runs on another "
                "one: CARSEG_REPORTS=folder"
            ) from None
        raise files.disk_error(error, file) from error
    try:
        try:
            file.write_text(f"process {os.getpid()}", encoding="utf-8")
        except OSError as error:
            raise files.disk_error(error, file) from error
        yield
    finally:
        lock.release()


@contextmanager
def wait_for_lock(file: Path) -> Iterator[None]:
    """Hold a lock file within the block, once the process that holds it now has released it; the file stays.

    Raises:
        OSError: The file cannot be written, as in a folder that does not exist.
    """
    with FileLock(file, fallback_to_soft=False, preserve_lock_file=True):
        yield


def _owner(file: Path) -> str:
    """The process that holds the lock, as it wrote itself down."""
    try:
        return file.read_text(encoding="utf-8").strip() or "another process"
    except OSError:
        return "another process"
