"""One small training for all tests of this folder; a test that writes has a copy of its folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from carseg_lib.core.run import Run
from carseg_lib.engine.trainer import train
from tests.helpers.small_run import small_run, with_dataset


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> Path:
    """A reports folder with a trained small run and its caches; read it, never write into it."""
    folder = tmp_path_factory.mktemp("trained") / "reports"
    with pytest.MonkeyPatch.context() as patch:
        run = small_run(patch, folder, synthetic_cars)
        with_dataset(run)
        train(run.config, run)
    return folder


@pytest.fixture
def trained_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trained_folder: Path, synthetic_cars: Path
) -> Iterator[Run]:
    """A copy of the trained small run, in a reports folder of its own."""
    shutil.copytree(trained_folder, tmp_path / "trained")
    yield small_run(monkeypatch, tmp_path / "trained", synthetic_cars)
