"""Profiles (`notebooks/profiles/*.yaml`) and SET, which give the values of a configuration.

A profile is a YAML file with a mapping for each part of the configuration; what it does not name has its default. SET
changes single settings: `SET="epochs=3"` while the short name is unique, `SET="train.epochs=3"` always.
"""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from carseg_lib.core.config import PARTS, field_of, fields
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.paths import project_folder
from carseg_lib.core.setting_values import parse_value

# Settings with a variable of their own on the command line; a profile or SET gives the others.
CLI_SETTINGS = {
    "run": "RUN",
    "profile": "PROFILE",
    "data": "DATA",
    "data.source": "DATA",
    "classes": "CLASSES",
    "data.classes": "CLASSES",
    "eval.negatives": "NEGATIVES",
    "seed": "SEED",
    "device": "DEVICE",
    "num_processes": "NPROC",
}

# Names of settings before version 0.2, and what to write instead.
RENAMED = {
    "teacher": "pseudo_labels.source",
    "least_mask_quality": "min_quality",
    "photos_per_split": "max_images_per_split",
    "image_height": "height",
    "image_width": "width",
    "rotation_degrees": "max_rotation",
    "crop_scale": "min_crop_scale",
    "flip_probability": "hflip_prob",
    "colour_jitter": "color_jitter",
    "loader_workers": "num_workers",
    "photo_cache_gb": "cache_gb",
    "fpn_channels": "fpn_out_channels",
    "fpn_finest_stride": "fpn_min_stride",
    "rpn_samples": "rpn_batch_size_per_image",
    "proposals": "rpn_post_nms_top_n",
    "roi_samples": "box_batch_size_per_image",
    "roi_positive_fraction": "box_positive_fraction",
    "type_features": "class_features",
    "box_jitter": "gt_box_jitter",
    "box_head_width": "box_head_dim",
    "depthwise": "freeze_depthwise (true or false)",
    "type_smoothing": "label_smoothing",
    "nms_threshold": "class_agnostic_nms_iou",
    "detections_per_photo": "max_detections",
    "backbone_lr_share": "backbone_lr_mult",
    "schedule": "lr_schedule",
    "warmup_fraction": "warmup_ratio",
    "clip_norm": "max_grad_norm",
    "average_decay": "ema_decay",
    "training_sample": "train_eval_size",
    "views": "tta (none or hflip)",
    "types": "CLASSES, a variable of its own",
    "workers": "NPROC, a variable of its own",
}


def profiles_folder() -> Path:
    """The folder of the profiles."""
    return project_folder() / "notebooks" / "profiles"


def setting_names() -> list[str]:
    """The dotted names of the settings that a profile may give."""
    return [name for name, _ in fields() if name not in CLI_SETTINGS]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = list(known)
    spelled = {spelling.lower(): other for other in known for spelling in (other, other.rpartition(".")[2])}
    near = difflib.get_close_matches(name.lower(), spelled, n=1)
    return f"; did you mean {spelled[near[0]]!r}?" if near else f"; known are: {', '.join(known)}."


def resolve_name(name: str, where: str) -> str:
    """The dotted name of a setting that is given by it or, while that is unique, by its short name.

    `where` is for the message: "SET", or a profile and its row.

    Raises:
        CarsegError: there is no such setting, it has another name or another part now, several settings have that
            short name, or it has a variable of its own.
    """
    known, short = setting_names(), name.rpartition(".")[2]
    if name in known:
        return name
    for own in (name, short):
        if own in CLI_SETTINGS:
            raise CarsegError(f"{where}: {own} has its own variable: {CLI_SETTINGS[own]}.")
    found = [other for other, _ in fields() if other.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise CarsegError(f"{where}: {name!r} may be {' or '.join(found)}: write one of them.")
    if short in RENAMED:
        raise CarsegError(f"{where}: {short} has another name now: {RENAMED[short]}.")
    elsewhere = [other for other in known if other.rpartition(".")[2] == short]
    if elsewhere and name.partition(".")[0] in PARTS:
        part = " or ".join(other.partition(".")[0] for other in elsewhere)
        raise CarsegError(f"{where}: {short} belongs into the part {part}: write {' or '.join(elsewhere)}.")
    raise CarsegError(f"{where}: there is no setting {name!r}{did_you_mean(name, known)}")


def parse_overrides(text: str) -> dict[str, str]:
    """Read the text of SET, `"epochs=3 train.lr=0.001"`, into names and values; quotes work as in a shell.

    Raises:
        CarsegError: a part is not name=value, or a name is given twice.
    """
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise CarsegError(f"SET={text!r} cannot be read: {str(error).lower()}.") from error
    values: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise CarsegError(f'SET: {part!r} is not name=value. Write SET="epochs=3 lr=0.001".')
        if name in values:
            raise CarsegError(f"SET: {name} is given twice.")
        values[name] = value
    return values


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
    """Read a profile's values, and the row of each in its file, both by dotted name.

    Raises:
        CarsegError: no such profile, no valid YAML, or a name that is unknown, in another part, or given twice.
    """
    path = profile_path(profile)
    shown = f"notebooks/profiles/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
        node, content = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CarsegError(f"{shown} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(node, yaml.MappingNode):
        raise CarsegError(f"{shown} must hold a mapping for each part: {', '.join(PARTS)}.")
    values: dict[str, Any] = {}
    rows: dict[str, int] = {}
    seen: dict[str, int] = {}
    for key, _ in node.value:
        _refuse_twice(shown, seen, str(key.value), key.start_mark.line + 1)
    for key, part_node in node.value:
        part, row = str(key.value), key.start_mark.line + 1
        if part not in PARTS:
            resolved = resolve_name(part, f"{shown} row {row}")  # raises unless it is a setting
            raise CarsegError(f"{shown} row {row}: {part} belongs into the part {resolved.partition('.')[0]}.")
        if not isinstance(part_node, yaml.MappingNode):
            raise CarsegError(f"{shown} row {row}: {part} must hold lines of the form name: value.")
        for name_key, _ in part_node.value:
            setting, row = str(name_key.value), name_key.start_mark.line + 1
            name = resolve_name(f"{part}.{setting}", f"{shown} row {row}")
            _refuse_twice(shown, seen, name, row)
            # YAML reads 1e-3 (no dot) as text: numbers written so are taken as the numbers they look like.
            field, value = field_of(name), content[part][name_key.value]
            values[name] = parse_value(field, value) if field.annotation is float else value
            rows[name] = row
    return values, rows


def _refuse_twice(shown: str, seen: dict[str, int], name: str, row: int) -> None:
    if name in seen:
        raise CarsegError(f"{shown} row {row}: {name} is given twice (first in row {seen[name]}).")
    seen[name] = row


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name as the nested mapping that a configuration is made from."""
    parts: dict[str, Any] = {}
    for name, value in values.items():
        part, _, setting = name.partition(".")
        if setting:
            parts.setdefault(part, {})[setting] = value
        else:
            parts[name] = value
    return parts
