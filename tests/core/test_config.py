"""carseg_lib.core.run and carseg_lib.core.config: what a user may ask for, and what is refused before anything runs."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
import yaml

from carseg_lib.core import config
from carseg_lib.core.config import (
    SECTIONS,
    Settings,
    parse_overrides,
    profile_names,
    profiles_folder,
    read_profile,
)
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.run import Run

PROFILES = ("smoke", "quick", "paper")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("CARSEG_REPORTS", str(tmp_path / "reports"))
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x")
    return folder


@pytest.fixture
def own_profiles(tmp_path, monkeypatch):
    """A folder of profiles to write into, which starts with a copy of quick."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "quick.yaml").write_text((profiles_folder() / "quick.yaml").read_text())
    monkeypatch.setattr(config, "profiles_folder", lambda: folder)
    return folder


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_names_every_parameter_and_makes_a_study(data, profile):
    assert list(yaml.safe_load((profiles_folder() / f"{profile}.yaml").read_text())) and set(
        read_profile(profile)[0]
    ) == set(profile_names())
    study = Run.create(profile=profile, data=data)
    assert (
        study.name,
        study.config.profile,
        study.config.seed,
        study.config.device,
        study.config.num_processes,
    ) == (
        profile,
        profile,
        0,
        "auto",
        1,
    )
    assert study.config.data.source == str(data.resolve())


def test_there_are_no_hidden_defaults():
    assert all(field.is_required() for field in Settings.model_fields.values())
    assert all(field.description for field in Settings.model_fields.values())
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(Settings.model_fields)


def test_the_paper_profile_is_the_papers_recipe(data):
    study = Run.create(profile="paper", data=data)
    assert (study.config.model.backbone, study.config.model.weights, study.config.inputs.size) == (
        "resnet50",
        "coco",
        (224, 224),
    )
    assert (
        study.config.train.batch_size,
        study.config.train.optimizer,
        study.config.train.lr,
        study.config.train.epochs,
    ) == (8, "adam", 0.002, 30)
    assert (
        study.config.train.lr_schedule,
        study.config.train.weight_decay,
        study.config.train.max_grad_norm,
        study.config.model.precision,
    ) == (
        "constant",
        0.0,
        0.0,
        "32-true",
    )
    assert (study.config.inputs.augmentation, study.config.inputs.max_rotation) == ("rotate_and_flip", 90.0)


def test_overrides_are_read_as_the_type_of_their_setting(data):
    study = Run.create(
        data=data,
        overrides=parse_overrides("epochs=3 lr=1e-3 fpn_finest_stride=4 optimizer=sgd"),
        seed="7",
        workers="2",
    )
    assert (
        study.config.train.epochs,
        study.config.train.lr,
        study.config.model.fpn_min_stride,
        study.config.train.optimizer,
    ) == (3, 0.001, 4, "sgd")
    assert (study.config.seed, study.config.num_processes) == (7, 2)
    assert Run.create(data=data, overrides={"clip_norm": 2}).clip_norm == 2.0


REFUSED = [
    ({"overrides": {"epoch": "3"}}, r"SET: there is no parameter 'epoch'; did you mean 'epochs'\?"),
    ({"overrides": {"LR": "3"}}, r"did you mean 'lr'\?"),
    ({"overrides": {"zzz": "3"}}, r"'zzz'; known are: teacher, .*photos_per_split, .*bootstrap_samples"),
    ({"overrides": {"epochs": "0"}}, r"epochs = 0 \(SET\): must be a whole number from 1 up to 1,000"),
    ({"overrides": {"epochs": "2.5"}}, r"epochs = '2.5' \(SET\): must be a whole number"),
    ({"overrides": {"epochs": True}}, r"epochs = True \(SET\): must be a whole number"),
    ({"overrides": {"epochs": 3.0}}, r"epochs = 3.0 \(SET\): must be a whole number"),
    ({"overrides": {"lr": "fast"}}, r"lr = 'fast' \(SET\): must be a number above 0"),
    ({"overrides": {"lr": "nan"}}, r"lr = 'nan'"),
    ({"overrides": {"lr": float("inf")}}, r"lr = inf \(SET\): must be a number"),
    ({"overrides": {"optimizer": "adamm"}}, r"optimizer = 'adamm' \(SET\): must be one of adam, adamw, sgd"),
    ({"overrides": {"fpn_finest_stride": "5"}}, r"fpn_finest_stride = 5 \(SET\): must be one of 4, 8"),
    ({"overrides": {"seed": "3"}}, r"SET: seed has its own variable: write SEED=3"),
    ({"overrides": {"run": "x"}}, r"SET: run has its own variable: write RUN=x"),
    ({"overrides": {"weights": "none"}, "weights": "coco"}, r"weights is given twice"),
    (
        {"overrides": {"backbone": "resnet18", "weights": "coco"}},
        r"weights = coco exist for backbone = resnet50 only",
    ),
    ({"seed": "-1"}, r"seed = -1 \(SEED\): must be a whole number from 0"),
    ({"seed": ""}, r"seed = '' \(SEED\)"),
    ({"device": "gpu"}, r"device = 'gpu' \(DEVICE\): must be one of auto, cpu, cuda, mps"),
    ({"workers": "3"}, r"batch_size = 8 is not a multiple of WORKERS = 3"),
    (
        {"weights": "imagnet"},
        r"weights = 'imagnet' \(WEIGHTS\): there is no such file; did you mean 'imagenet'\?",
    ),
    (
        {"weights": "/no/such.pt"},
        r"'/no/such.pt' \(WEIGHTS\): there is no such file; use coco, imagenet, segmenter, none",
    ),
    ({"profile": "quik"}, r"PROFILE='quik': there is no such profile; did you mean 'quick'\?"),
    ({"profile": "../quick"}, r"PROFILE='../quick': there is no such profile"),
    *[
        ({"run": run}, r"RUN=.*use letters, digits")
        for run in ("../x", ".hidden", "a/b", "a b", "x" * 81, "ü")
    ],
    *[({"run": run}, r"RUN=.*kept for carseg's own files") for run in ("reference", "bench", "Reference")],
]


