"""Locks on folders: one owner at a time, named, and free again however its process ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.core.locks import folder_lock, wait_for_lock

HOLD = (
    "import sys, time; from pathlib import Path; from carseg_lib.core.locks import folder_lock\n"
    "with folder_lock(Path(sys.argv[1]), 'x'):\n"
    "    {}\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def holder(folder, then="pass"):
    """A process that holds a folder for a minute."""
    process = subprocess.Popen([sys.executable, "-c", HOLD.format(then), folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_the_folder_is_made_and_held_by_one_at_a_time(tmp_path):
    folder = tmp_path / "reports" / "quick"
    message = re.escape(f"Run 'quick' is being made already (by process {os.getpid()}): choose another.")
    with folder_lock(folder, "Run 'quick'", advice="choose another"):
        assert folder.is_dir()
        for _ in range(2):  # a refused attempt leaves the owner's number where it is
            with (
                pytest.raises(CarsegError, match=f"^{message}$"),
                folder_lock(folder, "Run 'quick'", advice="choose another"),
            ):
                raise AssertionError("held twice")
        with folder_lock(tmp_path / "reports" / "other", "Run 'other'"):
            pass
    with folder_lock(folder, "Run 'quick'"):
        pass
    assert (folder / ".lock").read_text() == f"process {os.getpid()}"


def test_a_failure_within_frees_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path, "Run 'a'"):
        raise ZeroDivisionError
    with folder_lock(tmp_path, "Run 'a'"):
        pass


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path, end):
    process = holder(tmp_path)
    message = rf"^Run 'a' is being made already \(by process {process.pid}\): wait for it to end\.$"
    with pytest.raises(CarsegError, match=message), folder_lock(tmp_path, "Run 'a'"):
        pass
    process.send_signal(end)
    process.wait()
    with folder_lock(tmp_path, "Run 'a'"):
        assert (tmp_path / ".lock").read_text() == f"process {os.getpid()}"


def test_a_child_that_outlives_the_owner_does_not_keep_the_folder(tmp_path):
    """Helper processes of a training may need a moment longer to end than the training that was killed."""
    process = holder(tmp_path, "import subprocess; subprocess.Popen(['sleep', '5'])")
    process.kill()
    process.wait()
    with folder_lock(tmp_path, "Run 'a'"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_mistake(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CarsegError, match=r"\.lock cannot be written"), folder_lock(tmp_path, "Run 'a'"):
        pass


def test_a_lock_that_is_no_file_is_a_mistake(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(CarsegError, match=r"\.lock was not written: Is a directory"), folder_lock(tmp_path, "Run 'a'"):
        pass


def test_a_lock_that_is_waited_for(tmp_path):
    file, order = tmp_path / "a.lock", []

    def second() -> None:
        with wait_for_lock(file):
            order.append("second")

    thread = threading.Thread(target=second)
    with wait_for_lock(file):
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"] and file.exists()
