"""The REFORMS checklist (Kapoor et al., Science Advances 2024) answered from a run: its 32 items in eight modules.

An answer is computed from metrics.json, config.json, provenance.json and the catalogue, or it is NOT_BY_THIS_RUN: what
only the people of a study can say, carseg does not say for them. The items are named in our words; the checklist's own
are in its table 1, doi:10.1126/sciadv.adk3452.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carseg_lib.core.formatting import interval, markdown_table, percent
from carseg_lib.data.catalogue import Catalogue
from carseg_lib.workflow.archive.ro_crate import Facts

NOT_BY_THIS_RUN = "not by this run"
REFORMS_SOURCE = "Kapoor et al., REFORMS, Science Advances 10, eadk3452 (2024), doi:10.1126/sciadv.adk3452."
COMPLETENESS_SOURCE = "The ML Code Completeness Checklist of Papers with Code: five items of a repository."
_CLAIM = "the claim studied: Mask R-CNN, fine-tuned, recognises four car body types with 91.2% validation accuracy"
_OWN = "; the photos are the user's own: their owner knows"


@dataclass(frozen=True)
class Item:
    """One item of a checklist: its number there, what it asks in a few words, and the answer."""

    number: str
    asks: str
    answer: str


def reforms(facts: Facts, catalogue: Catalogue) -> list[Item]:
    """Answer the 32 items, in the checklist's order."""
    answers = _goals(facts) | _computation(facts) | _data(facts, catalogue) | _preparation(facts, catalogue)
    answers |= _model(facts) | _leakage(facts, catalogue) | _uncertainty(facts) | _limits(facts)
    return [Item(number, asks, answers.get(number, NOT_BY_THIS_RUN)) for number, asks in ITEMS.items()]


def checklist_markdown(title: str, source: str, items: list[Item]) -> str:
    """A checklist as a page: how many items the run answers, then a table."""
    answered = sum(not item.answer.startswith(NOT_BY_THIS_RUN) for item in items)
    rows = [[item.number, item.asks, item.answer.replace("|", "\\|")] for item in items]
    return (
        f"# {title}\n\n{source}\n\n{answered} of {len(items)} items are answered from the run's own files; the others "
        f'say "{NOT_BY_THIS_RUN}".\n\n{markdown_table(["item", "asks for", "answer"], rows, "lll")}\n'
    )


