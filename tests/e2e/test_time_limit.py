"""The limit for the time of a test, on tests of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.helpers.smoke_run import ROOT

TESTS = """
import time

import pytest


@pytest.fixture(scope="module")
def shared():
    time.sleep(0.4)


@pytest.fixture
def own():
    time.sleep(0.15)


def test_quick(shared):
    pass


def test_long():
    time.sleep(0.35)


def test_long_with_what_it_prepares(own):
    time.sleep(0.2)


@pytest.mark.slow
def test_allowed():
    time.sleep(0.35)


def test_broken():
    time.sleep(0.35)
    assert False, "a reason of its own"
"""


def outcomes(folder, limit: str) -> tuple[dict[str, str], str]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PYTEST", "CARSEG"))}
    environment |= {"CARSEG_TEST_LIMIT": limit, "PYTHONPATH": str(ROOT)}
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow: takes long\n")
    (folder / "test_some.py").write_text(TESTS)
    (folder / "conftest.py").write_text(
        "from tests.helpers import time_limit\n\n\n"
        "def pytest_configure(config):\n    config.pluginmanager.register(time_limit.TimeLimit())\n"
    )
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "test_some.py"]
    said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout
    return dict(re.findall(r"::(test_\w+) (PASSED|FAILED)", said)), said


def test_what_takes_longer_fails_unless_it_is_marked(tmp_path):
    found, said = outcomes(tmp_path, "0.3")
    assert found == {
        "test_quick": "PASSED",
        "test_long": "FAILED",
        "test_long_with_what_it_prepares": "FAILED",
        "test_allowed": "PASSED",
        "test_broken": "FAILED",
    }
    assert re.search(r"test_some\.py::test_long took 0\.\d s; the limit is 0\.3 s \(CARSEG_TEST_LIMIT\)", said)
    assert "test_broken took" not in said
    assert "a reason of its own" in said
    assert "test_some.py::test_quick: 0 s of shared fixtures" in said


def test_there_may_be_no_limit(tmp_path):
    found, said = outcomes(tmp_path, "0")
    assert [name for name, outcome in found.items() if outcome == "FAILED"] == ["test_broken"]
    assert "shared fixtures" not in said
