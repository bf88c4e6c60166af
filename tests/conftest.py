"""Fixtures that several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import make_car_photos


@pytest.fixture(scope="session")
def synthetic_cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small COCO data set of drawn cars (24 photos, all three splits); read it, never write into it."""
    return make_car_photos(tmp_path_factory.mktemp("cars") / "drawn-cars", per_type=6)
