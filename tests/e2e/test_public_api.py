"""The Python API: what `import carseg_lib` gives, and the examples of docs/api.md, on drawn cars."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

import carseg_lib
from carseg_lib.core.config import ModelConfig
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.run import Run
from tests.helpers.drawn_cars import add_unlabelled
from tests.helpers.small_run import SETTINGS

PAGE = project_folder() / "docs" / "api.md"
FUNCTIONS = ["build_model", "evaluate", "load_dataset", "open_run", "predict", "train"]


def test_importing_the_package_loads_nothing_heavy():
    code = (
        "import sys, carseg_lib\n"
        "own = sorted(name for name in sys.modules if name.startswith('carseg_lib.'))\n"
        "heavy = [name for name in ('torch', 'pandas', 'numpy', 'PIL', 'pydantic') if name in sys.modules]\n"
        "print(own, heavy, dir(carseg_lib) == sorted(dir(carseg_lib)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project_folder(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] [] True"


def test_the_names_of_the_api_are_listed_and_found():
    assert sorted(set(carseg_lib.__all__) - {"__version__"}) == FUNCTIONS
    assert set(carseg_lib.__all__) <= set(dir(carseg_lib))
    for name in FUNCTIONS:
        function = getattr(carseg_lib, name)
        assert inspect.isfunction(function)
        assert function.__doc__
        assert f"`{name}(" in PAGE.read_text(encoding="utf-8")
        assert "return" in function.__annotations__
    with pytest.raises(AttributeError, match="has no attribute 'fly'"):
        carseg_lib.fly  # noqa: B018


def test_the_version_is_the_packages():
    text = (project_folder() / "pyproject.toml").read_text(encoding="utf-8")
    assert carseg_lib.__version__ == re.search(r'^version = "(.+)"$', text, re.M)[1]


def test_the_package_says_that_it_has_types():
    assert (project_folder() / "carseg_lib" / "py.typed").is_file()


def test_a_model_has_the_configuration_that_is_given():
    config = ModelConfig(backbone="resnet18", weights="none", fpn_out_channels=16, mask_head_channels=8)
    with_masks = carseg_lib.build_model(config, num_classes=3)
    without = carseg_lib.build_model(config, num_classes=3, with_masks=False)
    sizes = [sum(p.numel() for p in model.parameters()) for model in (with_masks, without)]
    assert sizes[0] > sizes[1] > 1_000_000


def test_the_examples_of_the_page_run(synthetic_cars, tmp_path, monkeypatch, capsys):
    """The built-in data set and the profile's sizes give way to drawn cars and a network that trains in seconds."""
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    settings = {"train.epochs": "1", "score_threshold": "0.0"} | {
        name: value for name, value in SETTINGS.items() if name != "epochs"
    }
    examples = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(examples) == 3
    spaces = []
    for example in examples:
        example = example.replace('load_dataset("rendered")', f"load_dataset({str(synthetic_cars)!r})")
        example = example.replace(
            'overrides={"train.epochs": "1"}', f'data={str(synthetic_cars)!r}, device="cpu", overrides={settings}'
        )
        spaces.append({})
        exec(compile(example, str(PAGE), "exec"), spaces[-1])
    dataset, model, run, metrics = (spaces[0]["catalogue"], spaces[1]["model"], spaces[2]["run"], spaces[2]["metrics"])
    assert dataset.counts().to_numpy().sum() == 24
    assert set(dataset.photos.split) == {"train", "validation", "test"}
    assert type(model).__name__ == "MaskRCNN"
    assert run.folder == tmp_path / "reports" / "first"
    assert len(pd.read_csv(run.history)) == 1
    assert metrics["splits"]["validation"]["accuracy"]["n"] > 0
    detections = carseg_lib.predict(run, spaces[2]["photo"])
    assert detections and detections[0].body_type in dataset.body_types
    assert [one.score for one in detections] == sorted((one.score for one in detections), reverse=True)
    assert detections[0].body_type in capsys.readouterr().out

    with pytest.raises(CarsegError, match=r"none\.jpg: missing file"):
        carseg_lib.predict(run, tmp_path / "none.jpg")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.jpg").write_bytes(b"x")
    with pytest.raises(CarsegError, match=r"run 'first' holds a model of .*drawn-cars: choose another name"):
        carseg_lib.train("first", data=tmp_path / "other", profile="smoke")
    assert Run.open("first").config == run.config


def test_mistakes_are_one_line_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    for call in (
        lambda: carseg_lib.load_dataset(tmp_path / "nowhere"),
        lambda: carseg_lib.load_dataset(tmp_path, classes="suv"),
        lambda: carseg_lib.train(data=tmp_path / "nowhere"),
        lambda: carseg_lib.train(data=tmp_path, profile="quik"),
        lambda: carseg_lib.train(data=tmp_path, overrides={"epoch": 3}),
    ):
        with pytest.raises(CarsegError) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "reports").exists()


def test_photos_without_an_annotation_are_background_if_asked_for(tmp_path, synthetic_cars, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    folder = tmp_path / "cars"
    shutil.copytree(synthetic_cars, folder)
    add_unlabelled(folder, "train", 3)
    asked = carseg_lib.load_dataset(folder, unlabelled="background")
    assert sorted(asked.background["split"]) == ["test", "train", "validation"]  # missing ones are cut from train
    plain = carseg_lib.load_dataset(folder)
    assert plain.background.empty and plain.photos.equals(asked.photos)
    assert plain.excluded_counts() == {"no labelled car": 3}
