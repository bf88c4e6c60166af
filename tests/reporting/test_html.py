"""The page of a run: it says every number, whatever is missing, and trusts no text."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carseg_lib.core import files, formatting
from carseg_lib.core.classes import BODY_TYPES
from carseg_lib.core.errors import CarsegError
from carseg_lib.evaluation.claim_table.evidence import load_evidence
from carseg_lib.evaluation.claim_table.table import STATEMENT, TABLE_1, claim_rows
from carseg_lib.evaluation.tables import read_predictions
from carseg_lib.paper import audit, claims, recipe
from carseg_lib.reporting.html import findings, sections
from carseg_lib.reporting.html.data_card import MAX_ROWS
from carseg_lib.reporting.html.figures import CARD_FIGURES, FIGURES, IN_NOTEBOOKS, collect_figures, left_to_notebooks
from carseg_lib.reporting.html.page import write_report
from carseg_lib.reporting.html.runs import write_index
from carseg_lib.reporting.plots import data, evaluation, label_agreement, photos, pseudo_labels, training
from tests.helpers.drawn_cars import make_car_photos
from tests.helpers.fake_run import make_run
from tests.helpers.metadata import add_parameters

EVIL = "<script>alert('carseg')</script>"


class Reader(HTMLParser):
    """Texts, elements and their attributes of a page; fails on tags that are not closed."""

    VOID = frozenset({"meta", "link", "img", "br", "line", "circle", "input", "polyline", "rect", "path", "image"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the complete run, to change."""
    return Path(shutil.copytree(finished_run, tmp_path / "reports" / "fake"))


def read(run: Path) -> Reader:
    return Reader(write_report(run).read_text(encoding="utf-8"))


def read_card(run: Path) -> Reader:
    write_report(run)
    return Reader((run / "data.html").read_text(encoding="utf-8"))


def change(path: Path, **values: object) -> None:
    files.write_json(path, files.read_json(path) | values)


def estimates(value: object) -> list[dict]:
    """Every {"value", "low", "high", "n"} inside."""
    if isinstance(value, dict):
        if {"value", "low", "high"} <= set(value):
            return [value]
        return [found for part in value.values() for found in estimates(part)]
    return []


def test_every_number_of_the_metrics_is_on_the_page(run: Path) -> None:
    text = read(run).text
    metrics = files.read_json(run / "metrics.json")
    found = estimates(metrics)
    assert len(found) > 60
    for estimate in found:
        assert formatting.percent(estimate["value"]) in text
        assert formatting.interval(estimate) in text
    for part in metrics["splits"].values():
        assert f"Confusion matrix of {part['accuracy']['n']}" in text
    for value in (metrics["run"]["parameters"], metrics["data"]["fingerprint"], metrics["training"]["best_epoch"]):
        assert formatting.number(value) in text
    for name in claims.FIGURES:
        assert claims.claim(name).printed in text


def test_history_audit_settings_and_provenance_are_on_the_page(run: Path) -> None:
    text = read(run).text
    for value in pd.read_csv(run / "history.csv")["validation_accuracy"]:
        assert formatting.number(value) in text
    for row in audit.audit().itertuples():
        for cell in (
            claims.short_claim(row.claim),
            row.printed,
            row.check,
            row.implied,
            row.verdict,
            row.why,
            row.working,
            row.place,
        ):
            assert cell in text
    provenance = files.read_json(run / "provenance.json")
    for value in (
        provenance["command"],
        provenance["carseg"]["commit"],
        provenance["lock"],
        provenance["data"]["sha256"],
        provenance["weights"]["sha256"],
        provenance["hardware"]["processor"],
        "torch",
        "2.15.0",
        "1101.8",
        "2.35",
    ):
        assert value in text, value
    assert "with uncommitted changes" in text
    assert "inputs.min_crop_scale" in text and "train.backbone_lr_mult" not in text


