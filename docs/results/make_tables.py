"""Keep the tables of the results pages and of the README equal to the CSV files beside the pages.

    .venv/bin/python docs/results/make_tables.py rendered reports/quick        # take the numbers of a run
    .venv/bin/python docs/results/make_tables.py photographs reports/reference/best--stanford-cars-4.json
    .venv/bin/python docs/results/make_tables.py                               # write the tables from the CSV files

A page `docs/results/<page>.md` has a CSV (`<page>.csv`: one row for each profile, split and metric) and a JSON
(`<page>.json`: command, commit, date and machine of each profile's run). Each run that is taken replaces the rows of
its profile. What stands between the markers of a page is made from the two files, never written by hand.

A reference file that was written before it had intervals holds values alone. Intervals that the CSV already has stay
where the value is the same. The table of seeds is made from the reference files themselves.
"""

from __future__ import annotations

import csv
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

from carseg_lib.workflow.reference_tolerance import HEADLINE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = ROOT / "README.md"
REFERENCES = ROOT / "reports" / "reference"
DATA = {"rendered": "rendered", "photographs": "stanford-cars-4"}  # page: name of its data
PROFILES = ("quick", "best", "paper")  # in the order of the columns
SPLITS = ("validation", "test")
NUMBER_FORMATS = {"bf16-mixed": "bfloat16", "32-true": "float32"}
COLUMNS = ("profile", "split", "metric", "value", "low", "high", "n")
# Metric: its name in a table, and what the paper prints for it (its headline; Table 1 for a type's F1).
METRICS = {
    "accuracy": ("accuracy", "91.2%"),
    "macro_precision": ("precision, macro", "90.4%"),
    "macro_recall": ("recall, macro", "88.7%"),
    "macro_f1": ("F1, macro", "89.6%"),
    "per_type.suv.f1": ("F1, SUV", "89.0%"),
    "per_type.sedan.f1": ("F1, sedan", "67.2%"),
    "per_type.convertible.f1": ("F1, convertible", "89.7%"),
    "per_type.minivan.f1": ("F1, minivan", "87.1%"),
    "box.AP": ("box AP", "–"),
    "box.AP50": ("box AP50", "–"),
    "mask.AP": ("mask AP", "–"),
    "mask.AP50": ("mask AP50", "–"),
    "mask_iou": ("mask IoU", "–"),
}
SLICES = 8  # levels shown on the page of slices
LEAST_PHOTOS = 20  # of a level that is shown
SLICE_COLUMNS = ("attribute", "level", "n", "accuracy", "low", "high")

Row = dict[str, Any]


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    """Write rows as a CSV file with a header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_made(page: str) -> dict[str, dict[str, Any]]:
    """Return command, commit, date, machine, number format and seconds of each profile's run."""
    path = HERE / f"{page}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def percent(value: str | float) -> str:
    """Return a fraction as the tables print it: "93.4%"."""
    return f"{100 * float(value):.1f}%"


def interval(row: dict[str, str], low: str = "low", high: str = "high", value: str = "value") -> str:
    """Return a value with its 95% interval: "93.4% (91.9–94.8)"; the value alone where there is no interval."""
    if not row[low]:
        return percent(row[value])
    return f"{percent(row[value])} ({100 * float(row[low]):.1f}–{100 * float(row[high]):.1f})"


def duration(seconds: float) -> str:
    """Return a duration in whole minutes, on one line."""
    return f"{round(seconds / 60)}\u00a0min"


