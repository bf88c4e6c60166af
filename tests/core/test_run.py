"""carseg_lib.core.run: what a user may ask for, and what is refused before anything runs."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import builtin_segmenter
from carseg_lib.core.profiles import parse_overrides
from carseg_lib.core.run import Run


def test_overrides_are_read_as_the_type_of_their_setting(data):
    run = Run.create(
        data=data,
        overrides=parse_overrides("epochs=3 lr=1e-3 model.fpn_min_stride=4 optimizer=sgd freeze_depthwise=false"),
        seed="7",
        num_processes="2",
    )
    train, model = run.config.train, run.config.model
    assert (train.epochs, train.lr, model.fpn_min_stride, train.optimizer) == (3, 0.001, 4, "sgd")
    assert (model.freeze_depthwise, run.config.seed, run.config.num_processes) == (False, 7, 2)
    assert Run.create(data=data, overrides={"max_grad_norm": 2}).config.train.max_grad_norm == 2.0
    assert run.changes() == {
        "train.epochs": 3,
        "train.lr": 0.001,
        "model.fpn_min_stride": 4,
        "train.optimizer": "sgd",
        "model.freeze_depthwise": False,
    }


REFUSED = [
    ({"overrides": {"epoch": "3"}}, r"SET: there is no setting 'epoch'; did you mean 'train\.epochs'\?"),
    ({"overrides": {"LR": "3"}}, r"did you mean 'train\.lr'\?"),
    (
        {"overrides": {"zzz": "3"}},
        r"'zzz'; known are: data\.split_by, data\.format, data\.unlabelled, pseudo_labels\.source, .*"
        r"inputs\.max_images_per_split, .*"
        r"eval\.bootstrap_samples, eval\.robustness_photos",
    ),
    ({"overrides": {"model.epochs": "3"}}, r"SET: epochs belongs into the part train: write train\.epochs"),
    ({"overrides": {"source": "none"}}, r"SET: 'source' may be data\.source or pseudo_labels\.source"),
    ({"overrides": {"photos_per_split": "3"}}, r"photos_per_split has another name now: max_images_per_split"),
    ({"overrides": {"epochs": "3", "train.epochs": "4"}}, r"SET: a setting is given twice, by its short and"),
    ({"overrides": {"epochs": "0"}}, r"train\.epochs = 0 \(SET\): must be a whole number from 1 up to 1,000"),
    ({"overrides": {"epochs": "2.5"}}, r"train\.epochs = '2.5' \(SET\): must be a whole number"),
    ({"overrides": {"epochs": True}}, r"train\.epochs = True \(SET\): must be a whole number"),
    ({"overrides": {"epochs": 3.0}}, r"train\.epochs = 3.0 \(SET\): must be a whole number"),
    ({"overrides": {"lr": "fast"}}, r"train\.lr = 'fast' \(SET\): must be a number above 0"),
    ({"overrides": {"lr": "nan"}}, r"train\.lr = nan"),
    ({"overrides": {"lr": float("inf")}}, r"train\.lr = inf \(SET\): must be a number"),
    ({"overrides": {"optimizer": "adamm"}}, r"train\.optimizer = 'adamm' \(SET\): must be one of adam, adamw, sgd"),
    ({"overrides": {"fpn_min_stride": "5"}}, r"model\.fpn_min_stride = '5' \(SET\): must be one of 4, 8"),
    ({"overrides": {"seed": "3"}}, r"SET: seed has its own variable: SEED"),
    ({"overrides": {"run": "x"}}, r"SET: run has its own variable: RUN"),
    ({"overrides": {"classes": "x"}}, r"SET: classes has its own variable: CLASSES"),
    ({"overrides": {"weights": "none"}, "weights": "coco"}, r"model\.weights is given twice, by WEIGHTS and by SET"),
    (
        {"overrides": {"backbone": "resnet18", "weights": "coco"}},
        r"weights = coco exist for model\.backbone = resnet50 only",
    ),
    ({"seed": "-1"}, r"seed = -1 \(SEED\): must be a whole number from 0"),
    ({"seed": ""}, r"seed = '' \(SEED\)"),
    ({"device": "gpu"}, r"device = 'gpu' \(DEVICE\): must be one of auto, cpu, cuda, mps"),
    ({"num_processes": "3"}, r"train\.batch_size = 8 is not a multiple of NPROC = 3"),
    ({"num_processes": "0"}, r"num_processes = 0 \(NPROC\): must be a whole number from 1"),
    (
        {"weights": "imagnet"},
        r"model\.weights = 'imagnet' \(WEIGHTS\): there is no such file; did you mean 'imagenet'\?",
    ),
    (
        {"weights": "/no/such.pt"},
        r"'/no/such.pt' \(WEIGHTS\): there is no such file; use coco, imagenet, segmenter, none",
    ),
    (
        {"overrides": {"pseudo_labels.source": "bultin"}},
        r"pseudo_labels\.source = 'bultin' \(SET\): there is no such file; did you mean 'builtin'\?",
    ),
    ({"profile": "quik"}, r"PROFILE='quik': there is no such profile; did you mean 'quick'\?"),
    ({"profile": "../quick"}, r"PROFILE='../quick': there is no such profile"),
    *[({"name": name}, r"RUN=.*use letters, digits") for name in ("../x", ".hidden", "a/b", "a b", "x" * 81, "ü")],
    *[({"name": name}, r"RUN=.*kept for carseg's own files") for name in ("reference", "bench", "Reference")],
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_refused_in_one_line(data, arguments, message):
    with pytest.raises(CarsegError, match=message) as caught:
        Run.create(**{"data": data, **arguments})
    assert "\n" not in str(caught.value)


def test_all_bad_values_are_named_at_once(data):
    with pytest.raises(CarsegError, match=r"device = 'x' .*; train\.epochs = 0 .*; train\.lr = -1\.0 .*"):
        Run.create(data=data, overrides={"epochs": "0", "lr": "-1"}, device="x")


def test_seed_zero_is_a_seed(data):
    assert Run.create(data=data, seed=0).config.seed == 0
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
    config = Run.create(data="cars.json", weights="mine.pt", overrides={"pseudo_labels.source": "mine.pt"}).config
    assert (config.data.source, config.data_as_given) == (str((data / "cars.json").resolve()), "cars.json")
    assert config.model.weights == config.pseudo_labels.source == str((data / "mine.pt").resolve())


def test_a_table_is_made_absolute(data, monkeypatch):
    (data / "cars.csv").write_text("photo,type\n")
    monkeypatch.chdir(data)
    assert Run.create(data="cars.csv").config.data.source == str((data / "cars.csv").resolve())


def test_the_files_that_weights_and_pseudo_labels_come_from(data):
    run = Run.create(data=data, weights="segmenter")
    assert run.weights_file == run.annotator_file == builtin_segmenter()
    run = Run.create(data=data, overrides={"pseudo_labels.source": "none"})
    assert (run.weights_file, run.annotator_file) == (None, None)
    (data / "mine.pt").write_bytes(b"x")
    run = Run.create(
        data=data, weights=str(data / "mine.pt"), overrides={"pseudo_labels.source": str(data / "mine.pt")}
    )
    assert run.weights_file == run.annotator_file == (data / "mine.pt").resolve()


def test_save_and_open_give_the_same_run(data):
    run = Run.create("mine", data=data, overrides={"epochs": "3"}, seed=5)
    path = run.save()
    written = path.stat().st_mtime_ns
    assert Run.open("mine") == run
    assert run.save().stat().st_mtime_ns == written  # nothing changed, so nothing is written
    assert json.loads(path.read_text())["train"]["epochs"] == 3


def test_open_names_the_runs_there_are(data):
    Run.create("mine", data=data).save()
    with pytest.raises(CarsegError, match=r"There is no run 'other' .* the runs are: mine"):
        Run.open("other")
    (Run.open("mine").folder / "config.json").write_text('{"name": "mine"}')
    with pytest.raises(CarsegError, match="of another version"):
        Run.open("mine")


def test_a_run_under_another_runs_name_is_not_opened(data):
    path = Run.create("mine", data=data).save()
    path.write_text(path.read_text().replace('"name": "mine"', '"name": "other"'))
    with pytest.raises(CarsegError, match="of another version"):
        Run.open("mine")


def test_a_run_is_opened_on_another_device(data):
    Run.create(data=data, device="cuda").save()
    assert Run.open("quick").config.device == "cuda"
    assert Run.open("quick", device="cpu").config.device == "cpu"
    with pytest.raises(CarsegError, match=r"device = 'gpu' \(DEVICE\)"):
        Run.open("quick", device="gpu")


def test_a_run_cannot_be_changed_and_a_changed_copy_is_checked(data):
    run = Run.create(data=data)
    with pytest.raises(ValueError, match="frozen"):
        run.config.train.epochs = 3
    assert run.updated(train={"epochs": 3}).config.train.epochs == 3
    with pytest.raises(CarsegError, match=r"train\.epochs = 0"):
        run.updated(train={"epochs": 0})


def test_the_command_makes_the_same_run(data):
    run = Run.create(
        "mine",
        profile="smoke",
        data=data,
        overrides={"lr": "0.01", "train.epochs": "3", "pseudo_labels.source": "none"},
        seed=4,
        weights="none",
    )
    words = shlex.split(run.command())
    assert words[:2] == ["make", "reproduce"]
    given = dict(word.split("=", 1) for word in words[2:])
    again = Run.create(
        given["RUN"],
        profile=given["PROFILE"],
        data=given["DATA"],
        overrides=parse_overrides(given["SET"]),
        seed=given["SEED"],
        weights=given["WEIGHTS"],
    )
    assert again == run
    assert Run.create(data=data).command() == f"make reproduce DATA={shlex.quote(str(data))}"
    processes = Run.create(data=data, num_processes=2, device="cpu").command()
    assert processes.endswith("DEVICE=cpu NPROC=2")


def test_classes_are_part_of_a_run_by_their_content(data, tmp_path, monkeypatch):
    assert Run.create(data=data).config.data.classes == ClassMap()
    assert "CLASSES" not in Run.create(data=data, classes="suv sedan  convertible minivan").command()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "types.yaml"
    path.write_text("types: {suv: [jeep], sedan: []}\nleave_out: [van]")
    run = Run.create(data=data, classes="types.yaml")
    assert run.config.data.classes == ClassMap(("suv", "sedan"), (("jeep",), ()), ("van",))
    assert run.command().endswith("CLASSES=types.yaml")
    run.save()
    path.write_text("types: [suv, wagon]")
    assert Run.open(run.name).config.data.classes.resolve("Jeeps") == "suv"  # the run knows them without the file
    assert Run.create(data=data, classes="types.yaml").config.data.classes.names == ("suv", "wagon")
    given = "'station wagon'=kombi suv"
    assert Run.create(data=data, classes=given).config.data.classes.names == ("station wagon", "suv")
    words = shlex.split(Run.create(data=data, classes=given).command())
    assert f"CLASSES={given}" in words
    with pytest.raises(CarsegError, match="CLASSES=suv: a study needs two body types or more"):
        Run.create(data=data, classes="suv")


@pytest.mark.parametrize("modules", ["carseg_lib.core.run", "carseg_lib.workflow.cli, carseg_lib.workflow.pipeline"])
def test_nothing_heavy_is_imported(modules):
    code = f"import sys, {modules}; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "pandas", "numpy", "papermill", "nbformat", "nbconvert", "matplotlib"]
    out = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
