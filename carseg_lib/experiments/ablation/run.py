"""What does each part of the recipe buy? Variants of a profile, trained alike and compared photo by photo.

Every variant sees the same training photos in as many steps, with the same seeds as the baseline, and answers the same
validation photos; the test photos are never answered. Each training is a cell (`experiments.trials`): what is done is
not made again. The seeds go round by round, so that a table of all variants is there after the first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from carseg_lib.core import files
from carseg_lib.core.errors import CarsegError
from carseg_lib.core.formatting import interval, percent, points
from carseg_lib.core.paths import use_runs_root
from carseg_lib.core.run import Run
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.engine.inference import choose_device
from carseg_lib.evaluation.classification import confusion_matrix, scores_of_matrices
from carseg_lib.experiments.ablation.config import BASELINE, AblationPlan, Variant, study_of
from carseg_lib.experiments.baselines import predict_classes, train_baseline_classifier
from carseg_lib.experiments.sim2real.results import difference, flat, means, per_photo, read_answers
from carseg_lib.experiments.trials import (
    cached_catalogue,
    digest_of,
    eval_images,
    read_trial,
    run_trial,
    trial_dataset,
)
from carseg_lib.workflow import pipeline, provenance

RENDERED_START = "rendered-start"


def run_ablation(plan: AblationPlan, say: Callable[[str], None] = print) -> Path:
    """Make what is missing of a plan; the table is written after each training.

    Args:
        plan: from `ablation_plan.create_plan`.
        say: is given each line for the terminal.

    Returns:
        ablation.md.

    Raises:
        CarsegError: too few photos, or another process makes this run.
    """
    from carseg_lib.experiments.ablation.plots import effects  # imports matplotlib
    from carseg_lib.reporting.plots.style import save_figure

    choose_device(plan.device)
    with pipeline.run_lock(plan), use_runs_root(plan.folder):
        files.remove_leftovers(plan.folder)
        say("reading the photos")
        source = cached_catalogue(study_of(plan, plan.variants[0], 0), plan.folder / "data")
        photos = plan.photos or len(source.split("train").photos)
        if photos > (there := len(source.split("train").photos)):
            raise CarsegError(f"DATA={plan.data} has {there:,} training photos; photos asks for {photos:,}.")
        judged = eval_images(source, plan.validation_photos, 0)
        cells = [(variant, seed) for seed in range(plan.seeds) for variant in plan.variants]
        done: list[tuple[Variant, int]] = []
        for number, (variant, seed) in enumerate(cells, start=1):
            dataset = trial_dataset(source, photos, seed)
            outcome = _make(plan, variant, seed, dataset, judged, say)
            say(f"[{number}/{len(cells)}] {variant.name}, seed {seed}: {outcome}")
            done.append((variant, seed))
            results = write_results(plan, done, judged, photos)
        save_figure(effects(results), plan.folder / "effects.png")
        return plan.folder / "ablation.md"


def _make(
    plan: AblationPlan,
    variant: Variant,
    seed: int,
    dataset: Catalogue,
    judged: Catalogue,
    say: Callable[[str], None],
) -> str:
    run = study_of(plan, variant, seed)
    if variant.kind == "classifier":
        return run_classifier_trial(run, dataset, judged, say)
    if variant.start == "rendered":
        run = run.updated(model={"weights": str(_rendered_start(plan, variant, judged, say))})
    facts = {"variant": variant.name, "seed": seed}
    return run_trial(run, dataset, judged, facts, say, with_masks=dataset.has_masks)


def _rendered_start(
    plan: AblationPlan, variant: Variant, judged: Catalogue, say: Callable[[str], None]
) -> Path:
    """The network that a variant with a rendered start begins from: trained on the embedded data set."""
    own = study_of(replace(plan, data=""), variant, 0).updated(name=RENDERED_START)
    rendered = cached_catalogue(own, plan.folder / "data")
    dataset = trial_dataset(rendered, len(rendered.split("train").photos), 0)
    run_trial(own, dataset, judged, {"variant": RENDERED_START, "seed": 0}, say, with_masks=True)
    return own.folder / "model.pt"


def run_classifier_trial(run: Run, dataset: Catalogue, judged: Catalogue, say: Callable[[str], None]) -> str:
    """The same for a classifier: photos, steps, rates and seeds as the Mask R-CNN's."""
    needs = {
        "settings": {
            name: str(value) for name, value in run.settings(["preprocessing", "model", "training"]).items()
        },
        "tta": run.config.eval.tta,
        "data": dataset.fingerprint,
        "photos": judged.fingerprint,
        "code": digest_of("from carseg_lib.experiments.ablation import run"),
    }
    if read_trial(run.folder).get("needs") == needs:
        return "is up to date"
    started = time.monotonic()
    say(f"{run.name}: classifier, {run.config.train.epochs} epochs")
    model = train_baseline_classifier(run, dataset)
    predictions = predict_classes(model, judged, run)
    files.write_csv(run.predictions, predictions)
    card = {
        "variant": "classifier",
        "seconds": round(time.monotonic() - started, 1),
        "needs": needs,
        "sha256": {run.predictions.name: files.sha256(run.predictions)},
    }
    files.write_json(run.folder / "cell.json", card)
    right = int((predictions.predicted == predictions.body_type).sum())
    return f"{right:,} of {len(predictions):,} validation photos are answered right"


