"""carseg_lib.core.profiles: profiles, SET, and the names that settings may be given by."""

from __future__ import annotations

import pytest
import yaml

from carseg_lib.core.config import PARTS, field_of, fields
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.profiles import (
    CLI_SETTINGS,
    RENAMED,
    did_you_mean,
    nested,
    parse_overrides,
    profile_path,
    profiles_folder,
    read_profile,
    resolve_name,
    setting_names,
)
from carseg_lib.core.run import Run

PROFILES = sorted(path.stem for path in profiles_folder().glob("*.yaml"))


def test_the_profiles_there_are():
    assert PROFILES == ["best", "paper", "quick", "segmenter", "smoke"]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_makes_a_run(data, profile):
    values, rows = read_profile(profile)
    assert set(values) == set(rows) <= set(setting_names())
    run = Run.create(profile=profile, data=data)
    config = run.config
    assert (run.name, config.profile, config.seed, config.device, config.num_processes) == (
        profile,
        profile,
        0,
        "auto",
        1,
    )
    assert config.data.source == str(data.resolve())
    chosen = config.select(*PARTS)
    assert {name: chosen[name] for name in values} == values
    assert run.changes() == {}


def test_a_setting_that_a_profile_does_not_name_has_its_default(data, own_profiles):
    text = (own_profiles / "quick.yaml").read_text()
    (own_profiles / "quick.yaml").write_text(text.replace("lr_schedule: cosine", ""))
    run = Run.create(data=data)
    assert run.config.train.lr_schedule == "constant" == field_of("train.lr_schedule").default
    assert run.changes() == {}


def test_the_paper_profile_is_the_defaults_and_names_what_the_paper_says():
    values, _ = read_profile("paper")
    assert values == {name: field_of(name).default for name in values}
    assert {
        "inputs.height",
        "inputs.width",
        "inputs.augmentation",
        "inputs.max_rotation",
        "model.backbone",
        "model.weights",
        "train.epochs",
        "train.batch_size",
        "train.optimizer",
        "train.lr",
    } <= set(values)


def test_a_short_name_or_the_dotted_one():
    for name in setting_names():
        part, _, short = name.partition(".")
        assert resolve_name(name, "SET") == name
        if short != "source":
            assert resolve_name(short, "SET") == name, part
    assert resolve_name("epochs", "SET") == "train.epochs"
    assert resolve_name("weights", "SET") == "model.weights"


def test_a_short_name_of_two_settings_is_refused():
    shorts = [name.rpartition(".")[2] for name, _ in fields()]
    assert {short for short in shorts if shorts.count(short) > 1} == {"source"}
    with pytest.raises(CarsegError) as caught:
        resolve_name("source", "SET")
    assert str(caught.value) == "SET: 'source' may be data.source or pseudo_labels.source: write one of them."
    assert resolve_name("pseudo_labels.source", "SET") == "pseudo_labels.source"
    with pytest.raises(CarsegError, match=r"SET: data\.source has its own variable: DATA"):
        resolve_name("data.source", "SET")


@pytest.mark.parametrize("old", RENAMED)
def test_a_former_name_is_refused_with_the_present_one(data, old):
    new = RENAMED[old].split()[0].rstrip(",")
    assert new in CLI_SETTINGS.values() or resolve_name(new, "SET") in setting_names()
    assert old not in {name.rpartition(".")[2] for name, _ in fields()}
    if new in CLI_SETTINGS.values():
        assert new in RENAMED[old] and "variable of its own" in RENAMED[old]
    with pytest.raises(CarsegError) as caught:
        Run.create(data=data, overrides={old: "1"})
    assert str(caught.value) == f"SET: {old} has another name now: {RENAMED[old]}."


@pytest.mark.parametrize("setting", sorted(set(CLI_SETTINGS)))
def test_a_setting_with_a_variable_of_its_own_is_not_set(data, setting):
    with pytest.raises(CarsegError, match=f"SET: {setting} has its own variable: {CLI_SETTINGS[setting]}"):
        Run.create(data=data, overrides={setting: "x"})


