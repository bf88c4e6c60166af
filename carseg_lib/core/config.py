"""Settings: the name, type, unit and range of everything a run can be told, and the profiles that say it.

A profile (`notebooks/profiles/*.yaml`) names every setting but those that have a variable of their own on the
command line: there are no hidden defaults.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from carseg_lib.core.errors import CarsegError

# Settings with a variable of their own; a profile (or SET) gives the others.
CLI_SETTINGS = {
    "run": "RUN",
    "profile": "PROFILE",
    "data": "DATA",
    "data_as_given": "DATA",
    "types": "TYPES",
    "types_as_given": "TYPES",
    "seed": "SEED",
    "device": "DEVICE",
    "workers": "WORKERS",
}


def project_folder() -> Path:
    """The repository: the folder that holds `carseg_lib` and `notebooks`."""
    return Path(__file__).resolve().parents[2]


def profiles_folder() -> Path:
    """Where the profiles live."""
    return project_folder() / "notebooks" / "profiles"


def _setting(section: str, description: str, **limits: Any) -> Any:
    return Field(description=description, json_schema_extra={"section": section}, **limits)


class Settings(BaseModel):
    """Every setting of one run. Frozen; unknown names, wrong types and values out of range are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    run: str = _setting("run", "name of the run, and of its folder under reports/")
    profile: str = _setting("evaluation", "name of the profile the values came from")
    data: str = _setting(
        "data",
        "absolute path of the photos: a folder, or an annotation file; or `rendered`, or `kaggle:...@version`",
    )
    data_as_given: str = _setting("run", "the same as the user wrote it")
    types: str = _setting("data", "the body types in order, each with its other names; or `folders`")
    types_as_given: str = _setting("run", "the same as the user wrote it")

    teacher: str = _setting(
        "preprocessing",
        "who draws masks for photos without: shipped, coco, grabcut, none, or a run's best.pt",
        min_length=1,
    )
    least_mask_quality: float = _setting(
        "preprocessing", "quality below which a photo with a teacher's mask is left out", ge=0, le=1
    )
    photos_per_split: int = _setting("preprocessing", "photos kept of each split; 0 keeps all", ge=0)
    seed: int = _setting("preprocessing", "seed of every random choice; 0 is a seed", ge=0, le=2**32 - 1)
    image_height: int = _setting(
        "preprocessing", "height of what the network sees, pixels", ge=64, le=1024, multiple_of=32
    )
    image_width: int = _setting(
        "preprocessing", "width of what the network sees, pixels", ge=64, le=1024, multiple_of=32
    )
    augmentation: Literal["rotate_and_flip", "quarter_turns", "flip_only", "none"] = _setting(
        "preprocessing", "reading of the paper's 'flipped using an interval of [-90, 90]'"
    )
    rotation_degrees: float = _setting("preprocessing", "largest rotation either way, degrees", ge=0, le=90)
    crop_scale: float = _setting(
        "preprocessing", "smallest share of the photo's area a random crop keeps; 1 = no crop", gt=0, le=1
    )
    flip_probability: float = _setting("preprocessing", "chance of a horizontal flip", ge=0, le=1)

    colour_jitter: float = _setting(
        "preprocessing", "largest change of brightness, contrast and saturation, as a share", ge=0, lt=1
    )

    backbone: str = _setting("model", "name of the feature extractor", min_length=1, max_length=100)
    weights: str = _setting(
        "model", "first weights: coco, imagenet, segmenter, none, or a path", min_length=1
    )
    fpn_channels: int = _setting("model", "channels of each level of the feature pyramid", ge=8, le=1024)
    fpn_finest_stride: Literal[4, 8] = _setting("model", "stride of the pyramid's finest level, pixels")
    rpn_samples: int = _setting("model", "anchors scored a photo in the proposals' loss", ge=2, le=4096)
    proposals: int = _setting("model", "proposals kept a photo", ge=1, le=4000)
    roi_samples: int = _setting("model", "proposals scored a photo in the heads' loss", ge=2, le=4096)
    type_features: Literal["pyramid", "backbone"] = _setting(
        "model", "what a type is read from: the pyramid, or the backbone's last layer"
    )
    roi_positive_fraction: float = _setting(
        "model", "largest share of those that may show a car; the others are background", gt=0, le=1
    )
    box_jitter: float = _setting(
        "model",
        "the heads also learn from labelled boxes moved by at most this share of their sides; 0 = not",
        ge=0,
        le=0.5,
    )
    box_head_width: int = _setting("model", "units of the box head's hidden layers", ge=8, le=4096)
    mask_head_channels: int = _setting("model", "channels of the mask head", ge=4, le=1024)
    mask_head_layers: int = _setting("model", "convolutions of the mask head", ge=1, le=8)

    epochs: int = _setting("training", "passes over the training photos", ge=1, le=1000)
    batch_size: int = _setting("training", "photos a step, over all processes", ge=1, le=1024)
    class_balance: float = _setting(
        "training",
        "0: every photo comes once an epoch; 1: every body type as often as the others",
        ge=0,
        le=1,
    )
    optimizer: Literal["adam", "adamw", "sgd"] = _setting("training", "optimiser")
    lr: float = _setting("training", "peak learning rate", gt=0, le=10)
    backbone_lr_share: float = _setting("training", "the backbone's share of the learning rate", gt=0, le=1)
    weight_decay: float = _setting("training", "weight decay", ge=0, le=1)
    schedule: Literal["constant", "cosine"] = _setting("training", "learning rate after the warm-up")
    warmup_fraction: float = _setting("training", "share of the steps that raise the rate", ge=0, lt=1)
    clip_norm: float = _setting("training", "largest norm of the gradients; 0 = off", ge=0, le=1000)
    average_decay: float = _setting(
        "training", "share of the average of the weights that a step keeps; 0 = no average", ge=0, lt=1
    )
    type_smoothing: float = _setting(
        "training", "share of a car's label that is spread over all types (label smoothing)", ge=0, lt=1
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = _setting(
        "training",
        "number format: bf16-mixed, 32-true, or auto: bf16-mixed where the machine multiplies in it",
    )
    loader_workers: int = _setting("training", "processes that read photos ahead; 0 = none", ge=0, le=64)
    photo_cache_gb: float = _setting(
        "training", "disk space for photos decoded once for all epochs, GB; 0 = none", ge=0, le=10_000
    )
    training_sample: int = _setting("training", "training photos that measure training accuracy", ge=1)
    frozen_stages: int = _setting(
        "training", "first stages of the backbone that are not trained; 0 where weights=none", ge=0, le=5
    )
    depthwise: Literal["trained", "frozen"] = _setting(
        "training", "the backbone's depthwise kernels, slow to train on a CPU; trained where weights=none"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = _setting("training", "where it runs")
    workers: int = _setting("training", "training processes", ge=1, le=64)

    score_threshold: float = _setting("training", "lowest score of a detection that is kept", ge=0, lt=1)
    nms_threshold: float = _setting("training", "box IoU that makes two detections one car", gt=0, le=1)
    detections_per_photo: int = _setting("training", "detections kept a photo", ge=1, le=1000)
    views: Literal[1, 2] = _setting(
        "evaluation",
        "times a trained network looks at a photo for its answer: 1, or 2, the second time mirrored",
    )
    bootstrap_samples: int = _setting("evaluation", "resamplings of each 95% interval", ge=100, le=100_000)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of what the network sees, pixels."""
        return self.image_height, self.image_width

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.batch_size % self.workers:
            raise ValueError(
                f"batch_size = {self.batch_size} is not a multiple of WORKERS = {self.workers}: "
                "each process takes an equal share of a batch"
            )
        if self.weights == "coco" and self.backbone != "resnet50":
            raise ValueError(
                f"weights = coco exist for backbone = resnet50 only, not {self.backbone!r}: "
                "take another of the two, for instance WEIGHTS=imagenet"
            )
        return self


def _sections() -> dict[str, tuple[str, ...]]:
    sections: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        sections.setdefault(field.json_schema_extra["section"], []).append(name)
    return {section: tuple(names) for section, names in sections.items()}


SECTIONS = _sections()


def profile_names() -> list[str]:
    """The settings that a profile gives."""
    return [name for name in Settings.model_fields if name not in CLI_SETTINGS]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = list(known)
    lowered = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return f"; did you mean {lowered[near[0]]!r}?" if near else f"; known are: {', '.join(known)}."


def parse_overrides(text: str) -> dict[str, str]:
    """Read the text of SET, `"epochs=3 lr=0.001"`, into names and values; quotes work as in a shell.

    Raises:
        CarsegError: a part is not name=value, or a name stands twice.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise CarsegError(f"SET={text!r} cannot be read: {str(error).lower()}.") from error
    settings: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise CarsegError(f'SET: {part!r} is not name=value. Write SET="epochs=3 lr=0.001".')
        if name in settings:
            raise CarsegError(f"SET: {name} is given twice.")
        settings[name] = value
    return settings


def profile_path(profile: str) -> Path:
    """The YAML file of a profile.

    Raises:
        CarsegError: there is none; the message names the near match.
    """
    known = sorted(path.stem for path in profiles_folder().glob("*.yaml"))
    if profile not in known:
        raise CarsegError(f"PROFILE={profile!r}: there is no such profile{did_you_mean(profile, known)}")
    return profiles_folder() / f"{profile}.yaml"


def read_profile(profile: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Read a profile's values, and the row of each in its file.

    Raises:
        CarsegError: no such profile, no valid YAML, or a name that is unknown, missing or given twice.
    """
    path = profile_path(profile)
    shown = f"notebooks/profiles/{path.name}"
    text = path.read_text(encoding="utf-8")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise CarsegError(f"{shown} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise CarsegError(f"{shown} must hold lines of the form name: value.")
    rows: dict[str, int] = {}
    for key, _ in node.value:
        name, row = str(key.value), key.start_mark.line + 1
        if name in rows:
            raise CarsegError(f"{shown} row {row}: {name} stands twice (first in row {rows[name]}).")
        if name not in profile_names():
            near = did_you_mean(name, profile_names())
            raise CarsegError(f"{shown} row {row}: there is no parameter {name!r}{near}")
        rows[name] = row
    if missing := [name for name in profile_names() if name not in rows]:
        raise CarsegError(f"{shown} lacks {', '.join(missing)}: a profile names every parameter.")
    # YAML reads 1e-3 (no dot) as text: numbers written so are taken as the numbers they look like.
    fields = Settings.model_fields
    values = {n: read_as(fields[n], v) if fields[n].annotation is float else v for n, v in values.items()}
    return values, rows


def read_as(field: FieldInfo, value: Any) -> Any:
    """Text as the number its setting wants; other values stay as they are, for the check to refuse."""
    if not isinstance(value, str):
        return value
    kinds = {type(choice) for choice in get_args(field.annotation)} or {field.annotation}
    if kinds == {int} and re.fullmatch(r"[+-]?\d{1,18}", value):
        return int(value)
    if kinds == {float} and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value):
        return float(value)
    return value


def describe_range(field: FieldInfo) -> str:
    """What values a setting takes, in words: "a whole number from 1 to 1000"."""
    if choices := get_args(field.annotation):
        return "one of " + ", ".join(str(choice) for choice in choices)
    if field.annotation is str:
        return "a text"
    keys = ("ge", "gt", "le", "lt")
    limits = {key: getattr(limit, key) for limit in field.metadata for key in keys if hasattr(limit, key)}
    words = ["a whole number" if field.annotation is int else "a number"]
    words += [f"{text} {limits[key]:,}" for key, text in (("ge", "from"), ("gt", "above")) if key in limits]
    words += [f"{text} {limits[key]:,}" for key, text in (("le", "up to"), ("lt", "below")) if key in limits]
    words += [f"in steps of {m.multiple_of}" for m in field.metadata if hasattr(m, "multiple_of")]
    return " ".join(words)


_AnySettings = TypeVar("_AnySettings", bound=Settings)


def validate(kind: type[_AnySettings], values: Mapping[str, Any], where: Mapping[str, str]) -> _AnySettings:
    """Check the values of all settings.

    Args:
        kind: the class to make.
        values: the settings by name.
        where: for each name, the place its value came from.

    Raises:
        CarsegError: one line with every value that is refused, its place and what is allowed.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = []
        for problem in error.errors():
            name = str(problem["loc"][0]) if problem["loc"] else ""
            if not name:  # a check of several settings together
                problems.append(problem["msg"].removeprefix("Value error, "))
                continue
            limits = describe_range(Settings.model_fields[name])
            problems.append(f"{name} = {values[name]!r} ({where.get(name, 'study')}): must be {limits}")
        raise CarsegError("; ".join(problems) + ".") from error