@pytest.mark.parametrize(("asked", "message"), REFUSED)
def test_refused_in_one_line(data, asked, message):
    with pytest.raises(CarsegError, match=message) as caught:
        Run.create(**{"data": data, **asked})
    assert "\n" not in str(caught.value)


def test_all_bad_values_are_named_at_once(data):
    with pytest.raises(CarsegError, match=r"epochs = 0 .*; lr = -1.0 .*device = 'x'"):
        Run.create(data=data, overrides={"epochs": "0", "lr": "-1"}, device="x")


def test_seed_zero_is_a_seed(data):
    assert Run.create(data=data, seed=0).seed == 0
    assert "SEED" not in Run.create(data=data, seed="0").command()


def test_missing_data_are_named(data, tmp_path):
    with pytest.raises(CarsegError, match="does not exist"):
        Run.create(data=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CarsegError, match="is an empty folder"):
        Run.create(data=tmp_path / "empty")
    with pytest.raises(CarsegError, match=r"is not a folder, a COCO \.json file or a \.csv table"):
        Run.create(data=data / "a.jpg")


def test_a_coco_file_and_a_checkpoint_are_made_absolute(data, monkeypatch):
    (data / "cars.json").write_text("{}")
    (data / "mine.pt").write_bytes(b"x")
    monkeypatch.chdir(data)
    study = Run.create(data="cars.json", weights="mine.pt")
    assert (study.config.data.source, study.config.data_as_given) == (
        str((data / "cars.json").resolve()),
        "cars.json",
    )
    assert study.config.model.weights == str((data / "mine.pt").resolve())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("epochs: ", "epoch: "),
            r"quick\.yaml row \d+: there is no parameter 'epoch'; did you mean 'epochs'",
        ),
        (("flip_probability: 0.5", ""), r"quick\.yaml lacks flip_probability"),
        (("batch_size: 8", "batch_size: 8\nbatch_size: 4"), r"row \d+: batch_size stands twice"),
        (
            ("batch_size: 8", 'batch_size: "8"'),
            r"batch_size = '8' \(quick\.yaml row \d+\): must be a whole number",
        ),
        (("batch_size: 8", "batch_size: true"), r"batch_size = True"),
        (("optimizer: adamw", "optimizer: [adamw"), r"quick\.yaml is not valid YAML"),
    ],
)
def test_a_broken_profile_is_refused(data, own_profiles, change, message):
    text = (own_profiles / "quick.yaml").read_text()
    assert change[0] in text
    (own_profiles / "quick.yaml").write_text(text.replace(*change))
    with pytest.raises(CarsegError, match=message) as caught:
        Run.create(data=data)
    assert "\n" not in str(caught.value)


def test_the_row_named_is_the_row_in_the_file(data, own_profiles):
    text = (own_profiles / "quick.yaml").read_text()
    row = text[: text.index("image_width")].count("\n") + 1
    (own_profiles / "quick.yaml").write_text(text.replace("image_width: 224", "image_width: 225"))
    with pytest.raises(
        CarsegError,
        match=rf"image_width = 225 \(quick\.yaml row {row}\): must be .* from 64 up to 1,024 in steps of 32",
    ):
        Run.create(data=data)


def test_1e_3_in_yaml_is_a_number(data, own_profiles):
    text = (own_profiles / "quick.yaml").read_text()
    (own_profiles / "quick.yaml").write_text(text.replace(f"lr: {Run.create(data=data).lr}", "lr: 1e-3"))
    assert Run.create(data=data).lr == 0.001


@pytest.mark.parametrize(("text", "message"), [("epochs", "is not name=value"), ("=3", "is not name=value")])
def test_set_that_cannot_be_read(text, message):
    with pytest.raises(CarsegError, match=message):
        parse_overrides(text)