def test_near_names():
    assert did_you_mean("epoch", setting_names()) == "; did you mean 'train.epochs'?"
    assert did_you_mean("LR", setting_names()) == "; did you mean 'train.lr'?"
    assert did_you_mean("zzz", ["a.b", "c"]) == "; known are: a.b, c."
    with pytest.raises(CarsegError, match=r"row 3: there is no setting 'train\.epoch'; did you mean 'train\.ep"):
        resolve_name("train.epoch", "row 3")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("epochs: ", "epoch: "),
            r"quick\.yaml row \d+: there is no setting 'train\.epoch'; did you mean 'train\.epochs'",
        ),
        (("hflip_prob: ", "flip_probability: "), r"row \d+: flip_probability has another name now: hflip_prob"),
        (("batch_size: 8", "batch_size: 8\n  batch_size: 4"), r"row \d+: train\.batch_size is given twice \(first in"),
        (("\neval:\n", "\ntrain:\n"), r"row \d+: train is given twice \(first in row \d+\)"),
        (("batch_size: 8", 'batch_size: "8"'), r"batch_size = '8' \(quick\.yaml row \d+\): must be a whole number"),
        (("batch_size: 8", "batch_size: true"), r"batch_size = True"),
        (("batch_size: 8", "min_quality: 0.5"), r"row \d+: min_quality belongs into the part pseudo_labels: write p"),
        (("batch_size: 8", "height: 224"), r"row \d+: height belongs into the part inputs"),
        (("batch_size: 8", "seed: 8"), r"row \d+: seed has its own variable: SEED"),
        (("optimizer: adamw", "optimizer: [adamw"), r"quick\.yaml is not valid YAML"),
        (("\ntrain:", "\nepochs: 3\ntrain:"), r"row \d+: epochs belongs into the part train"),
        (("\ntrain:", "\ntraining:"), r"row \d+: there is no setting 'training'"),
        (("  source: builtin", "  sauce: builtin"), r"row \d+: there is no setting 'pseudo_labels\.sauce'"),
    ],
)
def test_a_broken_profile_is_refused(data, own_profiles, change, message):
    text = (own_profiles / "quick.yaml").read_text()
    assert change[0] in text
    (own_profiles / "quick.yaml").write_text(text.replace(*change))
    with pytest.raises(CarsegError, match=message) as caught:
        Run.create(data=data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"quick\.yaml must hold a mapping for each part: data, pseudo_labels, inputs, model, train, eval"),
        ("[train]", "must hold a mapping for each part"),
        ("train: 3", r"quick\.yaml row 1: train must hold lines of the form name: value"),
    ],
)
def test_a_profile_of_another_form_is_refused(data, own_profiles, text, message):
    (own_profiles / "quick.yaml").write_text(text)
    with pytest.raises(CarsegError, match=message):
        Run.create(data=data)


def test_the_row_named_is_the_row_in_the_file(data, own_profiles):
    text = (own_profiles / "quick.yaml").read_text()
    row = text[: text.index("  width: 224")].count("\n") + 1
    (own_profiles / "quick.yaml").write_text(text.replace("width: 224", "width: 225"))
    with pytest.raises(
        CarsegError,
        match=rf"inputs\.width = 225 \(quick\.yaml row {row}\): must be .* from 64 up to 1,024 in steps of 32",
    ):
        Run.create(data=data)


def test_1e_3_in_yaml_is_a_number(data, own_profiles):
    text = (own_profiles / "quick.yaml").read_text()
    assert "  lr: 0.0007" in text and yaml.safe_load("1e-3") == "1e-3"
    (own_profiles / "quick.yaml").write_text(text.replace("  lr: 0.0007", "  lr: 1e-3"))
    assert Run.create(data=data).config.train.lr == 0.001


@pytest.mark.parametrize("profile", ["quik", "../quick"])
def test_a_profile_that_does_not_exist(profile):
    with pytest.raises(CarsegError, match=f"PROFILE='{profile}': there is no such profile"):
        profile_path(profile)


@pytest.mark.parametrize("text", ["epochs", "=3", "epochs=", "epochs=3 lr"])
def test_set_that_is_no_assignment(text):
    with pytest.raises(CarsegError, match="is not name=value"):
        parse_overrides(text)


def test_set_is_split_as_in_a_shell():
    assert parse_overrides("  weights='my file.pt'  train.epochs=3 ") == {"weights": "my file.pt", "train.epochs": "3"}
    assert parse_overrides("") == {}
    with pytest.raises(CarsegError, match="given twice"):
        parse_overrides("epochs=3 epochs=4")
    with pytest.raises(CarsegError, match="cannot be read"):
        parse_overrides("weights='open")


def test_dotted_names_are_nested():
    assert nested({"train.lr": 1, "train.epochs": 2, "seed": 3, "data.source": "x"}) == {
        "train": {"lr": 1, "epochs": 2},
        "seed": 3,
        "data": {"source": "x"},
    }
