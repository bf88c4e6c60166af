"""The list of runs, `reports/index.html`: finished runs, experiments beside them, and the way to a comparison.

What the list shows of a page lies beside it in page.json, so that no page is read again for its list.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.evaluation.claim_table.evidence import main_split
from carseg_lib.reporting.html.answers import Answer
from carseg_lib.reporting.html.compare import Compared, write_comparison
from carseg_lib.reporting.html.experiments import experiments
from carseg_lib.reporting.html.pictures import picture_uri
from carseg_lib.reporting.html.predictions import Gallery
from carseg_lib.reporting.html.render import render
from carseg_lib.reporting.html.run_files import RunFiles, read_optional_json

_SIDE, _QUALITY = 192, 60  # of a preview: longest side in pixels, WebP quality


def write_preview(run: RunFiles, gallery: Gallery | None) -> Path:
    """Write `page.json`, what the list of runs shows of a run's page: its verdict and one predicted photo.

    Args:
        run: of the page.
        gallery: its photos, if there are any.
    """
    verdict: Answer = run.answers[2]
    shown = {
        "schema": 1,
        "verdict": {"word": verdict.word, "tone": verdict.tone, "remark": verdict.remark},
        "preview": None if gallery is None else _preview(gallery),
    }
    return files.write_json(run.folder / "page.json", shown)


def _preview(gallery: Gallery) -> dict[str, Any] | None:
    """The most confident correct prediction of the verdict's split, with its outline; None where there is none."""
    photos, main = gallery.data["photos"], gallery.data["main"]
    right = [
        k
        for k, split in enumerate(photos["split"])
        if gallery.data["splits"][split] == main and photos["predicted"][k] == photos["truth"][k] >= 0
    ]
    for k in sorted(right, key=lambda k: -(photos["score"][k] or 0)):
        if picture := picture_uri(gallery.photos[k], _SIDE, _QUALITY):
            return {"picture": picture, "outline": photos["predicted_mask"][k], "size": photos["drawing"][k]}
    return None


def write_index(reports: Path) -> Path:
    """Write `reports/index.html`, the list of all runs that have metrics and a page, newest first.

    Beside it `reports/compare.html`, where there are two runs or more.

    Args:
        reports: the folder that contains the runs.

    Returns:
        The path of the list.

    Raises:
        CarsegError: A file of a run or of an experiment is broken.
    """
    reports = Path(reports)
    runs = []
    for path in reports.glob("*/metrics.json"):
        metrics = files.read_json(path)
        with files.written_by_carseg(path.parent, f"run make reproduce RUN={path.parent.name} again, or remove it"):
            if "splits" in metrics and (path.parent / "index.html").is_file():
                runs.append(_listed(path.parent, metrics))
    runs.sort(key=lambda run: (run["made"], run["folder"]), reverse=True)
    compared = [Compared(reports / run["folder"], run["metrics"], run["made"]) for run in runs]
    comparable = write_comparison(reports, compared)
    context = {"runs": runs, "experiments": experiments(reports), "comparable": comparable}
    return files.write_text(reports / "index.html", render("runs.html", context, parts=("runs",)))


def _listed(folder: Path, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A run as the list shows it."""
    provenance = read_optional_json(folder / "provenance.json") or {}
    page = read_optional_json(folder / "page.json") or {}
    split = main_split(metrics)
    scores = metrics["splits"].get(split) or {}
    shown = [scores.get("accuracy"), (scores.get("macro") or {}).get("f1"), (scores.get("mask") or {}).get("AP")]
    verdict = page.get("verdict") or dict.fromkeys(("word", "tone", "remark"), "")
    preview = page.get("preview") or {"size": [0, 0], "picture": "", "outline": ""}
    if not all(isinstance(part, dict) for part in (metrics["data"], metrics["run"], verdict, preview)):
        raise ValueError("a part is no table")
    if not {"word", "tone", "remark"} <= verdict.keys() or not {"picture", "outline"} <= preview.keys():
        raise ValueError("page.json lacks a part")
    if not isinstance(preview["size"], list) or len(preview["size"]) != 2:
        raise ValueError("page.json has another size")
    for part, name in (("data", "name"), ("run", "profile"), ("run", "backbone"), ("run", "seed")):
        metrics[part][name]  # which the page shows
    if not all(isinstance(value, float | int | None) for one in shown for value in (one or {}).values()):
        raise ValueError("a number is of another kind")
    return {
        "folder": folder.name,
        "made": provenance.get("made") or "",
        "seconds": provenance.get("seconds"),
        "commit": (provenance.get("carseg") or {}).get("commit") or "",
        "verdict": page.get("verdict"),
        "preview": page.get("preview"),
        "metrics": metrics,
        "split": split,
        **dict(zip(("accuracy", "f1", "mask_ap"), shown, strict=True)),
    }
