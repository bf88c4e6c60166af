"""Put the results of an experiment on its results page.

    .venv/bin/python docs/results/take_experiment.py readings photographs reports/readings-stanford-cars-4 <commit>
    .venv/bin/python docs/results/take_experiment.py generalisation photographs reports/generalisation <commit>
    .venv/bin/python docs/results/take_experiment.py ablation rendered reports/ablation-rendered <commit>

The page `docs/<experiment>.md` has a block for each data set, between `<!-- photographs -->` and
`<!-- /photographs -->`: where and when it was made, what `results.md` of the experiment says, and its figures, which
lie in `docs/images/`. The table itself lies here as `<experiment>-<data>.csv`. Of an ablation that was measured
elsewhere there are two tables, and what its baseline loses on the other source goes into
`reports/reference/other-source.json`, from which every report says it.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pandas as pd
from PIL import Image

from carseg_lib.core import files
from carseg_lib.core.formatting import duration
from carseg_lib.reporting.html.sections import OTHER_SOURCE

HERE = Path(__file__).parent
IMAGES = HERE.parent / "images"
TABLES = {"readings": "readings.csv", "generalisation": "results.csv", "ablation": "results.csv"}
FIGURES = {
    "readings": {
        "specification_curve": "Validation accuracy of each reading, sorted, with its choices and the paper's number.",
        "training_beside_validation": "Training and validation accuracy of each reading, means over the epochs.",
    },
    "generalisation": {
        "unseen": "Accuracy of each type on groups seen in training and never seen.",
        "curve": "Accuracy by the number of training photos.",
    },
    "ablation": {"effects": "What each change does to accuracy and mask IoU on the photos of its own source."},
}
WIDTH = 1400  # pixels, at most


def take(experiment: str, data: str, folder: Path, commit: str) -> None:
    """Write the block of a data set on the page of an experiment.

    Args:
        experiment: "readings", "generalisation" or "ablation".
        data: name of the block, for instance "photographs".
        folder: of the experiment under reports/.
        commit: that it was made by.
    """
    page = HERE.parent / f"{experiment}.md"
    results = files.read_json(folder / "results.json")
    parts = [_made(results, commit), (folder / "results.md").read_text(encoding="utf-8").strip()]
    for name, caption in FIGURES[experiment].items():
        found = next(iter(sorted(folder.glob(f"**/{name}.png"))), None)
        if found is not None:
            target = IMAGES / f"{experiment}-{data}-{name.replace('_', '-')}.webp"
            with Image.open(found) as picture:
                picture.thumbnail((WIDTH, 4 * WIDTH))
                picture.save(target, lossless=True)
            parts.append(f"![{caption}](images/{target.name})")
    shutil.copyfile(folder / TABLES[experiment], HERE / f"{experiment}-{data}.csv")
    if (elsewhere := folder / "elsewhere.csv").is_file():
        shutil.copyfile(elsewhere, HERE / f"{experiment}-{data}-elsewhere.csv")
        parts.insert(2, (folder / "elsewhere.md").read_text(encoding="utf-8").strip())
        _keep_other_source(pd.read_csv(elsewhere), results, data, commit)
    text = page.read_text(encoding="utf-8")
    block = f"<!-- {data} -->\n" + "\n\n".join(parts) + f"\n<!-- /{data} -->"
    new, count = re.subn(rf"<!-- {data} -->.*?<!-- /{data} -->", lambda _: block, text, flags=re.S)
    if count != 1:
        raise SystemExit(f"{page}: there must be one block <!-- {data} -->")
    page.write_text(new, encoding="utf-8")


def _keep_other_source(elsewhere: pd.DataFrame, results: dict, data: str, commit: str) -> None:
    """Write what the baseline reaches on its own source and on the other one, unless more trainings have said it."""
    found = elsewhere[(elsewhere["set"] == "other_source") & (elsewhere["group"] == "baseline")]
    if found.empty:
        return
    known = files.read_json(OTHER_SOURCE) if OTHER_SOURCE.is_file() else {}
    baseline = next(row for row in results["groups"] if row["group"] == "baseline")
    row, source = found.iloc[0], data.partition("-")[0]  # "rendered-one-seed" is of the rendered photos too
    if known.get(source, {}).get("trainings", 0) > row["trainings"]:
        return
    known[source] = {
        "own": {key: baseline["accuracy"][key] for key in ("value", "low", "high", "n")},
        "other": {key: float(row[key]) for key in ("value", "low", "high")} | {"n": int(row["photos"])},
        "trainings": int(row["trainings"]),
        "photos": results["plan"]["photos"],
        "epochs": results["plan"]["epochs"],
        "profile": results["plan"]["profile"],
        "made": str(results["made"])[:10],
        "commit": commit,
    }
    files.write_json(OTHER_SOURCE, dict(sorted(known.items())))


def _made(results: dict, commit: str) -> str:
    """Machine, day, commit and time of an experiment."""
    records = results.get("records") or [{"hardware": results["hardware"], "made": results["made"]}]
    days = sorted({str(record["made"])[:10] for record in records})
    machines = sorted({str(record["hardware"].get("processor") or record["hardware"].get("cpu")) for record in records})
    trained = sum(trial.get("seconds", 0.0) for trial in (results.get("records") or results.get("trials") or []))
    span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"Made {span} by commit `{commit}` on {', '.join(machines)}; {duration(trained)} of training in all."


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    take(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4])
