"""The figures of the page: which section shows which files of figures/, and their captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from carseg_lib.reporting.html.render import FigureOnPage, figure_on_page

# Group → figures it shows from figures/, by name without .png, and their captions.
# {split} stands for the evaluated splits, {of} for "… photos of the split", {type} for the body types.
FIGURES: dict[str, dict[str, str]] = {
    "data": {
        "split_counts": "Photos in each split and of each type, with the paper's splits.",
        "photo_sizes": "Sizes and aspect ratios of the photos; the paper's 240 × 160 marked.",
        "brightness": "Mean brightness of the photos of each type.",
        "box_statistics": "Size, shape and position of the boxes.",
        "mask_statistics": "Mean silhouette of each type, and the share of its box that a mask covers.",
        "samples_{type}": "Random sample of the type {type} (the paper's Figures 1 to 4 show one photo of each type).",
        "near_duplicates": "Pairs of near duplicates.",
        "pseudo_mask_quality": "Quality of the pseudo-masks, and the photos rejected for it.",
        "rejected_pseudo_masks": "Photos rejected because their pseudo-masks are of low quality.",
    },
    "metadata": {
        "metadata_gallery": "Photos of each type, chosen to differ in their metadata.",
        "metadata_strips": "Effect of each parameter: one car, one parameter varied.",
        "metadata_shape_strips": "Effect of each parameter of the body's shape.",
        "metadata_views": "Directions from which the cars of each type are seen.",
        "metadata_numbers": "Camera, size, occlusion and sun, by type.",
        "metadata_categories": "Views, lights and backgrounds, by type.",
        "metadata_shapes": "Dimensions of the cars: overlap of the types' shapes.",
    },
    "preprocessing": {
        "transform_steps": "Preprocessing of one photo, step by step.",
        "augmentation": "Random augmentations of one photo, as in training.",
    },
    "training": {
        "loss_curves": "Loss per epoch, training and validation.",
        "loss_terms": "The five terms of the loss per epoch.",
        "accuracy_curves": "Accuracy per epoch with 95% intervals; the paper's averages dashed.",
    },
    "evaluation": {
        "table_bars_{split}": "Precision, recall, F1 and accuracy of each type with the paper's Table 1, {of}.",
        "confusion_{split}": "Confusion matrix, {of}.",
        "pr_curves_{split}": "Precision-recall curve of each type, {of}.",
        "average_precision_{split}": "COCO average precision of boxes and masks, {of}.",
    },
    "slices": {
        "slices_attributes": "Accuracy and mean mask IoU by view, size, occlusion, light and other attributes.",
        "slices_types_by_view": "Accuracy of each type from each view.",
        "slices_directions": "Accuracy by the direction from which the car is seen.",
        "slices_odds": "Effect of each measure, the others being equal, on the odds of a correct prediction.",
    },
    "presence": {
        "presence_froc": "Cars kept against false alarms, by the detector alone, the likeness alone, and both.",
        "presence_scores": "Every photo by the detector's score and its likeness to the object's ImageNet classes.",
        "presence_confusion_{split}": "Answers of car or no car, {of}.",
        "presence_false_alarms": "The photos without a car that look most like one.",
        "presence_misses": "The cars that look least like one.",
    },
    "certainty": {
        "certainty_calibration": "Accuracy against confidence, before and after temperature scaling.",
        "certainty_selective": "Accuracy of the surest answers, by the share of photos that is answered.",
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
    "examples": {
        "correct_{split}": "Correct predictions, random sample of the {of}.",
        "misclassified_{split}": "Misclassified photos, most confident first, of the {of}.",
        "mask_comparison_{split}": "Predicted and labelled masks, random sample of the {of}.",
    },
}


def collect_figures(
    folder: Path, body_types: Sequence[str], photos: Mapping[str, int]
) -> dict[str, list[FigureOnPage]]:
    """The figures of each group in the order of `FIGURES`; unknown ones are in the group "more".

    Args:
        folder: of the PNG files; hidden ones, left by an interrupted write, are ignored.
        body_types: in order.
        photos: number of photos of each evaluated split, in the order of the page.

    Raises:
        CarsegError: A file is not a readable PNG.
    """
    found = {path.stem: path for path in sorted(folder.glob("*.png")) if not path.name.startswith(".")}
    groups: dict[str, list[FigureOnPage]] = {}
    for group, captions in FIGURES.items():
        groups[group] = []
        for pattern, caption in captions.items():
            of_split = "{split}" in pattern
            for part in body_types if "{type}" in pattern else (photos if of_split else [""]):
                if path := found.pop(pattern.format(type=part, split=part), None):
                    of = f"{photos[part]:,} {part} photos" if of_split else ""
                    text = caption.format(type=part, of=of)
                    groups[group].append(figure_on_page(path, text, part if of_split else ""))
    groups["more"] = [figure_on_page(path, path.stem.replace("_", " ").capitalize() + ".") for path in found.values()]
    return groups
