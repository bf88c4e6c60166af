"""The sections of the page: one function each, which computes what the section's template shows.

The template of a section is `templates/sections/<name>.html`; it finds the result of the function as `content`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from carseg_lib.core import files
from carseg_lib.core.paths import project_folder
from carseg_lib.evaluation.claim_table.evidence import other_types
from carseg_lib.evaluation.claim_table.states import STATES
from carseg_lib.evaluation.claim_table.table import AVERAGE, HEADLINE, STATEMENT, TABLE_1, ClaimRow
from carseg_lib.evaluation.classification import REPORT_COLUMNS, SCORES
from carseg_lib.evaluation.equivalence import MARGIN
from carseg_lib.evaluation.presence import SCORES as PRESENCE_SCORES
from carseg_lib.evaluation.presence import describe, describe_answers
from carseg_lib.evaluation.slices import ERROR_ODDS_COLUMNS, SLICE_COLUMNS
from carseg_lib.paper import audit as paper_audit
from carseg_lib.paper import claims, recipe
from carseg_lib.paper.verdicts import IMPOSSIBLE, NOT_THIS_READING, WHATEVER
from carseg_lib.reporting.html import answers, certainty, curves, findings, gists, predictions, readings, study_summary
from carseg_lib.reporting.html.dots import axis
from carseg_lib.reporting.html.run_files import RunFiles, records, settings

NOTEBOOKS = {
    "01_data_exploration": "Data exploration",
    "01b_rendered_cars": "Rendered cars",
    "02_preprocessing": "Preprocessing",
    "03_training": "Training",
    "04_evaluation": "Evaluation",
    "06_certainty": "Certainty",
}
DOWNLOADS = {  # files of the run: what each is
    "metrics.json": "every number with n and interval",
    "predictions.csv": "a row a photo, with masks",
    "detections.csv": "a row a detection, with masks",
    "presence.csv": "a row a region: is it a car at all?",
    "classification_report.csv": "precision, recall, F1, accuracy by type and split",
    "slice_metrics.csv": "accuracy by attribute",
    "error_odds.csv": "regression of errors",
    "history.csv": "a row an epoch",
    "model_summary.csv": "parts of the network",
    "certainty.json": "calibration, corruptions, doubted labels",
    "corruptions.csv": "accuracy on corrupted photos",
    "rotation.csv": "accuracy on rotated photos",
    "near_copies.csv": "near copies that hashes miss",
    "label_issues.csv": "labels that are doubted",
    "rejected_masks.csv": "photos left out for their pseudo-masks",
    "dataset/photos.csv": "photos with their splits",
    "dataset/instances.csv": "labelled cars",
    "dataset/background.csv": "photos without a car",
    "dataset/excluded.csv": "photos left out, with reasons",
    "dataset/parameters.csv": "scene parameters",
    "config.json": "settings",
    "provenance.json": "commit, machine, versions, times",
    "model/best.pt": "weights of the best epoch",
}
TRY_PAGE = "portable/try.html"  # where make try-page writes it
_STRONGEST = 5  # checks of the paper that the page shows at once
OTHER_SOURCE = project_folder() / "reports" / "reference" / "other-source.json"  # what a change of source costs


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    name: str  # of its template
    heading: str  # as a reader sees it
    link: str  # its title in the navigation
    content: Mapping[str, Any]  # what its template shows
    gist: str = ""  # of a section that is folded: what it says, in a line

    @property
    def secondary(self) -> bool:
        """Whether a printed summary leaves the section out."""
        return self.name not in _IN_PRINT

    @property
    def anchor(self) -> str:
        """The id of the section in the page."""
        return self.name.replace("_", "-")


def page_sections(run: RunFiles) -> list[Section]:
    """The sections of a run's page, in order; one without content ("more figures", "certainty") is left out."""
    made = []
    for name, (heading, link, content) in _SECTIONS.items():
        shown = content(run)
        gist = gists.GISTS[name](run, shown) if name in gists.GISTS and any(shown.values()) else ""
        made.append(Section(name, heading, link or heading, shown, gist))
    return [section for section in made if section.name not in _OPTIONAL or any(section.content.values())]


def summary(run: RunFiles) -> dict[str, Any]:
    """The head of the page: what the photos are, three questions with their answers, other types, the time."""
    return {
        "photos": answers.kind_of_photos(run.metrics, run.rendered),
        "beside": answers.beside(run.claim_rows),
        "answers": run.answers,
        "other_types": other_types(run.metrics),
        "made": (run.provenance or {}).get("made") or "",
    }


