"""Figures: functions that take tables or photos and return matplotlib Figures that stand alone.

Every figure has a title, axes with units, the number of photos and, for estimates, a 95% interval.
`data` draws the photos as numbers, `photos` draws on photos, `training` and `evaluation` draw what a run
measured; `style` is what they share.
"""

from carseg_lib.plots.data import box_statistics, brightness, mask_statistics, photo_sizes, split_counts
from carseg_lib.plots.evaluation import average_precision, confusion_matrix, pr_curves, table_bars
from carseg_lib.plots.photos import (
    answers_grid,
    augmentation_grid,
    masks_against_truth,
    near_duplicates,
    overlay,
    sample_photos,
    transform_steps,
)
from carseg_lib.plots.style import BODY_TYPE_COLOURS, Picture, keep_figure, save_figure
from carseg_lib.plots.training import accuracy_curves, loss_curves, loss_terms

__all__ = [
    "BODY_TYPE_COLOURS",
    "Picture",
    "accuracy_curves",
    "answers_grid",
    "augmentation_grid",
    "average_precision",
    "box_statistics",
    "brightness",
    "confusion_matrix",
    "keep_figure",
    "loss_curves",
    "loss_terms",
    "mask_statistics",
    "masks_against_truth",
    "near_duplicates",
    "overlay",
    "photo_sizes",
    "pr_curves",
    "sample_photos",
    "save_figure",
    "split_counts",
    "table_bars",
    "transform_steps",
]