def test_the_page_holds_no_path_of_the_machine(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    assert "/secret/place" not in html
    assert str(run.parent) not in html


def test_it_is_one_file_with_a_strict_policy(run: Path) -> None:
    reader = read(run)
    policy = next(m["content"] for m in reader.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, attributes in reader.tags:
        assert "style" not in attributes, "the policy forbids style attributes"
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "data", "action"):
            target = attributes.get(name)
            if target:
                beside = target in ("../index.html", "data.html") or target in sections.DOWNLOADS
                assert beside or target.startswith(("data:", "#", "notebooks/")), (tag, target[:80])


def test_every_figure_is_on_the_page_the_data_card_or_in_a_notebook(run: Path) -> None:
    page, card = read(run), read_card(run)
    left = left_to_notebooks(run / "figures", BODY_TYPES, ["test", "validation"])
    assert set(left) == {"04_evaluation"}
    assert "pairs of near duplicates (perceptual hash): 0 within, 0 across." in page.text
    drawn = {path.stem for path in (run / "figures").glob("*.png")} - {"near_duplicates"}  # of none, in this run
    assert len(page.all("img")) + len(card.all("img")) == len(drawn) - sum(left.values())
    assert len(page.all("img")) > 5 and len(card.all("img")) > 5
    for picture in [*page.all("img"), *card.all("img")]:
        assert len(picture["alt"]) > 15
        assert int(picture["width"]) > 100
    assert "More figures" not in page.text


def test_an_unknown_figure_is_shown_too(run: Path) -> None:
    shutil.copy(run / "figures" / "brightness.png", run / "figures" / "my_own_figure.png")
    text = read(run).text
    assert "More figures" in text
    assert "My own figure." in text


def test_headings_captions_and_ids_are_in_order(run: Path) -> None:
    reader = read(run)
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert len(reader.all("table")) == len(reader.all("caption"))
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in reader.all("a"):
        if link["href"].startswith("#"):
            assert link["href"][1:] in ids
    assert all(cell.get("scope") in ("col", "row") for cell in reader.all("th"))


def test_every_section_has_its_heading_and_template(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    assert re.findall(
        r'<section id="([a-z-]+)"[^>]*>\s*<a class="permalink"[^>]*>#</a>\s*'
        r'(?:<details class="fold"><summary>)?<h2>([^<]+)</h2>',
        html,
    ) == [
        ("results", "Compared with the paper"),
        ("predictions", "Predictions"),
        ("error-analysis", "When does the model fail?"),
        ("audit", "Are the paper&#39;s numbers consistent?"),
        ("claim-table", "The paper&#39;s claims, one by one"),
        ("deviations", "Differences from the paper"),
        ("limitations", "Limitations"),
        ("data", "Data"),
        ("preprocessing", "Preprocessing"),
        ("model", "Model"),
        ("training", "Training"),
        ("evaluation", "All numbers"),
        ("summary-of-study", "Summary of the reproduction"),
        ("reproducibility", "Reproducibility"),
    ]
    templates = Path(sections.__file__).parent / "templates" / "sections"
    assert {path.stem for path in templates.glob("*.html")} == set(sections._SECTIONS)


def test_a_type_may_have_the_name_of_a_missing_value(run: Path) -> None:
    predictions = read_predictions(run / "predictions.csv")
    predictions.loc[predictions["split"] == "test", ["body_type", "predicted"]] = ["nan", "null"]
    files.write_csv(run / "predictions.csv", predictions)
    html = write_report(run).read_text(encoding="utf-8")
    data = json.loads(html.partition('id="predictions-data">')[2].partition("</script>")[0])
    nan, null = data["types"].index("nan"), data["types"].index("null")
    said = list(zip(data["photos"]["truth"], data["photos"]["predicted"], strict=True))
    assert said.count((nan, null)) == (predictions["split"] == "test").sum() > 0


def test_only_notebooks_that_exist_are_linked(run: Path) -> None:
    links = [a["href"] for a in read(run).all("a") if a["href"].startswith("notebooks/")]
    assert links == ["notebooks/01_data_exploration.html"]


def test_the_page_to_try_the_model_is_linked_where_it_is(run: Path) -> None:
    assert "portable/try.html" not in write_report(run).read_text()
    (run / "portable").mkdir()
    (run / "portable" / "try.html").write_text("a page")
    assert 'href="portable/try.html"' in write_report(run).read_text()


def test_names_are_escaped(tmp_path: Path) -> None:
    data = make_car_photos(tmp_path / "cars", per_type={"train": 1, "validation": 1, "test": 1}, size=(60, 40))
    run = make_run(tmp_path / "run", data, name=EVIL, figures="none")
    predictions = pd.read_csv(run / "predictions.csv")
    predictions["photo_id"], predictions["predicted"] = f'"><img src=x>{EVIL}', EVIL
    predictions.to_csv(run / "predictions.csv", index=False)
    change(run / "provenance.json", command=EVIL, system=EVIL)
    config = files.read_json(run / "config.json")
    config["model"]["backbone"] = config["inputs"]["augmentation"] = EVIL
    files.write_json(run / "config.json", config)
    excluded = {"photo_id": EVIL, "split": "train", "body_type": "suv", "reason": EVIL, "detail": '"' + EVIL}
    pd.DataFrame([excluded]).to_csv(run / "dataset" / "excluded.csv", index=False)
    metrics = files.read_json(run / "metrics.json")
    metrics["data"]["excluded"] = {EVIL: 1}
    files.write_json(run / "metrics.json", metrics)
    html = write_report(run).read_text(encoding="utf-8")
    assert EVIL not in html
    assert "<img src=x>" not in html
    reader = Reader(html)
    assert [script.get("type", "") for script in reader.all("script")] == ["application/json"] * 2 + [""]
    assert reader.text.count(EVIL) >= 7
    assert not reader.all("img")


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("config.json", "Differences from the paper"),
        ("provenance.json", "provenance.json is missing"),
        ("history.csv", "Epoch 8 was selected"),
        ("predictions.csv", "Most frequent confusions"),
        ("classification_report.csv", "classification_report.csv is missing"),
        ("dataset", "The catalogue (dataset/) is missing"),
        ("figures", "Compared with the paper"),
        ("notebooks", "The command that made this run"),
    ],
)
def test_a_page_without_one_of_the_files(run: Path, missing: str, says: str) -> None:
    path = run / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert says in " ".join(read(run).text.split())


