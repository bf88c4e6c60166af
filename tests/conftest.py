"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.browser import chromium
from tests.helpers.drawn_cars import make_car_photos


@pytest.fixture(scope="session")
def synthetic_cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small COCO data set of drawn cars (24 photos, all three splits); read it, never write into it."""
    return make_car_photos(tmp_path_factory.mktemp("cars") / "drawn-cars", per_type=6)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """Headless Chromium."""
    with chromium() as opened:
        yield opened
