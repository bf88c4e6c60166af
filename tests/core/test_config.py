"""carseg_lib.core.config: the settings of a run, their ranges, and what is refused."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from carseg_lib.core.classes import ClassMap
from carseg_lib.core.config import PARTS, InputConfig, RunConfig, TrainConfig, field_of, fields, validate
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.setting_values import describe_range, parse_value
from carseg_lib.paper.claims import claim


def config_of(**changes):
    return RunConfig(name="mine", profile="quick").updated(**changes)


def test_the_parts_and_their_settings():
    assert list(PARTS) == ["data", "pseudo_labels", "inputs", "model", "train", "eval"]
    named = dict(fields())
    assert set(named) == {f"{part}.{name}" for part, kind in PARTS.items() for name in kind.model_fields}
    assert field_of("train.lr") is TrainConfig.model_fields["lr"]
    assert field_of("seed") is RunConfig.model_fields["seed"]
    with pytest.raises(KeyError):
        field_of("train.no_such_setting")


def test_every_setting_says_what_it_is_and_has_a_default():
    assert all(field.description and not field.is_required() for _, field in fields())
    assert all(field.description for name, field in RunConfig.model_fields.items() if name not in PARTS)


def test_the_defaults_are_the_papers():
    config = config_of()
    assert config.inputs.size == (claim("input size").value,) * 2 == (224, 224)
    assert config.train.batch_size == claim("batch size").value == 8
    assert config.train.lr == claim("learning rate").value == 0.002
    assert config.train.epochs == claim("epochs").value == 30
    assert (config.train.optimizer, config.train.lr_schedule) == ("adam", "constant")
    assert (config.train.weight_decay, config.train.max_grad_norm) == (0.0, 0.0)
    assert (config.model.backbone, config.model.weights, config.model.precision) == ("resnet50", "coco", "32-true")
    assert (config.inputs.augmentation, config.inputs.max_rotation) == ("rotate_and_flip", 90.0)
    assert config.data.classes == ClassMap()


def test_a_configuration_cannot_be_changed():
    config = config_of()
    with pytest.raises(ValidationError, match="frozen"):
        config.train.epochs = 3
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 3


def test_an_updated_configuration_is_checked_as_a_whole():
    config = config_of()
    changed = config.updated(train={"epochs": 3}, seed=5)
    assert (changed.train.epochs, changed.seed, changed.train.lr) == (3, 5, config.train.lr)
    assert config.train.epochs == 30
    with pytest.raises(CarsegError, match=r"train\.epochs = 0 .*must be a whole number from 1 up to 1,000"):
        config.updated(train={"epochs": 0})
    with pytest.raises(CarsegError, match=r"model\.weights = coco exist for model\.backbone = resnet50 only"):
        config.updated(model={"backbone": "resnet18"})
    with pytest.raises(CarsegError, match=r"train\.epoch = 3 .*there is no such setting"):
        config.updated(train={"epoch": 3})


def test_processes_share_a_batch_evenly():
    with pytest.raises(CarsegError, match=r"train\.batch_size = 8 is not a multiple of NPROC = 3"):
        config_of(num_processes=3)
    assert config_of(num_processes=2).num_processes == 2


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("train.epochs", "3", 3),
        ("train.lr", "1e-3", 0.001),
        ("model.fpn_min_stride", "4", 4),
        ("model.freeze_depthwise", "true", True),
        ("train.optimizer", "sgd", "sgd"),
        ("model.backbone", "12", "12"),
        ("train.epochs", "2.5", "2.5"),
        ("train.lr", "fast", "fast"),
        ("train.epochs", 3.0, 3.0),
    ],
)
def test_text_is_read_as_the_type_of_its_setting(name, text, value):
    read = parse_value(field_of(name), text)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train.epochs", "a whole number from 1 up to 1,000"),
        ("inputs.width", "a whole number from 64 up to 1,024 in steps of 32"),
        ("train.lr", "a number above 0 up to 10"),
        ("train.momentum", "a number from 0 below 1"),
        ("train.optimizer", "one of adam, adamw, sgd"),
        ("model.fpn_min_stride", "one of 4, 8"),
        ("model.freeze_depthwise", "true or false"),
        ("model.backbone", "a text"),
    ],
)
def test_ranges_in_words(name, words):
    assert describe_range(field_of(name)) == words


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 100}, r"height = 100 \(here\): must be a whole number from 64"),
        ({"height": 224.0}, r"height = 224\.0"),
        ({"height": True}, r"height = True"),
        ({"hflip_prob": float("nan")}, r"hflip_prob = nan"),
        ({"max_rotation": float("inf")}, r"max_rotation = inf"),
        ({"size": 3}, r"size = 3 .*there is no such setting"),
    ],
)
def test_a_part_alone_refuses_by_the_same_rules(values, message):
    with pytest.raises(CarsegError, match=message) as caught:
        validate(InputConfig, values, {"height": "here"})
    assert "\n" not in str(caught.value)


def test_select_gives_settings_by_their_dotted_name():
    config = config_of(seed=7)
    assert config.select("data") == {
        "data.source": "rendered",
        "data.classes": "suv sedan convertible minivan",
        "data.split_by": "photo",
        "data.unlabelled": "exclude",
        "data.format": "auto",
    }
    assert config.select("seed", "train.lr") == {"seed": 7, "train.lr": 0.002}
    inputs = config.select("inputs")
    assert set(inputs) == {f"inputs.{name}" for name in InputConfig.model_fields}
    assert not set(inputs) & set(config.select("model", "train", "eval"))
    assert json.loads(json.dumps(config.select(*PARTS))) == config.select(*PARTS)  # plain values


def test_json_holds_all_of_a_configuration():
    classes = ClassMap(("suv", "wagon"), (("jeep",), ()), ("van",))
    config = config_of(data={"classes": classes}, classes_as_given="types.yaml", seed=3)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    waiting = config_of(data={"classes": ClassMap.parse("folders")})
    assert RunConfig.model_validate_json(waiting.model_dump_json()) == waiting