def claim_table(run: RunFiles) -> dict[str, Any]:
    """Every claim with its state: statements, averages and headline in one table, Table 1 in a second."""
    table_1: dict[str, dict[str, ClaimRow]] = {}
    reasons: dict[str, list[str]] = {}
    for row in run.claim_rows:
        if row.group == TABLE_1:
            body_type, _, metric = row.what.rpartition(" ")
            table_1.setdefault(body_type, {})[metric] = row
            reasons.setdefault(row.why, []).append(row.what)
    order = {HEADLINE: 0, AVERAGE: 1, STATEMENT: 2}
    rows = sorted((row for row in run.claim_rows if row.group in order), key=lambda row: order[row.group])
    return {
        "rows": rows,
        "table_1": table_1,
        "reasons": {why: ", ".join(names) for why, names in reasons.items()},
        "counts": study_summary.state_counts(run.claim_rows),
        "states": STATES,
        "total": len(run.claim_rows),
        "roles": answers.roles_of_splits(run.evidence),
        "repetition": run.answers[1].sentences[0],
        "margin": 100 * MARGIN,
    }


def summary_of_study(run: RunFiles) -> dict[str, Any]:
    """The summary in the form of the ML Reproducibility Challenge."""
    photos = answers.kind_of_photos(run.metrics, run.rendered)
    facts = (run.evidence, run.claim_rows, run.answers, run.differences, run.provenance or {}, photos)
    return {"parts": study_summary.summary_parts(*facts)}


def results(run: RunFiles) -> dict[str, Any]:
    """The headline numbers as dot plots: those that the paper gives too, then boxes and masks."""
    if not run.split:
        return {"plots": []}
    metrics, split = run.metrics, run.split
    scores = metrics["splits"][split]
    other = metrics["splits"].get("validation") if split != "validation" else None
    training = (metrics.get("training") or {}).get("train_accuracy")
    compared = [
        (f"Accuracy, {split}", scores["accuracy"], "headline accuracy"),
        ("Accuracy, validation", other and other["accuracy"], "average validation accuracy"),
        ("Accuracy, training sample", training, "average training accuracy"),
        (f"Precision, macro, {split}", scores["macro"]["precision"], "headline precision"),
        (f"Recall, macro, {split}", scores["macro"]["recall"], "headline recall"),
        (f"F1, macro, {split}", scores["macro"]["f1"], "headline f1"),
    ]
    overlap = [
        (f"{kind.capitalize()} {name}, {split}", estimate, "")
        for kind in ("box", "mask")
        for name, estimate in (("AP", (scores.get(kind) or {}).get("AP")), ("IoU", scores.get(f"{kind}_iou")))
    ]
    comparable = not other_types(metrics)
    audited = {row.what: row.audit for row in run.claim_rows if row.audit in (IMPOSSIBLE, NOT_THIS_READING)}
    plots = []
    for title, rows in (("", compared), ("Boxes and masks", overlap)):
        cards = [
            {
                "title": name,
                "estimate": estimate,
                "paper": claims.claimed_number(claim) if claim and comparable else None,
                "audit": audited.get(claim, "") if comparable else "",
            }
            for name, estimate, claim in rows
            if estimate
        ]
        if cards:
            found = [card["estimate"] for card in cards], [card["paper"] for card in cards]
            plots.append({"title": title, "cards": cards, **axis(*found)})
    return {"plots": plots}


def audit(_: RunFiles) -> dict[str, Any]:
    """The consistency checks of the paper's numbers; they do not depend on the run."""
    checks = paper_audit.audit()
    figures = paper_audit.figure_verdicts(checks)
    impossible = checks[checks["verdict"] == IMPOSSIBLE]
    return {
        "checks": checks.to_dict("records"),
        "strongest": impossible.sort_values("scope", key=lambda scope: scope != WHATEVER, kind="stable")
        .head(_STRONGEST)
        .to_dict("records"),
        "counts": checks["verdict"].value_counts().to_dict(),
        "figures": figures.to_dict("records"),
        "figure_counts": figures["verdict"].value_counts().to_dict(),
    }


def data(run: RunFiles) -> dict[str, Any]:
    """Photos by split and type, and duplicates; more is on the data card."""
    return {"counts": run.metrics["data"].get("counts") or {}, "duplicates": run.duplicates}


def preprocessing(run: RunFiles) -> dict[str, Any]:
    """Image size and augmentation."""
    return {
        "augmentation": recipe.augmentation(run.config["inputs"])[0] if run.config else "",
        "figures": run.figures["preprocessing"],
    }


def model(run: RunFiles) -> dict[str, Any]:
    """Parameters and operations of the parts of the network."""
    return {"parts": records(run.table("model_summary.csv"))}


def training(run: RunFiles) -> dict[str, Any]:
    """The training in numbers and epoch by epoch."""
    history = records(run.table("history.csv"))
    return {
        "summary": run.metrics.get("training"),
        "history": history,
        "charts": curves.training_charts(history),
        "figures": run.figures["training"],
    }


def evaluation(run: RunFiles) -> dict[str, Any]:
    """Classification reports, confusion matrices and average precision of every split."""
    return {"reports": _classification_reports(run), "figures": run.figures["evaluation"]}


