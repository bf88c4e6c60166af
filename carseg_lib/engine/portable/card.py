"""The card beside an exported model: what it is, what it was trained on, how good it is, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.formatting import DASH, interval, markdown_table, percent
from carseg_lib.core.run import Run

MEASURES = {
    "accuracy": "accuracy",
    "macro_f1": "F1, macro",
    "box_ap": "box AP",
    "mask_ap": "mask AP",
    "mask_iou": "mask IoU, mean",
}


def read_metrics(run: Run) -> dict[str, Any]:
    """The content of metrics.json of a run; empty if it has none."""
    return files.read_json(run.metrics) if run.metrics.is_file() else {}


def measured(metrics: Mapping[str, Any]) -> str:
    """The accuracy of a run in one sentence; "" where nothing was measured."""
    parts = [
        f"{percent(of['value'])} ({interval(of)}) of {of['n']:,} {split} photos"
        for split in ("validation", "test")
        if (of := metrics.get("splits", {}).get(split, {}).get("accuracy"))
    ]
    return f"It named {' and '.join(parts)} rightly (95% intervals)." if parts else ""


def card_text(described: Mapping[str, Any], metrics: Mapping[str, Any], compared: str, size: int) -> str:
    """The card, in Markdown.

    Args:
        described: as in the model's metadata.
        metrics: of the run.
        compared: what was compared with torch, in sentences.
        size: of the file, bytes.
    """
    types, kept = ", ".join(described["body_types"]), percent(described["kept_validation_cars"])
    car_threshold = f"{described['car_threshold']:.4f}"
    return f"""# {described["run"]}: a model of {types}

`model.onnx` ({size / 1e6:.0f} MB) finds cars in a photo, outlines them and names their type. It takes a photo as it is
(height, width, 3; bytes, upright RGB) and gives boxes in its pixels, labels, scores, probabilities of the types, masks
within the boxes, and car scores. Resizing, normalisation, non-maximum suppression and the second look are inside;
types and thresholds are in its metadata under `carseg`. Weights are stored as float16 and computed with in float32.

```sh
pip install onnxruntime numpy pillow
python run_model.py photo.jpg …     # prints the type, writes photo.jpg.mask.png
```

## What it was trained on

{_trained(described, metrics)}

## How good it is

{_measures(metrics)}

## Thresholds

| threshold | value |
| --- | ---: |
| car score from which a detection is a car; {kept} of the validation cars reach it | {car_threshold} |
| score below which a detection is dropped | {described["score_threshold"]} |
| overlap (IoU) above which the worse of two detections is dropped | {described["nms_iou"]} |
| score below which a type is said to be not sure | {described["sure_score"]} |

{_without_car(metrics)}

## Compared with torch

{compared}

## Limits

It knows the types {types} alone: a car of another type gets one of these. Photos from another source than the training
photos cost accuracy. It was made for a study, not for decisions about people or traffic.

## Licence

The weights are yours as far as your photos are. The layers started from {described["first_weights"]}, the ImageNet
classifier of the second look is EfficientNet-Lite by Google (Apache-2.0); the runner is MIT.
"""


def _trained(described: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    counts: Mapping[str, Mapping[str, int]] = metrics.get("data", {}).get("counts", {})
    said = (
        f"Data: {described['data']}; run `{described['run']}`, exported {described['made']}; sha256 of the weights "
        f"`{described['weights_sha256']}`."
    )
    if not counts:
        return said
    rows = [
        [split, *(f"{of.get(name, 0):,}" for name in described["body_types"]), f"{sum(of.values()):,}"]
        for split, of in counts.items()
    ]
    return f"{said}\n\n{markdown_table(['photos', *described['body_types'], 'all'], rows).rstrip()}"


def _measures(metrics: Mapping[str, Any]) -> str:
    splits = {name: of for name, of in metrics.get("splits", {}).items() if name in ("validation", "test")}
    if not splits:
        return "Not measured."
    rows = [[label, *(_cell(of.get(key)) for of in splits.values())] for key, label in MEASURES.items()]
    table = markdown_table(["measure", *splits], rows)
    return f"Values with 95% intervals and n, over photos the training did not see.\n\n{table.rstrip()}"


def _cell(estimate: Mapping[str, Any] | None) -> str:
    if not estimate or estimate.get("value") is None:
        return DASH
    return f"{percent(estimate['value'])} ({interval(estimate)}), n = {estimate['n']:,}"


def _without_car(metrics: Mapping[str, Any]) -> str:
    found = metrics.get("presence", {}).get("without_car", {})
    parts = [
        f"{percent(of['value'])} ({interval(of)}) of {group['photos']:,} photos without a car ({source})"
        for source, group in found.items()
        if (of := group.get("scores", {}).get("score", {}).get("false_alarms"))
    ]
    return f"At the car score above it finds a car in {'; in '.join(parts)}." if parts else ""