def test_set_is_split_as_in_a_shell():
    assert parse_overrides("  weights='my file.pt'  epochs=3 ") == {"weights": "my file.pt", "epochs": "3"}
    assert parse_overrides("") == {}
    with pytest.raises(CarsegError, match="given twice"):
        parse_overrides("epochs=3 epochs=4")
    with pytest.raises(CarsegError, match="cannot be read"):
        parse_overrides("weights='open")


def test_save_and_open_give_the_same_study(data):
    study = Run.create(run="mine", data=data, overrides={"epochs": "3"}, seed=5)
    path = study.save()
    written = path.stat().st_mtime_ns
    assert Run.open("mine") == study
    assert study.save().stat().st_mtime_ns == written  # nothing changed, so nothing is written


def test_open_names_the_runs_there_are(data):
    Run.create(run="mine", data=data).save()
    with pytest.raises(CarsegError, match=r"There is no run 'other' .* the runs are: mine"):
        Run.open("other")
    (Run.open("mine").folder / "config.json").write_text('{"run": "mine"}')
    with pytest.raises(CarsegError, match="of another version"):
        Run.open("mine")


def test_a_study_cannot_be_changed(data):
    study = Run.create(data=data)
    with pytest.raises(ValueError, match="frozen"):
        study.config.train.epochs = 3


def test_the_command_makes_the_same_study(data):
    study = Run.create(
        run="mine",
        profile="smoke",
        data=data,
        overrides={"lr": "0.01", "epochs": "3"},
        seed=4,
        weights="none",
    )
    words = shlex.split(study.command())
    assert words[:2] == ["make", "reproduce"]
    given = dict(word.split("=", 1) for word in words[2:])
    again = Run.create(
        run=given["RUN"],
        profile=given["PROFILE"],
        data=given["DATA"],
        overrides=parse_overrides(given["SET"]),
        seed=given["SEED"],
        weights=given["WEIGHTS"],
    )
    assert again == study
    assert Run.create(data=data).command() == f"make reproduce DATA={shlex.quote(str(data))}"


def test_settings_of_sections(data):
    study = Run.create(data=data)
    assert study.settings(["data"]) == {
        "data": study.config.data.source,
        "types": "suv sedan convertible minivan",
    }
    names = set(study.settings(["preprocessing"]))
    assert {"seed", "image_height", "augmentation", "photos_per_split"} <= names
    assert not names & set(study.settings(["model", "training", "evaluation"]))


def test_the_study_imports_nothing_heavy():
    code = (
        "import sys, carseg_lib.workflow.cli, carseg_lib.workflow.pipeline;"
        "print([m for m in sys.argv[1:] if m in sys.modules])"
    )
    heavy = ["torch", "pandas", "numpy", "papermill", "nbformat", "nbconvert", "matplotlib"]
    out = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_run_is_opened_on_another_device(data):
    Run.create(data=data, device="cuda").save()
    assert Run.open("quick").device == "cuda"
    assert Run.open("quick", device="cpu").device == "cpu"
    with pytest.raises(CarsegError, match=r"device = 'gpu' \(DEVICE\)"):
        Run.open("quick", device="gpu")


def test_types_are_part_of_a_study_by_their_content(data, tmp_path, monkeypatch):
    assert Run.create(data=data).types == "suv sedan convertible minivan"
    assert "TYPES" not in Run.create(data=data, types="suv sedan  convertible minivan").command()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "types.yaml"
    path.write_text("types: {suv: [jeep], sedan: []}\nleave_out: [van]")
    study = Run.create(data=data, types="types.yaml")
    assert study.config.data.classes == '{"types": {"suv": ["jeep"], "sedan": []}, "leave_out": ["van"]}'
    assert study.settings(["data"])["types"] == study.config.data.classes
    assert study.command().endswith("TYPES=types.yaml")
    study.save()
    path.write_text("types: [suv, wagon]")
    assert Run.open(study.name).type_names.of("Jeeps") == "suv"  # the run knows them without the file
    assert Run.create(data=data, types="types.yaml").types == "suv wagon"
    given = "'station wagon'=kombi suv"
    assert Run.create(data=data, types=given).type_names.names == ("station wagon", "suv")
    words = shlex.split(Run.create(data=data, types=given).command())
    assert f"TYPES={given}" in words
    with pytest.raises(CarsegError, match="TYPES=suv: a study needs two body types or more"):
        Run.create(data=data, types="suv")
    with pytest.raises(CarsegError, match="SET: types has its own variable: write TYPES=x"):
        Run.create(data=data, overrides={"types": "x"})


def test_a_table_is_made_absolute(data, monkeypatch):
    (data / "cars.csv").write_text("photo,type\n")
    monkeypatch.chdir(data)
    assert Run.create(data="cars.csv").data == str((data / "cars.csv").resolve())
    assert Run.create(data="cars.csv").locate_photos() == (data / "cars.csv").resolve()