def test_a_page_of_the_metrics_alone(run: Path) -> None:
    for path in run.iterdir():
        if path.name != "metrics.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    metrics = files.read_json(run / "metrics.json")
    files.write_json(run / "metrics.json", metrics | {"training": None})
    assert "metrics.json contains no training" in read(run).text


def test_without_boxes_and_masks_the_page_names_the_missing_annotations(tmp_path: Path) -> None:
    data = make_car_photos(
        tmp_path / "cars", per_type={"train": 2, "validation": 2, "test": 2}, size=(60, 40), layout="folder-splits"
    )
    run = make_run(tmp_path / "run", data, figures="none")
    assert files.read_json(run / "metrics.json")["splits"]["test"]["mask"] is None
    text = " ".join(read(run).text.split())
    assert "the whole frame replaces each box" in text
    assert "the mask loss is off" in text
    assert "Mask AP" not in text
    assert "No mask metrics: these data have no masks." in text


def test_a_run_without_a_type_in_the_test_split(run: Path) -> None:
    metrics = files.read_json(run / "metrics.json")
    part = metrics["splits"]["test"]
    part["per_type"]["minivan"] |= {"precision": None, "recall": None, "f1": None, "support": 0}
    part["box"]["per_type"]["minivan"] = {"AP": None}
    part["confusion"]["matrix"][3] = [0, 0, 0, 0, 0]
    files.write_json(run / "metrics.json", metrics)
    assert "minivan" in read(run).text


