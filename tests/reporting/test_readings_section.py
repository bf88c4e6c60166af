"""The page's section on readings: those of the run's data, with their answer, table and figures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from carseg_lib.core import files
from carseg_lib.reporting.html.page import write_report
from tests.helpers.judged_run import reading


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "reports" / "quick"))


def write_readings(folder: Path, data: str) -> None:
    readings = [
        reading("first", 0.70, model="classifier") | {"title": "a <classifier>; all", "seeds": 2},
        reading("second", 0.91, model="mask_rcnn") | {"title": "Mask R-CNN; all", "seeds": 1},
    ]
    for one, verdict in zip(readings, ("below", "equivalent"), strict=True):
        one |= {"verdicts": dict.fromkeys(("last", "best", "mean"), verdict)}
    results = {
        "data": data, "epochs": 30, "photos": 722, "planned": 15, "claimed": 0.912, "margin": 0.03,
        "answer": ["Of the 2 trained here, 1 reaches 91.2%."], "readings": readings,
    }  # fmt: skip
    files.write_json(folder / "results.json", results)
    (folder / "figures").mkdir(exist_ok=True)
    Image.new("RGB", (40, 30), "white").save(folder / "figures" / "specification_curve.png")


def test_readings_of_the_same_data_are_a_section(run: Path) -> None:
    data = json.loads((run / "metrics.json").read_text())["data"]["name"]
    write_readings(run.parent / "readings", data)
    page = write_report(run).read_text(encoding="utf-8")
    section = page.split('id="readings"')[1].split("</section>")[0]
    assert "Of the 2 trained here, 1 reaches 91.2%." in section
    assert "run readings): 3 of 15 trainings, 30 epochs, n = 722" in section
    assert "a &lt;classifier&gt;; all" in section and "<classifier>" not in section
    first, second = section.index("Mask R-CNN; all"), section.index("a &lt;classifier")
    assert first < second  # the best first
    assert section.count("data:image/") == 1 and '<span class="badge good">equivalent</span>' in section
    assert "± 3 points" in section


def test_readings_of_other_data_are_none(run: Path) -> None:
    write_readings(run.parent / "readings", "other photos")
    assert 'id="readings"' not in write_report(run).read_text(encoding="utf-8")
