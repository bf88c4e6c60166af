"""Figure of Mask R-CNN at work on one photo: feature maps, proposals, the prediction, its 28 × 28 mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from carseg_lib.core.formatting import percent
from carseg_lib.data.boxes import box_iou
from carseg_lib.engine.inside import Inside
from carseg_lib.reporting.palette import class_color
from carseg_lib.reporting.plots import style
from carseg_lib.reporting.plots.style import AccessibleFigure, add_title, new_figure, with_theme

_PROPOSAL, _TRUTH = "#F0E442", "#56B4E9"  # no body type has them


@with_theme
def inside_mask_rcnn(seen: Inside, body_types: Sequence[str]) -> AccessibleFigure:
    """What the four parts of Mask R-CNN make of a photo, in order.

    Args:
        seen: from `engine.inside.look_inside`.
        body_types: of the study, which determine the colours.
    """
    height, width = seen.image.shape[:2]
    maps = list(seen.feature_maps.items())[:3]
    figure = new_figure(8.4, 2 * (2.0 * height / width + 0.35))
    panels = figure.subplots(2, 4)
    for axes in panels.flat:
        style.plain_image(axes)
    _photo(panels[0, 0], seen, f"1 The network's input\n{width} × {height} pixels")
    for axes, (stride, values) in zip(panels[0, 1:], maps, strict=False):
        axes.imshow(values, cmap="viridis", extent=(0, width, height, 0), interpolation="nearest")
        axes.set_title(f"2 Feature map, stride {stride}\n{values.shape[1]} × {values.shape[0]} cells", size=8)
    kept = len(seen.proposals)
    _photo(panels[1, 0], seen, f"3 Region proposals:\n{kept}" + (f" of {seen.candidates}" * (kept < seen.candidates)))
    for box in seen.proposals:
        _frame(panels[1, 0], box, _PROPOSAL, 1.0)
    tone = class_color(seen.body_type, body_types)
    found = f"{seen.body_type} {seen.score:.2f}" if seen.body_type else "no car found"
    _photo(panels[1, 1], seen, f"4 Box and type: {found}\n(dashed: labelled {seen.true_type})")
    _frame(panels[1, 1], seen.true_box, _TRUTH, 1.6, dashed=True)
    if seen.box is not None:
        _frame(panels[1, 1], seen.box, tone, 1.8)
    if seen.mask is not None and seen.pasted is not None:
        panels[1, 2].imshow(seen.mask, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        side = len(seen.mask)
        panels[1, 2].set_title(f"5 The mask in that box:\n{side} × {side} probabilities", size=8)
        _photo(panels[1, 3], seen, "6 The mask on the photo,\ncut at a probability of 50%")
        if seen.pasted.any() and not seen.pasted.all():
            panels[1, 3].contour(seen.pasted.astype(float), [0.5], colors=[tone], linewidths=1.6)
    else:
        for axes in panels[1, 2:]:
            axes.set_axis_off()
    note = (
        f"Photo {seen.photo_id}. 2: mean of absolute values over the channels; bright: much is there. 3: what may be a "
        "car, before its type is asked."
    )
    finding = _finding(seen)
    title = "Mask R-CNN at work on one photo"
    return add_title(figure, title, note, f"{title}. {note}", finding)


def _finding(seen: Inside) -> str:
    near = max((box_iou(box.tolist(), seen.true_box.tolist()) for box in seen.proposals), default=0.0)
    text = f"The best of the {len(seen.proposals)} proposals overlaps the labelled car by {percent(near, 0)} (IoU)"
    if seen.box is None:
        return f"{text}; no detection reaches the score threshold."
    moved = box_iou(seen.box.tolist(), seen.true_box.tolist())
    right = "which is right" if seen.body_type == seen.true_type else f"which is wrong: it is a {seen.true_type}"
    return (
        f"{text}; the box head's own box overlaps it by {percent(moved, 0)}, and its type is {seen.body_type} "
        f"(score {seen.score:.2f}), {right}."
    )


def _photo(axes: Axes, seen: Inside, title: str) -> None:
    axes.imshow(seen.image)
    axes.set_title(title, size=8)


def _frame(axes: Axes, box: np.ndarray, colour: str, line: float, *, dashed: bool = False) -> None:
    x1, y1, x2, y2 = (float(v) for v in box)
    look: dict[str, Any] = {"edgecolor": colour, "linewidth": line, "linestyle": (0, (3, 2)) if dashed else "-"}
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, **look))
