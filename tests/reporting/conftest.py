"""Fixtures of the tests of figures and pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.fake_run import make_run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> Path:
    """A complete run with every figure, made once; read it, never write into it."""
    return make_run(tmp_path_factory.mktemp("finished") / "fake", synthetic_cars)