def presence(run: RunFiles) -> dict[str, Any]:
    """Car or no car: the threshold, false alarms and AUROC; nothing for a run of before."""
    found = run.metrics.get("presence")
    if not found:
        return {}
    return {
        "found": found,
        "sentence": describe(found),
        "answers": describe_answers(found),
        "scores": PRESENCE_SCORES,
        "figures": run.figures["presence"],
    }


def error_analysis(run: RunFiles) -> dict[str, Any]:
    """Slice metrics and the regression of errors; `slices` is None where slice_metrics.csv is missing."""
    metrics = run.table("slice_metrics.csv", SLICE_COLUMNS)
    odds = run.table("error_odds.csv", ERROR_ODDS_COLUMNS)
    slices: dict[str, list[dict[str, Any]]] = {}
    for row in records(metrics):
        numbers = {
            "accuracy": {"value": row["accuracy"], "low": row["low"], "high": row["high"]},
            "mask_iou": _with_interval(row, "mask_iou"),
        }
        slices.setdefault(row["split"], []).append(row | numbers)
    return {
        "slices": None if metrics is None else slices,
        "sentences": [] if metrics is None or odds is None else findings.significant_slices(metrics, odds),
        "odds": records(odds),
        "figures": run.figures["slices"],
    }


def more(run: RunFiles) -> dict[str, Any]:
    """Figures that belong to no section."""
    return {"figures": run.figures["more"]}


def deviations(run: RunFiles) -> dict[str, Any]:
    """Settings of the paper's experiment and of this run."""
    return {"rows": run.differences}


def limitations(run: RunFiles) -> dict[str, Any]:
    """The limitations of the numbers, a text each."""
    texts = findings.limitations(run.metrics, run.split, run.duplicates, bool(run.rendered))
    cost = findings.other_source(files.read_json(OTHER_SOURCE)) if OTHER_SOURCE.is_file() else ""
    return {"texts": [*texts, cost] if cost else texts}


def reproducibility(run: RunFiles) -> dict[str, Any]:
    """The command of the run, its environment, times and settings."""
    notebooks = [
        {"href": f"notebooks/{name}.html", "title": title, "figures": run.left_out.get(name, 0)}
        for name, title in NOTEBOOKS.items()
    ]
    return {
        "notebooks": [notebook for notebook in notebooks if (run.folder / str(notebook["href"])).is_file()],
        "downloads": [(name, what) for name, what in DOWNLOADS.items() if (run.folder / name).is_file()],
        "try_page": TRY_PAGE if (run.folder / TRY_PAGE).is_file() else "",
        "provenance": run.provenance or {},
        "settings": settings(run.config or {}),
    }


def _classification_reports(run: RunFiles) -> list[dict[str, Any]]:
    """classification_report.csv by split; `x_low` and `x_high` become the interval of `x`."""
    table = run.table("classification_report.csv", REPORT_COLUMNS)
    if table is None:
        return []
    rows = [row | {score: _with_interval(row, score) for score in SCORES} for row in records(table)]
    return [{"split": name, "rows": [row for row in rows if row["split"] == name]} for name in run.splits]


def _with_interval(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    return {"value": row[column], "low": row[f"{column}_low"], "high": row[f"{column}_high"]}


_OPTIONAL = ("certainty", "more", "presence", "readings")  # sections that are left out where they have nothing to show
_IN_PRINT = (
    *("results", "predictions", "error_analysis", "audit", "claim_table", "deviations", "limitations"),
    *("summary_of_study", "reproducibility"),
)
_Content = Callable[[RunFiles], dict[str, Any]]
_SECTIONS: dict[str, tuple[str, str, _Content]] = {  # name: heading, title of the link if another, content
    "results": ("Compared with the paper", "", results),
    "predictions": ("Predictions", "", predictions.section),
    "error_analysis": ("When does the model fail?", "", error_analysis),
    "presence": ("Is there a car at all?", "Car or no car", presence),
    "certainty": ("Certainty", "", certainty.section),
    "audit": ("Are the paper's numbers consistent?", "Consistency of the paper", audit),
    "claim_table": ("The paper's claims, one by one", "The claims", claim_table),
    "readings": ("Under which reading of the paper is its number reached?", "Readings of the paper", readings.section),
    "deviations": ("Differences from the paper", "", deviations),
    "limitations": ("Limitations", "", limitations),
    "data": ("Data", "", data),
    "preprocessing": ("Preprocessing", "", preprocessing),
    "model": ("Model", "", model),
    "training": ("Training", "", training),
    "evaluation": ("All numbers", "", evaluation),
    "more": ("More figures", "", more),
    "summary_of_study": ("Summary of the reproduction", "Summary", summary_of_study),
    "reproducibility": ("Reproducibility", "", reproducibility),
}
