"""README, docs/ and the files beside them say what the code, the Makefile and the tables of results say."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Literal

import click
import pytest
import yaml
from packaging.requirements import Requirement
from pydantic import BaseModel, Field

from carseg_lib.core.paths import project_folder

ROOT = project_folder()
DOCS = ROOT / "docs"
RESULTS = DOCS / "results"
README = ROOT / "README.md"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TEXTS = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PARTS = ("data", "pseudo_labels", "inputs", "model", "train", "eval")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load(DOCS / "generate.py")
make_tables = load(RESULTS / "make_tables.py")


def code_of(path: Path) -> list[str]:
    """The lines of all code blocks of a page, and its inline code."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [line for block in blocks for line in block.splitlines()] + inline


def block(path: Path, name: str) -> str:
    """What stands between the markers of a page."""
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", path.read_text(encoding="utf-8"), re.S)[1]


def cells(table: str) -> list[list[str]]:
    """The cells of a Markdown table, its header first, without the line below it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [rows[0], *rows[2:]]


def make_targets() -> set[str]:
    """Every target of the Makefile that has a name."""
    lines = re.findall(r"^([a-z][a-z0-9 -]*):(?!=)", MAKEFILE, re.M)
    return {name for line in lines for name in line.split()}


def relative_to_root(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ------------------------------------------------------------------------------------------------- generated pages


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_what_the_code_gives(name: str):
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == generate.PAGES[name](), "write it again: .venv/bin/python docs/generate.py"


class SmallTraining(BaseModel):
    """How it is trained."""

    epochs: int = Field(30, ge=1, le=1000, description="passes over the photos | all of them")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="optimiser")
    start: str = Field("", description="a checkpoint in reports/<run>")
    limit: float | None = Field(None, gt=0)


class SmallConfig(BaseModel):
    """The configuration of the tests."""

    seed: int = Field(0, ge=0, description="seed of every random choice")
    train: SmallTraining = Field(default_factory=SmallTraining)


def test_the_page_of_settings_has_default_profiles_values_and_meaning():
    profiles = {"quick": {"train": {"epochs": 11, "optimizer": "adam"}}, "best": {"seed": 1, "train": {"epochs": 10}}}
    page = generate.render_configuration(SmallConfig, profiles)
    lines = page.splitlines()
    assert "| `seed` | `0` | `best` 1 | int, ≥ 0 | seed of every random choice |" in lines
    assert (
        "| `train.epochs` | `30` | `quick` 11; `best` 10 | int, ≥ 1, ≤ 1000 | passes over the photos \\| all of them |"
        in lines
    )
    assert "| `train.optimizer` | `adam` |  | `adam`, `sgd` | optimiser |" in lines  # quick names the default
    assert '| `train.start` | `""` |  | str | a checkpoint in reports/&lt;run> |' in lines
    assert "| `train.limit` | `None` |  | float, > 0 |  |" in lines
    assert lines.index("## The run") < lines.index("## train")
    assert "How it is trained." in lines


def test_the_page_of_commands_has_targets_variables_and_options():
    @click.group()
    def cli() -> None:
        pass

    @cli.command(help="Run the study.")
    @click.option("--data", default="rendered", help="photos: <type>/*.jpg")
    @click.option("--device", type=click.Choice(["cpu", "cuda"]), help="where it runs")
    def run(data: str, device: str) -> None:
        pass

    @cli.command(hidden=True)
    def old() -> None:
        pass

    makefile = (
        "## DATA=folder   your photos;\n##               or `rendered`\n"
        "reproduce: $(READY) ## run the study\n\t@$(CARSEG) run\n"
        "train: ## train\n\t@$(CARSEG) run --until 03_training\n"
        "lint-all: ## no command of carseg\n\t@ruff check\n"
    )
    lines = generate.render_commands(cli, makefile).splitlines()
    assert "| `make reproduce` | run the study |" in lines
    assert "| `make lint-all` | no command of carseg |" in lines
    assert "| `DATA=folder` | your photos; or `rendered` |" in lines
    assert "Make: `make reproduce`, `make train`." in lines
    assert "| `--data` | `rendered` | photos: &lt;type>/*.jpg |" in lines
    assert "| `--device` | – | where it runs (cpu, cuda) |" in lines
    assert "### `carseg run`" in lines
    assert "### `carseg old`" not in lines


# ------------------------------------------------------------------------------------------------- README and links


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", TEXTS, ids=relative_to_root)
def test_relative_links_lead_somewhere(path: Path):
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in (link for link in links if "://" not in link and not link.startswith("#")):
        target, _, anchor = link.partition("#")
        found = path.parent / target
        assert found.exists(), link
        if path.is_relative_to(DOCS):
            assert found.resolve().is_relative_to(DOCS), f"{link} is not part of the site"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.M)
            slugs = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", h.lower()).strip()) for h in headings}
            assert anchor in slugs, link


def test_every_page_is_in_the_navigation_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = re.findall(r"[:-] (\S+\.md)$", text, re.M)
    assert sorted(pages) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


def test_the_site_loads_nothing_from_elsewhere():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    loaded = [*settings["extra"]["polyfills"], *settings["extra_css"], *settings.get("extra_javascript", [])]
    assert loaded
    assert all((DOCS / name).is_file() for name in loaded)
    assert settings["strict"] is True


def test_the_readme_picture_is_small_and_there():
    picture = re.search(r"!\[.{40,}\]\((docs/images/\S+)\)", README.read_text(encoding="utf-8"))[1]
    assert 20_000 < (ROOT / picture).stat().st_size <= 300_000


# ---------------------------------------------------------------------------------------------- commands and settings


@pytest.mark.parametrize("path", TEXTS, ids=relative_to_root)
def test_make_targets_and_variables_that_are_named_exist(path: Path):
    targets = make_targets()
    variables = set(re.search(r"^VARIABLES := (.+)$", MAKEFILE.replace("\\\n", " "), re.M)[1].split())
    for line in code_of(path):
        command = re.match(r"(?:.*(?:&&|;) )?make ([a-z][a-z0-9-]*)(.*)", line.split("#")[0].strip())
        if command:
            assert command[1] in targets, line
            assert set(re.findall(r"(?:^| )([A-Z][A-Z_]+)=", command[2])) <= variables, line


@pytest.mark.parametrize("path", TEXTS, ids=relative_to_root)
def test_settings_that_are_named_exist(path: Path):
    from carseg_lib.core.config import RunConfig

    for line in code_of(path):
        for part, name in re.findall(
            rf"(?<![\w/-])({'|'.join(PARTS)})\.(?!html|yaml|onnx)([a-z][a-z_0-9]+)\b(?!\()", line
        ):
            fields = RunConfig.model_fields[part].annotation.model_fields
            modules = ROOT / "carseg_lib" / part / f"{name}.py", ROOT / "carseg_lib" / part / name
            assert name in fields or any(module.exists() for module in modules), line


def test_the_changelog_names_settings_that_exist():
    from carseg_lib.core.config import RunConfig

    parts = {part: RunConfig.model_fields[part].annotation.model_fields for part in PARTS}
    names = set(RunConfig.model_fields) | {name for fields in parts.values() for name in fields}
    names |= {f"{part}.{name}" for part, fields in parts.items() for name in fields}
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = changelog.split("### Renamed: settings")[1].split("###")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    now = [name for row in rows for name in re.findall(r"`([^`]+)`", "|".join(row.split("|")[2::2]))]
    assert len(now) >= 30
    assert [name for name in now if name not in names] == []


def test_python_examples_compile():
    for path in (*TEXTS,):
        for example in re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
            compile(example, str(path), "exec")


# ----------------------------------------------------------------------------------------------------------- results


PAGES = [path for path in sorted(RESULTS.glob("*.md")) if path.stem != "index"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_results_page_names_command_commit_date_and_machine(path: Path):
    header, *runs = cells(block(path, "made"))
    assert header == ["command", "commit", "date", "machine", "time"]
    made = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert len(runs) == len(made) >= 1
    for (command, commit, date, machine, time), run in zip(runs, made.values(), strict=True):
        assert re.fullmatch(r"`make [a-z0-9-]+( [A-Z_]+=\S+)*`", command)
        assert re.fullmatch(r"`[0-9a-f]{7}`", commit)
        assert run["commit"].startswith(commit.strip("`"))
        assert re.fullmatch(r"`20\d\d-\d\d-\d\d`", date)
        assert "cores" in machine
        assert re.fullmatch(r"\d+\s(min|h)", time)
    assert f"({path.stem}.csv)" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["rendered", "photographs"])
def test_a_results_table_has_the_numbers_of_its_csv(page: str):
    with (RESULTS / f"{page}.csv").open(encoding="utf-8", newline="") as file:
        rows = {(r["profile"], r["split"], r["metric"]): r for r in csv.DictReader(file)}
    header, *body = cells(block(RESULTS / f"{page}.md", "table"))
    names = {name: metric for metric, (name, _) in make_tables.METRICS.items()}
    columns = [re.fullmatch(r"`(\w+)`, (\w+)(?:<br>n = [\d,]+)?", text).groups() for text in header[2:]]
    seen = set()
    for name, _, *numbers in body:
        for (profile, split), printed in zip(columns, numbers, strict=True):
            row = rows[profile, split, names[name]]
            found = [float(number) for number in re.findall(r"\d+\.\d", printed)]
            stored = [float(row[key]) * 100 for key in ("value", "low", "high") if row[key]]
            assert found == pytest.approx(stored, abs=0.0501), (name, printed)
            seen.add((profile, split, names[name]))
    assert seen == set(rows)


def test_the_page_of_slices_has_the_numbers_of_its_csv():
    with (RESULTS / "rendered-slices.csv").open(encoding="utf-8", newline="") as file:
        rows = {(r["attribute"], r["level"]): r for r in csv.DictReader(file)}
    _, *body = cells(block(RESULTS / "rendered-slices.md", "table"))
    assert len(body) > 5
    for attribute, level, n, accuracy in body:
        row = rows[attribute, level]
        assert n == f"{int(row['n']):,}"
        found = [float(number) for number in re.findall(r"\d+\.\d", accuracy)]
        assert found == pytest.approx([100 * float(row[key]) for key in ("accuracy", "low", "high")], abs=0.0501)


def test_the_table_of_the_benchmark_is_its_csv():
    with (DOCS / "benchmark.csv").open(encoding="utf-8", newline="") as file:
        assert cells(block(DOCS / "benchmark.md", "table")) == list(csv.reader(file))


@pytest.mark.parametrize("path", [README, DOCS / "index.md"], ids=["README", "index"])
def test_the_front_table_is_made_from_the_results(path: Path):
    assert block(path, "results") == make_tables.readme_table()


@pytest.mark.parametrize("page", ["rendered", "photographs"])
def test_the_paper_column_has_the_paper_claims(page: str):
    from carseg_lib.paper.claims import HEADLINE, TABLE_1

    paper = {name: printed for name, printed, *_ in cells(block(RESULTS / f"{page}.md", "table"))[1:]}
    for metric, name in (("precision", "precision, macro"), ("recall", "recall, macro"), ("f1", "F1, macro")):
        assert paper[name] == f"{HEADLINE[metric]:.1%}"
    assert paper["accuracy"] == f"{HEADLINE['accuracy']:.1%}"
    for body_type, name in (("suv", "SUV"), ("sedan", "sedan"), ("convertible", "convertible"), ("minivan", "minivan")):
        assert paper[f"F1, {name}"] == f"{TABLE_1.loc[body_type, 'f1']:.1%}"


def run_folder(folder: Path, accuracy: float) -> Path:
    """A run's folder with the files that a results page takes: every metric has the same value."""

    def number(value: float) -> dict[str, float | int]:
        return {"value": value, "low": value - 0.02, "high": value + 0.01, "n": 100}

    split: dict = {}
    for metric in make_tables.METRICS:
        *folders, name = metric.split(".")
        inner = split
        for part in folders:
            inner = inner.setdefault(part, {})
        inner[name] = number(accuracy)
    folder.mkdir()
    metrics = {"run": {"profile": "quick", "precision": "32-true"}, "data": {"name": "rendered"}}
    metrics |= {"splits": {"validation": split, "test": split}}
    made = {"made": "2031-02-03T04:05:06Z", "command": "make reproduce SEED=1", "carseg": {"commit": "a1" * 20}}
    made |= {"hardware": {"processor": "CPU", "cores": 4, "memory_gb": 7.6, "gpus": []}, "seconds": 125.0}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "provenance.json").write_text(json.dumps(made))
    return folder


