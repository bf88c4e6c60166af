"""Photos and experiments that several test modules share: made once for all tests of a worker."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from carseg_lib.engine import trainer
from carseg_lib.experiments.sim2real.config import DECIDED, Sim2RealPlan, create_plan
from carseg_lib.experiments.sim2real.run import run_sim2real
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.small_run import SETTINGS

DECIDED_NAMES = {name.rpartition(".")[2] for name in DECIDED}
SMALL = {name: value for name, value in SETTINGS.items() if name not in DECIDED_NAMES} | {
    "height": "64",
    "width": "64",
    "version_photos": "8",
    "version_epochs": "1",
    "curve": "8:1,all:2",
}
NUMBERS = {"train": 4, "validation": 2, "test": 1}  # photos of each type


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Drawn cars as "real" photos and as two versions of "rendered" ones."""
    folder = tmp_path_factory.mktemp("photos")
    names = {"real": 1, "rendered-plain": 2, "rendered-full": 3}
    return {name: make_car_photos(folder / name, NUMBERS, seed=seed) for name, seed in names.items()}


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A reports folder of the test's own."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    return tmp_path / "reports"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The library's messages."""
    caplog.set_level(logging.INFO, "carseg_lib")
    return caplog


def plan_of(places: dict[str, Path], *, rendered: str | None = None, **changed: str) -> Sim2RealPlan:
    """A sim-to-real experiment on drawn cars."""
    text = rendered or f"{places['rendered-plain']} {places['rendered-full']}"
    return create_plan(str(places["real"]), text, profile="smoke", settings=SMALL | changed, device="cpu")


@pytest.fixture(scope="session")
def made(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Sim2RealPlan:
    """A whole sim-to-real experiment on drawn cars; read it, never write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARSEG_REPORTS", str(tmp_path_factory.mktemp("experiments")))
        plan = plan_of(places)
        assert run_sim2real(plan) == plan.folder / "index.html"
        assert os.environ["CARSEG_REPORTS"] == str(plan.folder.parent)
    return plan


@pytest.fixture
def mine(made: Sim2RealPlan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Sim2RealPlan]:
    """The whole experiment, which the test may change: it is put back as it was, at its own place."""
    kept = tmp_path / "kept"
    shutil.copytree(made.folder, kept)
    monkeypatch.setenv("CARSEG_REPORTS", str(made.folder.parent))
    yield made
    shutil.rmtree(made.folder)
    shutil.move(kept, made.folder)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trials that are trained, by name, once an epoch."""
    names: list[str] = []
    current: list[str] = []
    real_fit, real_epoch = trainer.fit, trainer.train_one_epoch

    def fit(config, paths):
        current[:] = [config.name]
        real_fit(config, paths)

    def epoch(*arguments, **named):
        names.extend(current)
        return real_epoch(*arguments, **named)

    monkeypatch.setattr(trainer, "fit", fit)
    monkeypatch.setattr(trainer, "train_one_epoch", epoch)
    return names
