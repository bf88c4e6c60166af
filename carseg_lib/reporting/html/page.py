"""The page of a run: one HTML file that opens from disk without a network and loads no other file.

Styles, script and figures are inside the file. Its Content-Security-Policy contains the hashes of the one style sheet
and the one script and allows nothing else. Jinja2 escapes every text from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from carseg_lib.core import files
from carseg_lib.reporting.html import predictions, sections
from carseg_lib.reporting.html.data_card import write_data_card
from carseg_lib.reporting.html.pictures import make_pictures
from carseg_lib.reporting.html.render import MAX_BYTES, data_block, render
from carseg_lib.reporting.html.run_files import RunFiles
from carseg_lib.reporting.html.runs import write_preview

_MARKS = 2_000  # bytes for the line about the pictures
_PARTS = ("predictions",)  # styles and scripts of the page of a run


def write_report(run_folder: Path) -> Path:
    """Write `index.html` of a run from the files in its folder.

    Only metrics.json is required; the page states which other files are missing.

    Args:
        run_folder: `reports/<run>`: metrics.json, config.json, provenance.json, history.csv, predictions.csv,
            classification_report.csv, slice_metrics.csv, error_odds.csv, dataset/ (a Catalogue), figures/*.png,
            notebooks/*.html. The folders beside it are looked through for finished runs on other data and for
            readings of the paper.

    Returns:
        The path of the page, which is written completely or not at all.

    Raises:
        CarsegError: metrics.json is missing or broken, another file is broken, or the page cannot be written.
    """
    run = RunFiles(Path(run_folder))
    context = {
        "run": run.metrics["run"],
        "data": run.metrics["data"],
        "splits": run.metrics["splits"],
        "split": run.split,
        "order": run.splits,
        "body_types": run.body_types,
        "summary": sections.summary(run),
        "sections": sections.page_sections(run),
        "rendered": bool(run.rendered),
    }
    gallery = predictions.gallery(run)
    write_preview(run, gallery)
    write_data_card(run)
    return files.write_text(run.folder / "index.html", _with_pictures(run, gallery, context))


def _with_pictures(run: RunFiles, gallery: predictions.Gallery | None, context: Mapping[str, Any]) -> str:
    """The page with the photos of its predictions, as many inside it as its weight allows."""
    if gallery is None:
        return render("page.html", {**context, "blocks": {}, "pictures": None}, parts=_PARTS)
    blocks = {"predictions-data": data_block(gallery.data), "predictions-pictures": data_block([])}
    bare = render("page.html", {**context, "blocks": blocks, "pictures": {"line": ""}}, parts=_PARTS)
    pictures = make_pictures(run.folder, gallery.photos, MAX_BYTES - len(bare.encode("utf-8")) - _MARKS, gallery.wrong)
    blocks["predictions-pictures"] = data_block(pictures.sources)
    shown = {**context, "blocks": blocks, "pictures": {"line": predictions.line_of_pictures(pictures)}}
    return render("page.html", shown, parts=_PARTS, pictures_beside=pictures.beside > 0)