def test_excluded_photos_are_counted_and_listed(run: Path) -> None:
    rows = [
        {"photo_id": f"p{i}.jpg", "split": "train", "body_type": "suv", "reason": "truncated", "detail": "3 bytes"}
        for i in range(MAX_ROWS + 7)
    ]
    pd.DataFrame(rows).to_csv(run / "dataset" / "excluded.csv", index=False)
    metrics = files.read_json(run / "metrics.json")
    metrics["data"]["excluded"] = {"truncated": len(rows)}
    files.write_json(run / "metrics.json", metrics)
    assert f"{len(rows)} × truncated." in read(run).text
    text = read_card(run).text
    assert f"{len(rows)} × truncated." in text
    assert "p0.jpg" in text
    assert f"p{MAX_ROWS - 1}.jpg" in text
    assert f"p{MAX_ROWS}.jpg" not in text
    assert f"the first {MAX_ROWS}; all in dataset/excluded.csv" in text


def test_differences_are_computed(run: Path) -> None:
    metrics, config = files.read_json(run / "metrics.json"), files.read_json(run / "config.json")
    states = {d.what: d.state for d in recipe.differences(config, metrics, None)}
    assert states["Image size, pixels"] == "same"
    assert states["Batch size"] == "same"
    assert states["Augmentation"] == "differs"
    assert states["Optimiser"] == "differs"
    assert states["Learning rate"] == "differs"
    assert states["Epochs"] == "differs"
    assert states["Backbone"] == "not stated"
    assert states["Epoch that is evaluated"] == states["Probability of a flip"] == "not stated"
    more = {"model": config["model"] | {"architecture": "mask_rcnn", "trainable": "all", "score_threshold": 0.05}}
    rows = {d.what: (d.ours, d.state) for d in recipe.differences(config | more, metrics, None)}
    assert rows["Network"] == ("Mask R-CNN", "same")
    assert rows["Layers that are trained"] == ("all that are not frozen", "not stated")
    assert rows["Lowest score of a detection"] == ("0.05", "not stated")
    more["model"]["architecture"] = "classifier"
    rows = {d.what: (d.ours, d.state) for d in recipe.differences(config | more, metrics, None)}
    assert rows["Network"] == ("an image classifier", "not stated")
    cropped = {"inputs": config["inputs"] | {"min_crop_scale": 0.8, "min_visible": 0.6}}
    rows = {d.what: (d.ours, d.state) for d in recipe.differences(config | cropped, metrics, None)}
    assert rows["Part kept by a crop"] == ("at least 80% of the photo and 60% of the car", "not stated")
    papers = {
        "inputs": config["inputs"] | {"augmentation": "rotate_and_flip", "max_rotation": 90.0},
        "model": config["model"] | {"weights": "coco"},
        "train": config["train"] | {"optimizer": "adam", "lr": 0.002, "epochs": 30},
    }
    metrics["data"]["counts"] = {"train": {"suv": 4957}, "validation": {"suv": 2887}, "test": {"suv": 590}}
    photos = pd.DataFrame({"width": [240, 240], "height": [160, 160]})
    differing = [d.what for d in recipe.differences(papers, metrics, photos) if d.state == "differs"]
    assert differing == []
    narrower = papers | {"inputs": papers["inputs"] | {"max_rotation": 10.0}}
    small = recipe.differences(narrower, metrics, photos.assign(height=[160, 100]))
    assert [d.what for d in small if d.state == "differs"] == ["Photo size, pixels", "Augmentation"]


