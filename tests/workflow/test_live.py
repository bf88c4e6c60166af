"""The bar on the terminal: there is one on a terminal, none elsewhere, and lines stay whole."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from carseg_lib.core.paths import project_folder

PROGRAM = """
import subprocess, sys, time
from carseg_lib.workflow.live import live_bar
CHILD = "import time; from carseg_lib.core.progress import tell; tell('epoch 2 of 5', 30, 60, 130.0); time.sleep(0.8)"
with live_bar():
    print("a line before")
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    print("a line after")
"""


def run_on_a_terminal(**variables: str) -> str:
    """What the program writes to a terminal of its own."""
    parent, child = pty.openpty()
    environment = os.environ | {"COLUMNS": "100", "TERM": "xterm-256color", "PYTHONPATH": str(project_folder())}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=child, env=environment | variables) as process:
        os.close(child)
        shown = b""
        while True:
            try:
                part = os.read(parent, 4096)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            shown += part
        assert process.wait() == 0
    os.close(parent)
    return shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_has_a_bar_with_the_time_left():
    shown = run_on_a_terminal()
    for text in ("a line before", "starting", "epoch 2 of 5", "30/60", "2 min left", "a line after"):
        assert text in shown


def test_elsewhere_there_are_lines_alone(tmp_path: Path):
    environment = os.environ | {"PYTHONPATH": str(project_folder())}
    found = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == "a line before\na line after\n" and found.stderr == ""