def test_a_run_replaces_the_numbers_of_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(make_tables, "HERE", tmp_path)
    make_tables.take_run("photographs", run_folder(tmp_path / "first", 0.5))
    make_tables.take_run("photographs", run_folder(tmp_path / "second", 0.6))
    assert len(make_tables.read_csv(tmp_path / "photographs.csv")) == 2 * len(make_tables.METRICS)
    assert "| accuracy | 91.2% | 60.0% (58.0–61.0) | 60.0% (58.0–61.0) |" in make_tables.results_table("photographs")
    (run,) = cells(make_tables.made_table("photographs"))[1:]
    assert run[:3] == ["`make reproduce SEED=1`", "`a1a1a1a`", "`2031-02-03`"]
    assert run[3:] == ["CPU, 4 cores, 8 GB, no GPU, float32", "2\u00a0min"]


def test_a_reference_keeps_the_intervals_of_equal_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(make_tables, "HERE", tmp_path)
    make_tables.take_run("photographs", run_folder(tmp_path / "run", 0.5))
    values = {
        f"splits.{split}.{metric}.value": {"value": 0.7 if metric == "mask_iou" else 0.5}
        | ({"low": 0.4, "high": 0.6, "n": 50} if metric == "box.AP" else {})
        for split in make_tables.SPLITS
        for metric in make_tables.METRICS
    }
    made = json.loads((tmp_path / "run" / "provenance.json").read_text()) | {"number_format": "float32"}
    reference = {"profile": "quick", "data": {"name": "cars"}, "made": made, "metrics": values}
    (tmp_path / "reference.json").write_text(json.dumps(reference))
    make_tables.take_run("photographs", tmp_path / "reference.json")
    table = make_tables.results_table("photographs")
    assert "| accuracy | 91.2% | 50.0% (48.0–51.0) | 50.0% (48.0–51.0) |" in table
    assert "| mask IoU | – | 70.0% | 70.0% |" in table
    assert "| box AP | – | 50.0% (40.0–60.0) | 50.0% (40.0–60.0) |" in table  # the reference's own
    made_table = make_tables.made_table("photographs")
    assert "`make reproduce DATA=cars`" in made_table
    assert "float32" in made_table