def test_missing_metrics_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CarsegError, match=r"metrics\.json is missing: make the run first"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", "{", "valid JSON"),
        ("predictions.csv", "", "not a readable table"),
        ("figures/loss_curves.png", "no picture", "not a readable PNG"),
    ],
)
def test_broken_files_are_clear_errors_and_keep_the_old_page(run: Path, name: str, content: str, message: str) -> None:
    old = write_report(run).read_bytes()
    (run / name).write_text(content)
    with pytest.raises(CarsegError, match=message) as raised:
        write_report(run)
    assert "\n" not in str(raised.value)
    assert (run / "index.html").read_bytes() == old


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert not list(run.glob(".index*"))


def test_the_list_of_runs_is_newest_first(run: Path) -> None:
    write_report(run)
    for name, made in (("older", "2025-01-01T00:00:00Z"), ("newer", "2027-01-01T00:00:00Z"), ("broken", "")):
        other = Path(shutil.copytree(run, run.parent / name))
        change(other / "provenance.json", made=made)
    (run.parent / "broken" / "index.html").unlink()
    (run.parent / "reference").mkdir()
    path = write_index(run.parent)
    assert path == run.parent / "index.html"
    links = [a["href"] for a in Reader(path.read_text(encoding="utf-8")).all("a") if "index.html" in a["href"]]
    assert links == ["newer/index.html", "fake/index.html", "older/index.html"]
    reader = Reader(path.read_text(encoding="utf-8"))
    previews = [picture["href"] for picture in reader.all("image")]
    assert len(previews) == 3 and all(uri.startswith("data:image/webp;base64,") for uri in previews)
    verdict = files.read_json(run / "page.json")["verdict"]["word"]
    assert reader.text.count(verdict) == 3, "of each run"
    assert reader.text.count("20.9") == 3 and reader.text.count("01234567") == 3, "minutes and commit of each run"


def test_the_list_without_runs(tmp_path: Path) -> None:
    assert "There is no finished run yet." in write_index(tmp_path).read_text(encoding="utf-8")


def test_most_frequent_confusions_of_a_hand_made_matrix() -> None:
    confusion = {"labels": ["suv", "sedan", "no car found"], "matrix": [[7, 2, 1], [5, 5, 0]]}
    assert findings.most_frequent_confusions(confusion, 2) == [
        {"truth": "sedan", "predicted": "suv", "n": 5, "share": 0.5},
        {"truth": "suv", "predicted": "sedan", "n": 2, "share": 0.2},
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (1234567, "1,234,567"), (0.12345, "0.123"), (0.00005, "5.0e-05"), (0.0, "0.000"),
     (3.0, "3"), ("suv", "suv"), (-2.5, "-2.500")],
)  # fmt: skip
def test_numbers_in_tables(value: object, shown: str) -> None:
    assert formatting.number(value) == shown


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        ("headline recall, headline accuracy", "headline recall, headline accuracy"),
        ("suv f1", "suv: f1"),
        ("suv precision, suv recall, sedan recall", "suv: precision, recall; sedan: recall"),
        (", ".join(f"{t} {m}" for t in BODY_TYPES for m in ("recall", "f1")), "all types: recall, f1"),
    ],
)
def test_claims_are_gathered_by_type(claim: str, shown: str) -> None:
    assert claims.short_claim(claim) == shown


def test_percent_of_nothing() -> None:
    assert formatting.percent(None) == formatting.percent(np.nan) == "–"


def test_every_figure_that_the_page_knows_has_a_caption_and_a_function() -> None:
    known = [*FIGURES.values(), *CARD_FIGURES.values(), *IN_NOTEBOOKS.values()]
    names = {name.partition("_{")[0].removesuffix("_train") for section in known for name in section}
    drawn_by = {
        "samples": "sample_photos",
        "augmentation": "augmentation_grid",
        "confusion": "confusion_matrix",
        "table_bars": "table_dots",
        "correct": "prediction_grid",
        "misclassified": "prediction_grid",
        "mask_comparison": "mask_comparison_grid",
        "pseudo_mask_quality": "mask_quality",
        "rejected_pseudo_masks": "rejected_photos",
        "near_duplicates": "duplicate_pairs",
    }
    for name in names:
        if name.startswith(("metadata_", "slices_", "certainty_", "robustness_", "near_copies_", "presence_")):
            continue  # other tests compare these with what is drawn
        drawn = drawn_by.get(name, name)
        assert any(
            hasattr(module, drawn) for module in (data, evaluation, label_agreement, photos, pseudo_labels, training)
        ), name


