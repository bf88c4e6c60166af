"""The paper's settings compared with a run's: same, different, or not given in the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from carseg_lib.core.formatting import percent
from carseg_lib.paper import claims


@dataclass(frozen=True)
class Difference:
    """A setting in the paper and in a run."""

    what: str
    paper: str
    ours: str
    state: str  # same | differs | not stated


def augmentation(inputs: Mapping[str, Any]) -> tuple[str, bool]:
    """The random steps of a run's `inputs` in words, and whether they are the paper's: rotation, flip and crop."""
    kind, degrees = inputs["augmentation"], inputs["max_rotation"]
    if kind == "none":
        return "none", False
    steps = []
    if inputs["min_crop_scale"] < 1:
        steps.append(f"crop to {percent(inputs['min_crop_scale'], 0)} of the photo's area or more")
    if kind == "rotate_and_flip" and degrees > 0:
        steps.append(f"rotation within ±{degrees:g}°")
    elif kind == "quarter_turns":
        steps.append("quarter turns by −90°, 0° or 90°")
    if inputs["hflip_prob"] > 0:
        steps.append(f"horizontal flip with probability {inputs['hflip_prob']:g}")
    turned = kind == "quarter_turns" or (kind == "rotate_and_flip" and degrees == 90)
    same = turned and inputs["min_crop_scale"] < 1 and inputs["hflip_prob"] > 0
    return ", ".join(steps) or "none", same


def differences(
    config: Mapping[str, Any] | None, metrics: Mapping[str, Any], photos: pd.DataFrame | None
) -> list[Difference]:
    """The settings of the paper and of a run.

    Args:
        config: config.json of the run, if there is one.
        metrics: Its metrics.json.
        photos: The photos of its catalogue, if there are any.
    """
    data, run = metrics["data"], metrics["run"]
    settings = dict(run)
    for part in ("inputs", "model", "train"):
        settings |= (config or {}).get(part, {})
    rows: list[Difference] = []

    def add(what: str, claimed: str, ours: str, same: bool | None) -> None:
        state = "not stated" if same is None else ("same" if same else "differs")
        rows.append(Difference(what, claimed, ours, state))

    add("Data", "a set from Kaggle, neither named nor linked", str(data["name"]), None)
    for split, what in (("train", "training photos"), ("validation", "validation photos"), ("test", "test photos")):
        counts = data.get("counts", {}).get(split) or {}
        n = sum(counts.values())
        add(what.capitalize(), claims.claim(what).printed, f"{n:,}", n == claims.claim(what).value)
    if photos is not None and len(photos):
        sizes = (photos["width"].astype(str) + " × " + photos["height"].astype(str)).value_counts()
        share = sizes.iloc[0] / len(photos)
        most = sizes.index[0]
        text = f"{most}, all" if share == 1 else f"{most} for {percent(share, 0)}, {len(sizes):,} sizes"
        add("Photo size, pixels", "240 × 160, all", text, share == 1 and most == "240 × 160")
    add("Boxes", "not stated", str(data["boxes"]), None)
    add("Masks", "not stated", str(data["masks"]), None)

    def setting(name: str, what: str, claimed: str, *, form: str = "{}") -> None:
        if name in settings:
            value = settings[name]
            same = value == claims.claim(_CLAIM[name]).value if name in _CLAIM else None
            add(what, claimed, form.format(value), same)

    if "image_width" in settings:
        width, height, claimed = settings["image_width"], settings["image_height"], claims.claim("input size")
        add("Image size, pixels", claimed.printed, f"{width} × {height}", width == height == claimed.value)
    if config is not None and "inputs" in config:
        text, same = augmentation(config["inputs"])
        paper = "crop (III, not V), rotation within ±90° (or a flip “in” it), horizontal flip"
        add("Augmentation", paper, text, same)
    if "min_visible" in settings:
        photo, car = (percent(settings[name], 0) for name in ("min_crop_scale", "min_visible"))
        add("Part kept by a crop", "not stated", f"at least {photo} of the photo and {car} of the car", None)
    setting("hflip_prob", "Probability of a flip", "not stated", form="{:g}")
    if "architecture" in settings:  # the title says one thing, V's "surrogate soft max classifier" may mean another
        network = {"mask_rcnn": ("Mask R-CNN", True)}.get(settings["architecture"], ("an image classifier", None))
        add("Network", "Mask R-CNN, with a “soft max classifier in a newly added layer”", *network)
    setting("backbone", "Backbone", "not stated (“DenseNet, Google Net, and Resnet can be employed”)")
    if "weights" in settings:
        known = {
            "coco": ("Mask R-CNN trained on COCO", True),
            "imagenet": ("backbone trained on ImageNet, the rest untrained", False),
            "none": ("none, from scratch", False),
        }
        weights = known.get(settings["weights"], ("a checkpoint of the user's", None))
        add("Initial weights", "a pre-trained Mask R-CNN", *weights)
    if "class_balance" in settings:
        balance = settings["class_balance"]
        balanced = f"class balancing: {balance:g} (0 = none, 1 = full)" if balance else "as they are"
        add("Classes", "not stated", balanced, None)
    if "trainable" in settings:
        trained = "the new layers alone" if settings["trainable"] == "new_layers" else "all that are not frozen"
        add("Layers that are trained", "not stated", trained, None)
    setting("frozen_stages", "Stages of the backbone that are not trained", "not stated")
    setting("batch_size", "Batch size", claims.claim("batch size").printed)
    if "optimizer" in settings:
        optimizer = str(settings["optimizer"])
        name = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}.get(optimizer, optimizer)
        add("Optimiser", "Adam", name, name == "Adam")
    setting("lr", "Learning rate", claims.claim("learning rate").printed, form="{:g}")
    if "backbone_lr_mult" in settings:
        share = settings["backbone_lr_mult"]
        add("Backbone's learning rate", "not stated", "the same" if share == 1 else f"{percent(share, 0)} of it", None)
    setting("lr_schedule", "Schedule of the learning rate", "not stated")
    setting("weight_decay", "Weight decay", "not stated", form="{:g}")
    setting("epochs", "Epochs", claims.claim("epochs").printed)
    add("Epoch that is evaluated", "not stated", "the best by validation accuracy", None)
    setting("score_threshold", "Lowest score of a detection", "not stated", form="{:g}")
    add("Number format", "not stated", str(run["precision"]), None)
    return rows


_CLAIM = {"batch_size": "batch size", "lr": "learning rate", "epochs": "epochs"}