def test_the_table_of_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(make_tables, "REFERENCES", tmp_path)
    assert make_tables.seeds_table("rendered") == "No profile was run with a second seed."
    numbers = dict.fromkeys(make_tables.HEADLINE, 0.5)
    accuracy = "splits.test.accuracy.value"
    seeds = [{"seed": seed, "numbers": numbers | {accuracy: 0.9 + 0.01 * seed}} for seed in (0, 1, 4)]
    (tmp_path / "quick--rendered.json").write_text(json.dumps({"seeds": seeds[:1]}))
    assert make_tables.seeds_table("rendered") == "No profile was run with a second seed."
    (tmp_path / "quick--rendered.json").write_text(json.dumps({"seeds": seeds}))
    header, *body = cells(make_tables.seeds_table("rendered"))
    assert header == ["`quick`", "mean ± sd", "seed 0", "seed 1", "seed 4"]
    assert len(body) == 8
    # mean of 90, 91, 94; sd sqrt((1.667² + 0.667² + 2.333²) / 2)
    assert ["accuracy, test", "91.7% ± 2.1", "90.0%", "91.0%", "94.0%"] in body
    assert ["mask IoU, validation", "50.0% ± 0.0", "50.0%", "50.0%", "50.0%"] in body
    front = make_tables.readme_table()
    assert "| accuracy, test, mean ± sd of seeds | – | 91.7% ± 2.1, 3 seeds | – | – |" in front