def counts_text(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Photos by split and type in one line."""
    return "; ".join(
        f"{split} {sum(types.values()):,} ({', '.join(f'{name} {n:,}' for name, n in types.items())})"
        for split, types in counts.items()
    )


def _goals(facts: Facts) -> dict[str, str]:
    return {
        "1a": f"{_CLAIM}. This run: photos named {facts.metrics['data']['name']!r}; whether they stand for all photos "
        "of such cars is not shown by it",
        "1c": "the claim itself is of a machine-learned model; this run repeats its recipe",
    }


def _computation(facts: Facts) -> dict[str, str]:
    provenance, source = facts.provenance, facts.inputs.data
    hardware = provenance["hardware"]
    where = "in this archive" if source.carried else "not in this archive; digests of every file are"
    return {
        "2a": f"{source.name}: {where}; sha256 of names and contents {source.sha256}; croissant.json describes it",
        "2b": f"commit {provenance['carseg']['commit']} of carseg {provenance['carseg'].get('version')}, in code/",
        "2c": f"{hardware.get('processor')}, {hardware.get('cores')} cores, {hardware.get('memory_gb')} GB, "
        f"{', '.join(hardware.get('gpus', [])) or 'no GPU'}; {provenance['system']}; {provenance['python']}; "
        f"{provenance['seconds']:,.0f} s in all",
        "2d": "README.md of the archive and code/README.md",
        "2e": f"`{provenance['command']}`; `make rerun ARCHIVE=this.zip` runs it again and compares",
    }


def _data(facts: Facts, catalogue: Catalogue) -> dict[str, str]:
    data = facts.metrics["data"]
    builtin = not facts.inputs.data.place
    origins = ", ".join(sorted({*catalogue.instances["mask_origin"]} - {""})) or "none"
    source = (
        "rendered by carseg from parametric car models, all splits alike; types, boxes and masks are exact"
        if builtin
        else f"{NOT_BY_THIS_RUN}: boxes {data['boxes']}, masks {data['masks']} ({origins}){_OWN}"
    )
    answers = {
        "3a": source,
        "3d": f"body type of the photo's main car, one of {', '.join(catalogue.body_types)}; "
        + counts_text(data["counts"]),
        "3e": f"{len(catalogue.photos):,} photos of cars in the data set, {len(catalogue.background):,} without; used: "
        + counts_text(data["counts"]),
        "3f": f"types: none is missing; masks: {int((catalogue.instances['mask'] == '').sum()):,} of "
        f"{len(catalogue.instances):,} cars have none ({_missing_by_class(catalogue)})",
    }
    if builtin:
        answers["3b"] = "the renderer's parameters, sampled with a seed (code/docs/data-card.md)"
        answers["3c"] = "type, box and mask of every car are known exactly, and what each photo was made from"
        answers["3g"] = "it is not: rendered cars are no photographs; code/docs/ablation.md measures the difference"
    return answers


def _missing_by_class(catalogue: Catalogue) -> str:
    empty = catalogue.instances["mask"] == ""
    shares = 100 * empty.groupby(catalogue.instances["body_type"]).mean()
    return ", ".join(f"{name} {shares.get(name, 0.0):.1f}%" for name in catalogue.body_types)


def _preparation(facts: Facts, catalogue: Catalogue) -> dict[str, str]:
    excluded, inputs = facts.metrics["data"]["excluded"], facts.config["inputs"]
    reasons = ", ".join(f"{reason}: {count}" for reason, count in excluded.items())
    least = facts.config["pseudo_labels"]["min_quality"]
    return {
        "4a": f"left out: {reasons}" if excluded else "no photo was left out",
        "4b": "files that cannot be read, are empty or contradict their annotation are left out and listed "
        f"(run/dataset/excluded.csv, {len(catalogue.excluded)} rows); pseudo-masks of quality below {least} likewise",
        "4c": f"resized to {inputs['width']} x {inputs['height']} pixels and normalised by constants; training photos "
        f"also: crop keeping at least {inputs['min_crop_scale']:g} of the area, {inputs['augmentation']}, colour "
        f"{inputs['color_jitter']:g} (run/notebooks/02_preprocessing.html shows the steps)",
    }


def _model(facts: Facts) -> dict[str, str]:
    run, training, train = facts.metrics["run"], facts.metrics["training"], facts.config["train"]
    counts = facts.metrics["data"]["counts"]
    return {
        "5a": f"{facts.config['model']['architecture']}, backbone {run['backbone']}, {run.get('parameters', 0):,} "
        f"parameters, initial weights {run['weights']}; {train['epochs']} epochs of {train['optimizer']}, learning "
        f"rate {train['lr']:g}, batches of {train['batch_size']}; every setting in run/config.json",
        "5b": "the paper's model, Mask R-CNN"
        if facts.config["model"]["architecture"] == "mask_rcnn"
        else f"{NOT_BY_THIS_RUN}: another model than the paper's",
        "5c": f"held-out splits: {', '.join(f'{name} {sum(n.values()):,} photos' for name, n in counts.items())}; "
        f"divided by {facts.config['data']['split_by']}",
        "5d": f"the epoch of the best validation accuracy: {training['best_epoch']} of {training['epochs']}; test "
        "chose nothing",
        "5e": f"none in this run: profile {run['profile']} as it stands"
        + (f", but for {_set(facts)}" if _set(facts) else "")
        + "; the profiles were tuned on validation photos",
        "5f": f"{NOT_BY_THIS_RUN}; code/docs/readings.md and code/docs/benchmark.md have baselines",
    }


def _set(facts: Facts) -> str:
    """What the command changes of the profile's settings."""
    return facts.provenance["command"].partition("SET=")[2].strip("'\"")


def _leakage(facts: Facts, catalogue: Catalogue) -> dict[str, str]:
    groups = catalogue.photos[catalogue.photos["group"] != ""]
    shared = (groups.groupby("group")["split"].nunique() > 1).sum() if len(groups) else 0
    pixels = catalogue.photos.groupby("pixel_sha256")["split"].nunique()
    same = int((pixels > 1).sum())
    group_text = f"; {shared} of {groups['group'].nunique()} groups stand in several splits" if len(groups) else ""
    return {
        "6a": "resizing and normalisation use constants; thresholds of car or no car are learned of training and "
        "validation photos; test photos are looked at once, at the end",
        "6b": f"{same} photos have the very pixels of one in another split{group_text}; near copies are looked for by "
        "perceptual hashes (run/notebooks/01_data_exploration.html)",
        "6c": "the input is the photo alone: no file name, no metadata",
    }


def _uncertainty(facts: Facts) -> dict[str, str]:
    splits = facts.metrics["splits"]
    numbers = "; ".join(
        f"{split} accuracy {_estimate(splits[split]['accuracy'])}"
        for split in ("validation", "test")
        if split in splits
    )
    samples = facts.config["eval"]["bootstrap_samples"]
    return {
        "7a": "accuracy, precision, recall and F1 by type and their means, COCO's AP of boxes and masks, IoU; the "
        "epoch is chosen by accuracy, the claim's own number",
        "7b": f"95% intervals over photos of one training: Wilson's for shares, {samples:,} bootstrap samples for the "
        f"rest. {numbers}",
        "7c": f"{NOT_BY_THIS_RUN}; tests of the study are in code/docs/statistics.md",
    }


def _estimate(estimate: Mapping[str, Any]) -> str:
    return f"{percent(estimate['value'])} ({interval(estimate)}) of {estimate['n']:,} photos"


def _limits(facts: Facts) -> dict[str, str]:
    presence = facts.metrics.get("presence") or {}
    looked = "; false alarms on photos without a car are measured (run/presence.csv)" if presence else ""
    return {
        "8a": f"{NOT_BY_THIS_RUN}: one data set, one seed{looked}",
        "8b": "photos of another source, types that are not among the four, photos of several cars of equal size: "
        "code/README.md, Limits",
    }


ITEMS = {
    "1a": "population or distribution of the claim",
    "1b": "why this population",
    "1c": "why machine learning",
    "2a": "data set, with a way to identify it",
    "2b": "code, with a way to identify its version",
    "2c": "computing infrastructure",
    "2d": "README with instructions",
    "2e": "script that makes all results",
    "3a": "source of the data and of their annotations, when collected",
    "3b": "sampling frame",
    "3c": "why the data suit the task",
    "3d": "outcome variable, with statistics by class",
    "3e": "sample size and outcome frequencies",
    "3f": "missing data, by class",
    "3g": "why the sampling frame represents the population",
    "4a": "excluded samples, and why",
    "4b": "impossible or corrupt samples",
    "4c": "transformations from the raw data to the model's input",
    "5a": "models trained, in detail",
    "5b": "why these models",
    "5c": "how they are evaluated, with splits",
    "5d": "how the reported model was chosen",
    "5e": "hyper-parameters and their tuning",
    "5f": "why the baselines are fit",
    "6a": "preparation and modelling use training data alone",
    "6b": "dependencies and duplicates between training and test",
    "6c": "each input is legitimate",
    "7a": "metrics, and why they suit",
    "7b": "uncertainty, and how it is computed",
    "7c": "statistical tests and their assumptions",
    "8a": "external validity",
    "8b": "where the findings are not expected to hold",
}


def ml_completeness(facts: Facts, names: set[str]) -> list[Item]:
    """The five items of the ML Code Completeness Checklist (Papers with Code), by the files of the archive.

    Args:
        facts: Of the run.
        names: Of the files of the archive.
    """
    validation: dict[str, Any] = facts.metrics["splits"]["validation"]["accuracy"]
    count = sum(name.startswith("wheels/") for name in names)
    wheels = f", {count} wheels" if count else ""
    wanted = {
        "1": ("dependencies", "code/requirements.lock", f"every package with hashes{wheels}"),
        "2": ("training code", "code/notebooks/03_training.ipynb", f"`{facts.provenance['command']}`"),
        "3": ("evaluation code", "code/notebooks/04_evaluation.ipynb", "the same command; numbers in run/metrics.json"),
        "4": ("pre-trained models", "run/model/best.pt", f"sha256 {facts.provenance['weights']['model_sha256']}"),
        "5": ("README with results and the command", "README.md", f"validation accuracy {_estimate(validation)}"),
    }
    return [
        Item(number, asks, f"{name}: {text}" if name in names else f"{NOT_BY_THIS_RUN}: no {name}")
        for number, (asks, name, text) in wanted.items()
    ]