def write_results(
    plan: AblationPlan, done: list[tuple[Variant, int]], judged: Catalogue, photos: int
) -> dict[str, Any]:
    """ablation.json, ablation.csv and ablation.md from the answers of the trainings that are done.

    Returns:
        What ablation.json holds: variants: name, question, trainings, accuracy, mask_iou (estimates; mask_iou None for
        a classifier), macro_f1 (mean over trainings), seconds (mean), accuracy_difference and mask_iou_difference to
        the baseline (estimates -1..1 over photos, paired by seed; None for the baseline).
    """
    samples = {"bootstrap_samples": study_of(plan, plan.variants[0], 0).bootstrap_samples, "seed": 0}
    tables: dict[str, dict[int, pd.DataFrame]] = {}
    for variant, seed in done:
        folder = plan.folder / f"{variant.name}-seed{seed}"
        tables.setdefault(variant.name, {})[seed] = read_answers(folder)
    rows = []
    for variant in plan.variants:
        of_seed = tables.get(variant.name, {})
        if not of_seed:
            continue
        cards = [read_trial(plan.folder / f"{variant.name}-seed{seed}") for seed in of_seed]
        row: dict[str, Any] = {"name": variant.name, "question": variant.question, "trainings": len(of_seed)}
        row |= means(list(of_seed.values()), **samples)
        row["macro_f1"] = sum(macro_f1(t, judged.body_types) for t in of_seed.values()) / len(of_seed)
        row["seconds"] = sum(card["seconds"] for card in cards) / len(cards)
        row["settings"] = dict(variant.settings)
        base = [tables[BASELINE][seed] for seed in of_seed]
        for measure in ("accuracy", "mask_iou"):
            sides = per_photo(base, measure), per_photo(list(of_seed.values()), measure)
            known = variant.name != BASELINE and all(side is not None for side in sides)
            row[f"{measure}_difference"] = difference(*sides, **samples) if known else None
        rows.append(row)
    results = {
        "schema": 1,
        "made": provenance.now(),
        "hardware": provenance.hardware(),
        "plan": {k: v for k, v in asdict(plan).items() if k not in ("folder", "data", "variants")}
        | {"photos": photos},
        "answered": len(judged.photos),
        "variants": rows,
    }
    table = [flat({k: v for k, v in row.items() if k != "settings"}) for row in rows]
    files.write_csv(plan.folder / "ablation.csv", pd.DataFrame(table))
    files.write_json(plan.folder / "ablation.json", results)
    files.write_text(plan.folder / "ablation.md", markdown(results))
    return results


def macro_f1(predictions: pd.DataFrame, body_types: tuple[str, ...]) -> float:
    """The mean of the types' F1 scores."""
    matrix = confusion_matrix(predictions, body_types)
    return float(scores_of_matrices(matrix[None])["macro_f1"][0])


def markdown(results: Mapping[str, Any]) -> str:
    """The table to read."""
    plan = results["plan"]
    seeds = f"{plan['seeds']} {'seed' if plan['seeds'] == 1 else 'seeds'}"
    lines = [
        f"Profile `{plan['profile']}`, {plan['photos']:,} training photos × {plan['epochs']} epochs, {seeds}; "
        f"n = {results['answered']:,} validation photos. Differences to the baseline in percentage points, photo by "
        "photo and seed by seed; in brackets 95% bootstrap intervals over photos.",
        "",
        "| Variant | Accuracy | Difference | Macro F1 | Mask IoU | Difference | Minutes |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    for row in results["variants"]:
        numbers = [
            _share(row["accuracy"]),
            points(row["accuracy_difference"]),
            percent(row["macro_f1"]),
            _share(row["mask_iou"]),
            points(row["mask_iou_difference"]),
            f"{row['seconds'] / 60:.1f}",
        ]
        lines.append(f"| **{row['name']}**: {row['question']} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def _share(estimate: Mapping[str, float] | None) -> str:
    return "–" if estimate is None else f"{percent(estimate['value'])} ({interval(estimate)})"