@pytest.mark.parametrize("page", ["rendered", "photographs"])
def test_the_table_of_seeds_is_made_from_the_references(page: str):
    assert block(RESULTS / f"{page}.md", "seeds") == make_tables.seeds_table(page)


# ------------------------------------------------------------------------------------------------------------- checks


def locked(name: str) -> dict[str, list[str]]:
    """Versions by name; a package may have one for each Python."""
    text = re.sub(r" \\\n +--hash=\S+", "", (ROOT / name).read_text(encoding="utf-8"))
    versions: dict[str, list[str]] = {}
    for pin in map(Requirement, text.splitlines()):
        versions.setdefault(pin.name, []).append(str(pin.specifier)[2:])
    return versions


def test_the_lock_of_the_docs_fits_the_lock_of_the_project():
    docs, project = locked("requirements-docs.lock"), locked("requirements.lock")
    shared = set(docs) & set(project)
    assert {"click", "jinja2", "pyyaml"} <= shared
    assert {name: docs[name] for name in shared} == {name: project[name] for name in shared}
    asked = (ROOT / "requirements-docs.in").read_text(encoding="utf-8").splitlines()
    for line in (line for line in asked if line and not line.startswith("#")):
        assert re.search(r"\S +# \S", line)
        assert Requirement(line.split("#")[0].strip()).name in docs
    text = (ROOT / "requirements-docs.lock").read_text(encoding="utf-8")
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in entry, entry[:60]


def test_pre_commit_has_the_ruff_of_the_lock():
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    revisions = {repository["repo"]: repository.get("rev") for repository in settings["repos"]}
    (ruff,) = locked("requirements.lock")["ruff"]
    assert revisions["https://github.com/astral-sh/ruff-pre-commit"] == f"v{ruff}"


def test_workflows_test_every_python_that_the_package_allows():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    pythons = workflow["jobs"]["tests"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = Requirement(f"python{project['requires-python']}").specifier
    assert pythons == ["3.11", "3.12", "3.13"]
    assert all(allowed.contains(python) for python in pythons)


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_workflows_pin_actions_and_call_targets_that_exist(path: Path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", action) for action in used)
    assert set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", re.sub(r"#.*", "", text))) <= make_targets()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