@pytest.fixture(scope="module")
def rendered_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on data with rendering metadata."""
    folder = tmp_path_factory.mktemp("rendered")
    cars = make_car_photos(folder / "cars", {"train": 1, "validation": 30, "test": 12}, size=(60, 40))
    add_parameters(cars)
    return make_run(folder / "reports" / "fake", cars, figures="attributes")


def test_error_analysis_has_a_section_with_every_figure_and_number(rendered_run: Path) -> None:
    reader = read(rendered_run)
    text = " ".join(reader.text.split())
    drawn = {path.stem for path in (rendered_run / "figures").glob("*.png")}
    in_notebooks = {name for patterns in IN_NOTEBOOKS.values() for name in patterns}
    assert {name for name in drawn if name.startswith(("metadata_", "slices_"))} == {
        *CARD_FIGURES["metadata"],
        *FIGURES["slices"],
        *(name for name in in_notebooks if name.startswith(("metadata_", "slices_"))),
    }
    assert "More figures" not in text
    truth = pd.read_csv(rendered_run / "slice_metrics.csv")
    for row in truth.itertuples():
        assert formatting.percent(row.accuracy) in text
        assert f"{100 * row.low:.1f}–{100 * row.high:.1f}%" in text
    for row in pd.read_csv(rendered_run / "error_odds.csv").itertuples():
        assert row.measure in text and formatting.number(row.odds_ratio, 2) in text
    whole = truth[(truth.split == "validation") & (truth.attribute == "all photos")].iloc[0]
    assert f"Accuracy on all 120 validation photos is {formatting.percent(whole.accuracy)}." in text
    card = " ".join(read_card(rendered_run).text.split())
    assert "Each of the 172 photos has 25 parameters" in card
    assert "camera height" in card and "Scene parameters of the photos (dataset/parameters.csv)" in card
    assert "These images are rendered" in text


def test_without_metadata_the_page_says_so(run: Path) -> None:
    text = " ".join(read(run).text.split())
    assert "These photos have no rendering metadata: accuracy is not given" in text
    assert "The data have no rendering metadata (no parameters.csv)" in read_card(run).text
    assert "These images are rendered" not in text
    (run / "slice_metrics.csv").unlink()
    assert "slice_metrics.csv is missing in this run's folder." in read(run).text


def test_slices_that_differ_are_named() -> None:
    def row(attribute: str, level: str, n: int, value: float, q_value: float) -> dict:
        names = {"split": "validation", "attribute": attribute, "body_type": "", "level": level, "n": n}
        return names | {"accuracy": value, "low": value - 0.1, "high": value + 0.1, "q_value": q_value}

    accuracy = pd.DataFrame(
        [
            row("all photos", "all photos", 700, 0.9, np.nan),
            row("light", "dusk", 80, 0.7, 0.001),
            row("light", "low sun", 80, 0.75, 0.06),
            row("light", "clear", 80, 0.88, 0.7),
            row("direction", "90°", 80, 0.2, np.nan),
        ]
    )
    effect = {"group": "all types", "measure": "more noise", "odds_ratio": 0.5, "low": 0.4, "high": 0.6}
    texts = " ".join(findings.significant_slices(accuracy, pd.DataFrame([effect | {"q_value": 0.01}])))
    assert "Each of 3 slices was compared" in texts and "1 of them differs." in texts
    assert "Less accurate: light: dusk, 70.0% (60.0–80.0%, n = 80, corrected p = 0.001)." in texts
    assert "low sun" not in texts and "clear" not in texts and "90°" not in texts and "More accurate" not in texts
    assert "more noise (odds × 0.50, 0.40–0.60)" in texts
    none = findings.significant_slices(accuracy.iloc[[0, 2, 3]], pd.DataFrame([effect | {"q_value": 0.06}]))
    assert "none of them differ." in none[0] and "no measure changes the odds" in none[1]
    assert findings.significant_slices(accuracy.iloc[:0], pd.DataFrame()) == []


def test_every_claim_is_on_the_page_with_its_state_and_reason(run: Path) -> None:
    text = " ".join(read(run).text.split())
    evidence = load_evidence(run, files.read_json(run / "metrics.json"))
    rows = claim_rows(evidence, audit.figure_verdicts(audit.audit()))
    assert len(rows) == 29
    for row in rows:
        assert row.what.replace("f1", "F1") in text or row.group == TABLE_1
        for part in (row.printed, row.state, row.why, row.tested_as, row.place if row.group == STATEMENT else ""):
            assert " ".join(part.split()) in text
        for comparison in row.comparisons:
            assert formatting.interval(comparison.estimate) in text
            assert f"{comparison.photos}, n = {formatting.number(comparison.estimate['n'])}" in text


def test_the_audit_stands_above_the_comparison_on_the_page(run: Path) -> None:
    """Ours is the printed F1 of suv to the digit; what is impossible as printed is not reproduced all the same."""
    metrics = files.read_json(run / "metrics.json")
    metrics["splits"]["test"]["per_type"]["suv"]["f1"] = {"value": 0.89, "low": 0.889, "high": 0.891, "n": 900}
    files.write_json(run / "metrics.json", metrics)
    html = write_report(run).read_text(encoding="utf-8")
    cell = html.split("<b>0.890</b> ")[1].split("</td>")[0]
    assert cell.startswith('<span class="badge bad">impossible as printed</span>')
    assert "89.0%" in cell and "n = 900: equivalent" in cell
    assert re.search(r"paper: 88\.7%\s*\(not by this reading\)", read(run).text)


def test_the_lead_has_three_answers_after_what_the_photos_are(run: Path) -> None:
    html = write_report(run).read_text(encoding="utf-8")
    lead = html.split("<header>")[1].split("</header>")[0]
    places = [
        lead.index(text)
        for text in (
            "photographs as far as the data tell",
            "Are the paper&#39;s own numbers consistent?",
            "Was its recipe repeated?",
            "Does this run reach 91.2%?",
        )
    ]
    assert places == sorted(places)
    assert lead.count('<p class="verdict">') == 3
    assert ">holds<" not in html and "claim holds" not in html


def test_runs_on_other_data_and_readings_stand_beside_this_run(run: Path) -> None:
    other = Path(shutil.copytree(run, run.parent / "photos-run"))
    metrics = files.read_json(other / "metrics.json")
    metrics["data"]["name"] = EVIL
    files.write_json(other / "metrics.json", metrics)
    numbers = {"value": 0.42, "low": 0.4, "high": 0.44, "n": 1138}
    reading = {"name": "a", "choices": {}, "training_running": 0.41} | dict.fromkeys(("last", "best", "mean"), numbers)
    (run.parent / "readings").mkdir()
    files.write_json(run.parent / "readings" / "results.json", {"data": "cars", "readings": [reading]})
    html = write_report(run).read_text(encoding="utf-8")
    assert EVIL not in html
    text = " ".join(Reader(html).text.split())
    assert f"Beside it, run photos-run on {EVIL}: " in text
    assert "0 of 1 readings on cars (run readings) reach it: 42.0% to 42.0%" in text
    assert "readings of it beside" in text and "Trained beside this run: 1 readings of its text on cars" in text
    assert "Under 0 of 1 readings validation lies above training on augmented batches." in text


def test_captions_name_split_and_number_of_photos(run: Path) -> None:
    metrics = files.read_json(run / "metrics.json")
    n = {split: part["accuracy"]["n"] for split, part in metrics["splits"].items()}
    groups = collect_figures(run / "figures", BODY_TYPES, n)
    shown = groups["evaluation"]
    assert {"pr_curves_test", "average_precision_validation"} <= {p.name for p in shown}
    for picture in shown:
        assert picture.name.endswith(picture.split)
        assert f"{n[picture.split]} {picture.split} photos" in picture.caption


def test_leftovers_of_a_killed_write_are_passed_over(run: Path) -> None:
    (run / "figures" / ".brightness.x1.png").write_text("half a picture")
    assert "More figures" not in read(run).text


def test_the_device_shown_is_the_one_that_was_used(run: Path) -> None:
    metrics = files.read_json(run / "metrics.json")
    metrics["run"]["device"] = "cuda"
    files.write_json(run / "metrics.json", metrics)
    assert re.search(r"Device\s*cuda\b", read(run).text)


@pytest.mark.parametrize(
    ("changes", "words", "same"),
    [
        ({}, "crop to 60% of the photo's area or more, rotation within ±90°, horizontal flip with probability 0.5",
         True),
        ({"min_crop_scale": 1.0}, "rotation within ±90°, horizontal flip with probability 0.5", False),
        ({"hflip_prob": 0.0}, "crop to 60% of the photo's area or more, rotation within ±90°", False),
        ({"max_rotation": 30.0, "min_crop_scale": 1.0, "hflip_prob": 0.0}, "rotation within ±30°", False),
        ({"augmentation": "flip_only", "min_crop_scale": 1.0}, "horizontal flip with probability 0.5", False),
        ({"augmentation": "flip_only", "min_crop_scale": 1.0, "hflip_prob": 0.0}, "none", False),
        ({"augmentation": "none"}, "none", False),
    ],
)  # fmt: skip
def test_augmentation_is_described_as_it_is_set(changes: dict, words: str, same: bool) -> None:
    papers = {"augmentation": "rotate_and_flip", "max_rotation": 90.0, "min_crop_scale": 0.6, "hflip_prob": 0.5}
    assert recipe.augmentation(papers | changes) == (words, same)


def test_other_types_than_the_papers_are_shown_without_a_verdict(run: Path) -> None:
    """The run's type names are replaced; what the page makes of them is looked at."""
    names = dict(zip(BODY_TYPES, ("St. Wagon", "軽 <i>", "pickup", "suv"), strict=True))
    text = (run / "metrics.json").read_text(encoding="utf-8")
    for old, new in names.items():
        text = text.replace(f'"{old}"', json.dumps(f"@{new}", ensure_ascii=False))
    (run / "metrics.json").write_text(text.replace("@", ""), encoding="utf-8")
    html = write_report(run).read_text(encoding="utf-8")
    assert '<span class="badge neutral">No verdict</span>' in html
    assert "The types of this run (St. Wagon, 軽 &lt;i&gt;, pickup, suv) are not the paper&#39;s four." in html
    assert "distinguish 4 other body types" in html and "<i>" not in html
    assert '<span class="dot type-2"></span>軽 &lt;i&gt;' in html
    assert ".dot.type-4 { background: #0072B2; }" in html  # suv keeps its colour
    assert "reproduced</span>" not in html.split("<details>")[0]


def test_few_training_photos_are_a_limit(run: Path) -> None:
    metrics = files.read_json(run / "metrics.json")
    metrics["data"]["counts"] = {"train": {"suv": 29, "sedan": 30, "convertible": 400, "minivan": 3}}
    files.write_json(run / "metrics.json", metrics)
    page = write_report(run).read_text(encoding="utf-8")
    assert "Few training photos of some types (29 of suv, 3 of minivan): they are learned badly." in page
