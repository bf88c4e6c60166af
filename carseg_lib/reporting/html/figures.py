"""The figures of the pages: which section shows which files of figures/, and their captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from carseg_lib.core.parallel import in_threads
from carseg_lib.reporting.html.render import FigureOnPage, figure_on_page

# Group → figures it shows from figures/, by name without .png, and their captions.
# {split} stands for the evaluated splits, {of} for "… photos of the split", {type} for the body types.
FIGURES: dict[str, dict[str, str]] = {
    "preprocessing": {"augmentation": "Random augmentations of one photo, as in training."},
    "training": {
        "loss_curves": "Loss per epoch, training and validation.",
        "loss_terms": "The five terms of the loss per epoch.",
        "accuracy_curves": "Accuracy per epoch with 95% intervals; the paper's averages dashed.",
    },
    "evaluation": {
        "pr_curves_{split}": "Precision-recall curve of each type, {of}.",
        "average_precision_{split}": "COCO average precision of boxes and masks, {of}.",
    },
    "slices": {
        "slices_attributes": "Accuracy and mean mask IoU by view, size, occlusion, light and other attributes.",
        "slices_types_by_view": "Accuracy of each type from each view.",
        "slices_odds": "Effect of each measure, the others being equal, on the odds of a correct prediction.",
    },
    "presence": {
        "presence_froc": "Cars kept against false alarms, by the detector alone, the likeness alone, and both.",
        "presence_scores": "Every photo by the detector's score and its likeness to the object's ImageNet classes.",
        "presence_confusion_{split}": "Answers of car or no car, {of}.",
        "presence_false_alarms": "The photos without a car that look most like one.",
    },
    "certainty": {
        "certainty_calibration": "Accuracy against confidence, before and after temperature scaling.",
        "certainty_selective": "Accuracy of the most confident predictions, by the share of photos that is answered.",
        "certainty_conformal": "Coverage and mean size of conformal sets.",
        "certainty_labels": "Labels that are doubted, most doubtful first.",
    },
    "robustness": {
        "robustness_corruptions": "Accuracy by corruption and severity, and photos in which no car is found.",
        "robustness_rotation": "Accuracy by rotation, and the effect of the black corners alone.",
        "robustness_examples": "One photo under each corruption at each severity.",
    },
    "near_copies": {
        "near_copies_planted": "Planted copies that are found, by features and by perceptual hashes.",
        "near_copies_pairs": "Near copies that perceptual hashes miss.",
    },
}

# Those of the data card: what describes the data rather than the result.
CARD_FIGURES: dict[str, dict[str, str]] = {
    "photos": {
        "samples_{type}": "Photos of {type}.",
        "split_counts": "Photos by split and body type.",
        "photo_sizes": "Sizes of the photos.",
        "brightness": "Mean brightness of the photos, by type.",
        "transform_steps": "A photo on its way to the network.",
    },
    "annotations": {
        "box_statistics": "Sizes and places of the labelled boxes, by type.",
        "mask_statistics": "Labelled masks: share of the box, and mean outline, by type.",
        "worst_labels": "Labels that agree worst with what the annotator sees.",
        "pseudo_mask_quality": "Quality of the pseudo-masks, and the photos rejected for it.",
        "rejected_pseudo_masks": "Photos rejected because their pseudo-masks are of low quality.",
    },
    "duplicates": {"near_duplicates": "Pairs of near duplicates."},
    "metadata": {
        "metadata_shapes": "Dimensions of the cars: overlap of the types' shapes.",
        "metadata_gallery": "Rendered cars of each type.",
        "metadata_numbers": "Camera, size, occlusion and sun, by type.",
        "metadata_views": "Directions from which the cars are seen, by type.",
        "metadata_categories": "Light, surroundings and other kinds, by type.",
        "metadata_strips": "One parameter of the scene varied at a time.",
        "metadata_shape_strips": "One parameter of the car's shape varied at a time.",
    },
}

# Figures that the page leaves to the notebooks, which show them too: what its predictions and tables say photo by photo
# and number by number.
IN_NOTEBOOKS: dict[str, tuple[str, ...]] = {
    "04_evaluation": (
        *("confusion_{split}", "correct_{split}", "misclassified_{split}", "mask_comparison_{split}"),
        *("table_bars_{split}", "pr_curves_train", "average_precision_train", "presence_misses"),
    )
}


def left_to_notebooks(folder: Path, body_types: Sequence[str], splits: Sequence[str]) -> dict[str, int]:
    """How many figures of the run the page leaves to each notebook; only notebooks with any.

    Args:
        folder: of the PNG files.
        body_types: in order.
        splits: the evaluated ones.
    """
    counts = {}
    for notebook, patterns in IN_NOTEBOOKS.items():
        names = {pattern.format(type=part, split=part) for pattern in patterns for part in [*body_types, *splits]}
        if found := sum((folder / f"{name}.png").is_file() for name in names):
            counts[notebook] = found
    return counts


def collect_figures(
    folder: Path, body_types: Sequence[str], photos: Mapping[str, int]
) -> dict[str, list[FigureOnPage]]:
    """The figures of each group in the order of `FIGURES`; unknown ones are in the group "more".

    Those of `CARD_FIGURES` and of `IN_NOTEBOOKS` are left out.

    Args:
        folder: of the PNG files; hidden ones, left by an interrupted write, are ignored.
        body_types: in order.
        photos: number of photos of each evaluated split, in the order of the page.

    Raises:
        CarsegError: A file is not a readable PNG.
    """
    found = _files(folder)
    elsewhere = [name for patterns in IN_NOTEBOOKS.values() for name in patterns]
    elsewhere += [name for captions in CARD_FIGURES.values() for name in captions]
    for left in elsewhere:
        for part in [*body_types, *photos]:
            found.pop(left.format(type=part, split=part), None)
    groups = {group: _take(found, captions, body_types, photos) for group, captions in FIGURES.items()}
    groups["more"] = [figure_on_page(path, path.stem.replace("_", " ").capitalize() + ".") for path in found.values()]
    return groups


def card_figures(folder: Path, body_types: Sequence[str]) -> dict[str, list[FigureOnPage]]:
    """The figures of each group of the data card, in the order of `CARD_FIGURES`.

    Args:
        folder: of the PNG files.
        body_types: in order.

    Raises:
        CarsegError: A file is not a readable PNG.
    """
    found = _files(folder)
    return {group: _take(found, captions, body_types, {}) for group, captions in CARD_FIGURES.items()}


def _files(folder: Path) -> dict[str, Path]:
    """The PNG files of a folder by name; hidden ones, left by an interrupted write, are ignored."""
    return {path.stem: path for path in sorted(folder.glob("*.png")) if not path.name.startswith(".")}


def _take(
    found: dict[str, Path], captions: Mapping[str, str], body_types: Sequence[str], photos: Mapping[str, int]
) -> list[FigureOnPage]:
    """The figures of one group, which are taken out of those that are found."""
    taken = []
    for pattern, caption in captions.items():
        of_split = "{split}" in pattern
        for part in body_types if "{type}" in pattern else (photos if of_split else [""]):
            if path := found.pop(pattern.format(type=part, split=part), None):
                of = f"{photos[part]:,} {part} photos" if of_split else ""
                taken.append((path, caption.format(type=part, of=of), part if of_split else ""))
    with in_threads(lambda figure: figure_on_page(*figure), taken) as figures:
        return list(figures)