def markdown_table(header: list[str], rows: list[list[str]], align: str = "---:") -> str:
    """Return a Markdown table whose first column is text; `align` is the alignment of the others."""
    lines = [header, ["---", *[align for _ in header[1:]]], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def replace_block(path: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        SystemExit: The file lacks the markers.
    """
    content = path.read_text(encoding="utf-8")
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if content.count(start) != 1 or content.count(end) != 1:
        raise SystemExit(f"{path}: needs the lines {start} and {end} once each")
    before, rest = content.split(start)
    after = rest.split(end)[1]
    path.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def take_run(page: str, source: Path) -> None:
    """Replace a profile's rows by the numbers of a run's folder or of a reference file."""
    if source.is_dir():
        metrics = json.loads((source / "metrics.json").read_text(encoding="utf-8"))
        provenance = json.loads((source / "provenance.json").read_text(encoding="utf-8"))
        profile, data = metrics["run"]["profile"], metrics["data"]["name"]
        number_format, command = NUMBER_FORMATS[metrics["run"]["precision"]], provenance["command"]
        splits: dict[str, Any] = metrics["splits"]
    else:
        reference = json.loads(source.read_text(encoding="utf-8"))
        profile, data, provenance = reference["profile"], reference["data"]["name"], reference["made"]
        splits = {split: _from_reference(reference["metrics"], split) for split in SPLITS}
        number_format, command = provenance["number_format"], "make reproduce"
        command += "" if data == "rendered" else f" DATA={data}"
        command += "" if profile == "quick" else f" PROFILE={profile}"
    made = read_made(page)
    made[profile] = {
        "command": re.sub(r"DATA=\S*/", "DATA=", command),  # no path of a machine
        "commit": provenance["carseg"]["commit"],
        "date": provenance["made"][:10],
        "machine": _machine(provenance["hardware"]),
        "cores": provenance["hardware"]["cores"],
        "number_format": number_format,
        "seconds": provenance["seconds"],
    }
    kept = {(r["profile"], r["split"], r["metric"]): r for r in read_csv(HERE / f"{page}.csv")}
    for split in SPLITS:
        for metric in METRICS:
            key = profile, split, metric
            found = _at(splits[split], metric)
            row = {"profile": profile, "split": split, "metric": metric, "value": f"{found['value']:.6f}"}
            if "low" in found:
                row |= {"low": f"{found['low']:.6f}", "high": f"{found['high']:.6f}", "n": str(found["n"])}
            elif key in kept and kept[key]["value"] == row["value"]:
                row = kept[key]
            kept[key] = {column: row.get(column, "") for column in COLUMNS}
    order = [(p, s, m) for p in PROFILES for s in SPLITS for m in METRICS]
    write_csv(HERE / f"{page}.csv", COLUMNS, [kept[key] for key in order if key in kept])
    text = json.dumps({p: made[p] for p in PROFILES if p in made}, indent=2, ensure_ascii=False)
    (HERE / f"{page}.json").write_text(text + "\n", encoding="utf-8")
    if page == "rendered" and source.is_dir():
        _take_slices(source, made[profile])


def _at(numbers: Any, path: str) -> Row:
    for name in path.split("."):
        numbers = numbers[name]
    return numbers


def _from_reference(metrics: dict[str, Row], split: str) -> Row:
    """Return the nested numbers of a split, as metrics.json has them, from the flat ones of a reference."""
    nested: Row = {}
    for path in METRICS:
        *folders, name = path.split(".")
        inner = nested
        for folder in folders:
            inner = inner.setdefault(folder, {})
        inner[name] = metrics[f"splits.{split}.{path}.value"]
    return nested


def _machine(hardware: Row) -> str:
    gpus = ", ".join(map(str, hardware["gpus"])) or "no GPU"
    return f"{hardware['processor']}, {hardware['cores']} cores, {hardware['memory_gb']:.0f} GB, {gpus}"


def _take_slices(run: Path, made: Row) -> None:
    """Take the accuracy of validation photos by attribute, all types together."""
    levels = [
        {column: row[column] for column in SLICE_COLUMNS}
        for row in read_csv(run / "slice_metrics.csv")
        if row["split"] == "validation" and not row["body_type"]
    ]
    write_csv(HERE / "rendered-slices.csv", SLICE_COLUMNS, levels)
    text = json.dumps({"quick": made}, indent=2, ensure_ascii=False)
    (HERE / "rendered-slices.json").write_text(text + "\n", encoding="utf-8")


def made_table(page: str) -> str:
    """Return the table of a page's runs: command, commit, date, machine, time."""
    rows = [
        [
            f"`{made['command']}`",
            f"`{made['commit'][:7]}`",
            f"`{made['date']}`",
            f"{made['machine']}, {made['number_format']}",
            duration(made["seconds"]),
        ]
        for made in read_made(page).values()
    ]
    return markdown_table(["command", "commit", "date", "machine", "time"], rows, "---")


def results_table(page: str) -> str:
    """Return the table of a page: a row a metric, the paper's figure, a column for each profile and split."""
    rows = {(r["profile"], r["split"], r["metric"]): r for r in read_csv(HERE / f"{page}.csv")}
    columns = [(p, s) for p in PROFILES for s in SPLITS if (p, s, "accuracy") in rows]
    header = ["", "paper"]
    for profile, split in columns:
        n = rows[profile, split, "accuracy"]["n"]
        header.append(f"`{profile}`, {split}" + (f"<br>n = {int(n):,}" if n else ""))
    body = [
        [name, paper, *(interval(rows[profile, split, metric]) for profile, split in columns)]
        for metric, (name, paper) in METRICS.items()
    ]
    return markdown_table(header, body)


def read_seeds(page: str, profile: str) -> list[dict[str, Any]]:
    """Return the runs of different seeds that a page's reference of a profile has; none if there is no reference."""
    path = REFERENCES / f"{profile}--{DATA[page]}.json"
    return json.loads(path.read_text(encoding="utf-8"))["seeds"] if path.is_file() else []


def mean_and_deviation(values: list[float]) -> str:
    """Return the mean of two values or more and their standard deviation: "93.4% ± 0.6"."""
    return f"{percent(statistics.mean(values))} ± {100 * statistics.stdev(values):.1f}"


def seeds_table(page: str) -> str:
    """Return a table for each profile with several seeds: mean, standard deviation (points) and each seed."""
    tables = []
    for profile in PROFILES:
        runs = read_seeds(page, profile)
        if len(runs) > 1:
            header = [f"`{profile}`", "mean ± sd", *(f"seed {run['seed']}" for run in runs)]
            body = []
            for path, name in HEADLINE.items():
                values = [run["numbers"][path] for run in runs]
                body.append([name, mean_and_deviation(values), *map(percent, values)])
            tables.append(markdown_table(header, body))
    return "\n\n".join(tables) or "No profile was run with a second seed."


def slices_table() -> str:
    """Return the levels with the lowest accuracy, after a row for all photos."""
    rows = read_csv(HERE / "rendered-slices.csv")
    whole = [row for row in rows if row["attribute"] == "all photos"]
    levels = [row for row in rows if row["attribute"] != "all photos" and int(row["n"]) >= LEAST_PHOTOS]
    shown = whole + sorted(levels, key=lambda row: float(row["accuracy"]))[:SLICES]
    body = [[r["attribute"], r["level"], f"{int(r['n']):,}", interval(r, "low", "high", "accuracy")] for r in shown]
    return markdown_table(["attribute", "level", "photos", "accuracy"], body)


def readme_table() -> str:
    """Return the README's table: the paper, the rendered cars, the photographs."""
    columns = [("rendered", "quick"), ("photographs", "quick"), ("photographs", "best")]
    rows = {
        (page, r["profile"], r["split"], r["metric"]): r
        for page in ("rendered", "photographs")
        for r in read_csv(HERE / f"{page}.csv")
    }
    made = {page: read_made(page) for page in ("rendered", "photographs")}
    header = ["", "paper", *(f"{page}, `{profile}`" for page, profile in columns)]
    body = []
    for split, metric in (
        ("validation", "accuracy"),
        ("test", "accuracy"),
        ("test", "macro_f1"),
        ("test", "box.AP"),
        ("test", "mask.AP"),
        ("test", "mask_iou"),
    ):
        name, paper = METRICS[metric]
        if (split, metric) == ("test", "accuracy"):
            paper = "–"
        cells = [interval(rows[page, profile, split, metric]) for page, profile in columns]
        body.append([f"{name}, {split}", paper, *cells])
    seeds = [read_seeds(page, profile) for page, profile in columns]
    for split in SPLITS if any(len(runs) > 1 for runs in seeds) else ():
        values = [[run["numbers"][f"splits.{split}.accuracy.value"] for run in runs] for runs in seeds]
        cells = [f"{mean_and_deviation(v)}, {len(v)} seeds" if len(v) > 1 else "–" for v in values]
        body.append([f"accuracy, {split}, mean ± sd of seeds", "–", *cells])
    runs = [made[page][profile] for page, profile in columns]
    body.append(
        ["time", "–", *(f"{duration(run['seconds'])}, {run['cores']} cores, {run['number_format']}" for run in runs)]
    )
    body.append(["date, commit", "–", *(f"{run['date']}, `{run['commit'][:7]}`" for run in runs)])
    return markdown_table(header, body)


def benchmark_table() -> str:
    """Return the table of the benchmark page: a row of its CSV, as it is printed there."""
    rows = read_csv(HERE.parent / "benchmark.csv")
    return markdown_table(list(rows[0]), [list(row.values()) for row in rows])


def main(arguments: list[str]) -> None:
    """Take a run if one is named; then write all tables."""
    if arguments:
        page, source = arguments
        take_run(page, ROOT / source)
    for page in ("rendered", "photographs"):
        replace_block(HERE / f"{page}.md", "made", made_table(page))
        replace_block(HERE / f"{page}.md", "table", results_table(page))
        replace_block(HERE / f"{page}.md", "seeds", seeds_table(page))
    replace_block(HERE / "rendered-slices.md", "made", made_table("rendered-slices"))
    replace_block(HERE / "rendered-slices.md", "table", slices_table())
    replace_block(HERE.parent / "benchmark.md", "table", benchmark_table())
    for path in (README, HERE.parent / "index.md"):
        replace_block(path, "results", readme_table())


if __name__ == "__main__":
    main(sys.argv[1:])
