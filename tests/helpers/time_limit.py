"""A limit for the time of each test that is not marked slow, so that the tests stay a matter of minutes."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

LIMIT = float(os.environ.get("CARSEG_TEST_LIMIT", "20"))  # seconds of setup and call; 0: none
SHARED = "seconds of shared fixtures"
_SCHEDULE = Path("/proc/thread-self/schedstat")  # Linux alone


def clock() -> float:
    """Seconds, without those in which this thread could run and other programs had the processors."""
    waited = int(_SCHEDULE.read_text().split()[1]) / 1e9 if _SCHEDULE.exists() else 0.0
    return time.monotonic() - waited


class TimeLimit:
    """A plugin of pytest: a test above the limit fails, unless it is marked slow.

    Fixtures of a wider scope than one test are not counted to the test that happens to build them; those above the
    limit are told at the end.
    """

    def __init__(self) -> None:
        self._started = 0.0
        self._shared = 0.0
        self._building = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        """Starts the clock of a test."""
        self._started, self._shared = clock(), 0.0
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef) -> Generator[None, Any, Any]:
        """Adds up the time of shared fixtures."""
        if fixturedef.scope == "function" or self._building:
            return (yield)
        started = clock()
        self._building = True
        try:
            return (yield)
        finally:
            self._building = False
            self._shared += clock() - started

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Makes a test that took too long a failed one."""
        report = yield
        if call.when == "setup" and self._shared > LIMIT > 0:
            report.user_properties.append((SHARED, self._shared))
        if call.when == "call" and report.passed and not item.get_closest_marker("slow"):
            seconds = clock() - self._started - self._shared
            if seconds > LIMIT > 0:
                report.outcome = "failed"
                report.longrepr = (
                    f"{item.nodeid} took {seconds:.1f} s; the limit is {LIMIT:g} s (CARSEG_TEST_LIMIT): make it "
                    "faster, or mark it slow."
                )
        return report

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Tells of the shared fixtures that took longer than a test may."""
        for reports in terminalreporter.stats.values():
            for report in reports:
                for name, seconds in getattr(report, "user_properties", ()):
                    if name == SHARED and report.when == "setup":
                        terminalreporter.write_line(f"{report.nodeid}: {seconds:.0f} s of shared fixtures")
