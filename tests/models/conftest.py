"""Small networks that the tests of this folder share: built once, handed out as copies."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from carseg_lib.core.config import ModelConfig
from carseg_lib.core.run import Run
from carseg_lib.models.mask_rcnn import MaskRCNN, build_model
from tests.helpers.small_run import small_run


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, synthetic_cars: Path) -> Run:
    """A saved run of the small configuration."""
    return small_run(monkeypatch, tmp_path, synthetic_cars)


@pytest.fixture(scope="session")
def small_config(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> ModelConfig:
    """The network of the small configuration."""
    with pytest.MonkeyPatch.context() as patch:
        return small_run(patch, tmp_path_factory.mktemp("small"), synthetic_cars).config.model


@pytest.fixture(scope="session")
def paper_config(tmp_path_factory: pytest.TempPathFactory, synthetic_cars: Path) -> ModelConfig:
    """The network of profile paper, with few proposals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARSEG_REPORTS", str(tmp_path_factory.mktemp("paper")))
        run = Run.create(profile="paper", data=synthetic_cars, overrides={"rpn_post_nms_top_n": "8"})
        return run.config.model


def _copies(config: ModelConfig) -> Callable[[], MaskRCNN]:
    torch.manual_seed(0)
    built = build_model(config, 5, with_masks=True)
    return lambda: copy.deepcopy(built)


@pytest.fixture(scope="session")
def _small_models(small_config: ModelConfig) -> Callable[[], MaskRCNN]:
    return _copies(small_config)


@pytest.fixture(scope="session")
def _paper_models(paper_config: ModelConfig) -> Callable[[], MaskRCNN]:
    return _copies(paper_config)


@pytest.fixture
def tiny_model(_small_models: Callable[[], MaskRCNN]) -> MaskRCNN:
    """A copy of the small network with masks and four types, of seed 0."""
    return _small_models()


@pytest.fixture
def paper_model(_paper_models: Callable[[], MaskRCNN]) -> MaskRCNN:
    """A copy of the paper profile's network with masks and four types, of seed 0."""
    return _paper_models()
