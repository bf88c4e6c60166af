"""A real browser for the tests: headless Chromium, and a page opened in it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright import sync_api as playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[playwright.Browser]:
    """Headless Chromium; where there is none the test is skipped, and says so.

    With CARSEG_REQUIRE_BROWSER set it fails instead: a release is not checked without a browser.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        (pytest.fail if os.environ.get("CARSEG_REQUIRE_BROWSER") else pytest.skip)("no chromium on the path")
    with playwright.sync_playwright() as tool:
        yield tool.chromium.launch(executable_path=found, args=ARGUMENTS)


class Visit:
    """A page opened from disk, with what it asked for and what it complained of."""

    def __init__(self, browser: playwright.Browser, path: Path, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda r: None if r.url.startswith("data:") else self.requests.append(r.url))
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.goto(path.as_uri())

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true; playwright's own wait evaluates in the page, which its policy forbids."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"not true after {seconds:g} s: {expression}"
            self.page.wait_for_timeout(20)
