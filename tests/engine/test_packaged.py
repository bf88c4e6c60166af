"""The model that comes with carseg: a run's model in one file, and opened as a run again."""

import numpy as np
import pytest
import torch

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import PACKAGED, builtin_model, checksum_path, use_runs_root
from carseg_lib.core.run import Run
from carseg_lib.engine.packaged import about_packaged, open_packaged, pack
from carseg_lib.engine.predictor import Predictor
from carseg_lib.engine.second_opinion import SecondOpinion
from carseg_lib.models.weights import read_checkpoint
from tests.helpers.small_run import with_threshold

MEASURED = {
    "trained_on": "12 photos",
    "cars": [{"photos": "photos", "accuracy": {"value": 0.75, "low": 0.5, "high": 0.9, "n": 1234}}],
}


@pytest.fixture
def packed(trained_run, tmp_path):
    with_threshold(trained_run, 0.25)
    return pack(trained_run, tmp_path / "model.safetensors", MEASURED)


def test_it_is_the_runs_model_but_for_the_rounding_of_kernels(trained_run, packed, tmp_path):
    with use_runs_root(tmp_path / "reports"):
        run = open_packaged("cpu", packed)
        assert run.name == PACKAGED and run.config.model == trained_run.config.model and run.config.device == "cpu"
        theirs, predictor = read_checkpoint(run.best_weights), Predictor(run)
        made = run.best_weights.stat().st_mtime_ns
        assert open_packaged("cpu", packed).best_weights.stat().st_mtime_ns == made, "it is written once"
    ours = read_checkpoint(trained_run.best_weights)
    for name, tensor in theirs.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, ours[name], rtol=1e-3, atol=1e-6)
    original = Predictor(trained_run)
    assert predictor.body_types == original.body_types
    np.testing.assert_array_equal(predictor.presence.car_scores, original.presence.car_scores)


def test_its_opinion_on_the_type_comes_along(trained_run, tmp_path):
    rule = SecondOpinion(("suv", "sedan", "convertible", "minivan"), np.ones((1, 4)), np.zeros(4))
    with_threshold(trained_run, 0.25, {656: "minivan"}, rule)
    path = pack(trained_run, tmp_path / "model.safetensors", MEASURED)
    with use_runs_root(tmp_path / "reports"):
        assert Predictor(open_packaged("cpu", path)).presence.opinion.content() == rule.content()


def test_another_file_takes_the_place_of_the_one_before(trained_run, packed, tmp_path):
    other = pack(trained_run, tmp_path / "other.safetensors", MEASURED | {"trained_on": "13 photos"})
    with use_runs_root(tmp_path / "reports"):
        open_packaged("cpu", packed)
        run = open_packaged("cpu", other)
        assert files.read_json(run.best_card)["packed"] == files.sha256(other)
        Predictor(run)


def test_it_says_how_well_it_names_types(packed):
    assert about_packaged(packed) == (
        "the model that comes with carseg, trained on 12 photos, names the type of 75.0% (50.0–90.0%) of 1,234 photos"
    )


def test_what_cannot_be_opened_is_refused_in_a_line(packed, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(packed.read_bytes()[:-1])
    checksum_path(path).write_bytes(checksum_path(packed).read_bytes())
    with pytest.raises(CarsegError, match=r"damaged, .*restore it from git"):
        open_packaged(path=path)
    with pytest.raises(CarsegError, match="kept for the model that comes with carseg"):
        Run.create(PACKAGED)


def test_the_one_in_the_package_is_small_whole_and_opens(tmp_path):
    assert builtin_model().stat().st_size <= 20e6
    with use_runs_root(tmp_path):
        run = open_packaged("cpu")
        assert Predictor(run).body_types == ("suv", "sedan", "convertible", "minivan")
    card = builtin_model().with_suffix(".md").read_text(encoding="utf-8")
    assert checksum_path(builtin_model()).read_text().split()[0] in card
    assert "photographs" not in about_packaged() or "of which it saw none" in about_packaged()
