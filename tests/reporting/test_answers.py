"""The lead of the page and the summary of the study: what each says, by numbers that decide."""

from __future__ import annotations

import pandas as pd
import pytest

from carseg_lib.evaluation.claim_table.evidence import Evidence
from carseg_lib.evaluation.claim_table.table import claim_rows
from carseg_lib.paper import claims
from carseg_lib.paper.recipe import Difference
from carseg_lib.reporting.html import answers
from carseg_lib.reporting.html.study_summary import state_counts, summary_parts
from tests.helpers.judged_run import audit, make_history, make_metrics, make_split, reading

DIFFER = "This is not an exact replication: 2 of the 4 settings compared differ (optimiser, photo size)."
SAME = [Difference("Batch size", "eight", "8", "same"), Difference("Weight decay", "not stated", "0.02", "not stated")]
CHECKS = pd.DataFrame(
    {
        "check": ["F1 from precision and recall", "the fewest cells that must be wrong"],
        "why": ["-", "At least 5 of 16. More."],
    }
)
OTHER = [
    *SAME,
    Difference("Optimiser", "Adam", "AdamW", "differs"),
    Difference("Photo size, pixels", "a", "b", "differs"),
]


@pytest.fixture
def metrics() -> dict:
    return make_metrics()


def reached(metrics: dict, differences: list[Difference], **evidence: object) -> answers.Answer:
    known = Evidence(metrics, **evidence)
    return answers.reached(claim_rows(known, audit()), differences, known)


@pytest.mark.parametrize(
    ("correct", "n", "word", "tone", "remark"),
    [
        (1824, 2000, "Equivalent to 91.2%", "good", "reached by another recipe"),
        (700, 722, "Above 91.2%", "good", "reached by another recipe"),
        (600, 722, "Below 91.2%", "bad", ""),
        (140, 148, "Too few photos to tell", "neutral", ""),
    ],
)
def test_the_verdict_is_by_equivalence_and_names_the_other_recipe(metrics, correct, n, word, tone, remark):
    metrics["splits"]["test"] = make_split(correct, n)
    answer = reached(metrics, OTHER)
    assert (answer.word, answer.tone, answer.remark) == (word, tone, remark)
    text = " ".join(answer.sentences)
    assert f"{100 * correct / n:.1f}% of {n:,} test photos" in text
    assert f"{n:,} photos tell a shortfall of " in text and "80% power" in text
    assert "Validation, which chose the epoch: 91.2% of 2,000 validation photos" in text
    assert "equivalent to 91.2%." in text
    assert ("do not confirm the paper" in text) == bool(remark)
    if remark:
        assert reached(metrics, SAME).remark == "reached on other photos"


def test_a_claim_inside_the_interval_is_not_called_reached(metrics):
    """140 of 148: the 95% interval holds 91.2%, which was called "holds" once."""
    low, high = (metrics["splits"]["test"]["accuracy"][end] for end in ("low", "high"))
    assert low < 0.912 < high
    answer = reached(metrics, OTHER)
    assert answer.tone == "neutral" and answer.remark == ""
    assert "Neither a difference nor equality within 3 points (the margin) is shown." in answer.sentences


def test_no_verdict_without_a_trained_model_the_papers_types_or_a_split(metrics):
    smoke = metrics | {"run": metrics["run"] | {"profile": "smoke"}}
    answer = reached(smoke, OTHER)
    assert (answer.word, answer.tone) == ("No verdict", "neutral")
    assert "94.6% of 148 test photos" in answer.sentences[0] and "hardly trained" in answer.sentences[1]
    assert reached(metrics | {"splits": {}}, OTHER).word == "No verdict"


def test_consistency_counts_figures_by_verdict_and_scope():
    verdicts = audit(
        suv_f1="impossible as printed", sedan_f1="impossible as printed", headline_recall="not by this reading"
    )
    verdicts.loc[verdicts["claim"] == "suv f1", "scope"] = "whatever the reading"
    answer = answers.consistency(claim_rows(Evidence(make_metrics()), verdicts), CHECKS)
    assert (answer.word, answer.tone) == ("No", "bad")
    first, fewest, second, third = answer.sentences
    assert fewest == "At least 5 of 16."
    assert first.startswith(
        "2 of its 22 figures are impossible as printed: 1 whatever the reading (F1 of suv); "
        "1 if they are of one evaluation (F1 of sedan)."
    )
    assert second == "1 fit no reading that we tried (headline recall)."
    assert third.startswith("19 may be true (14 cells of Table 1, average validation accuracy")
    all_true = answers.consistency(claim_rows(Evidence(make_metrics()), audit()), CHECKS)
    assert (all_true.word, all_true.tone) == ("Yes", "good")
    assert "At least" not in " ".join(all_true.sentences)
    unread = answers.consistency(claim_rows(Evidence(make_metrics()), audit(headline_f1="not by this reading")), CHECKS)
    assert (unread.word, unread.tone) == ("Not by our readings", "neutral")


def test_repetition_names_what_differs_and_what_was_not_run(metrics):
    answer = answers.repetition(metrics, OTHER, Evidence(metrics))
    assert answer.word == "Not by this run" and answer.tone == "neutral"
    assert answer.sentences[0] == DIFFER
    assert "The paper's recipe (profile paper): not run." in answer.sentences
    by_another = answers.repetition(metrics, OTHER, Evidence(metrics, repeated=("paper-run",)))
    assert by_another.word == "By another run" and "The paper's recipe: run paper-run." in by_another.sentences
    found = {"r": {"data": "photos", "readings": [reading("a", 0.9), reading("b", 0.8)]}}
    by_readings = answers.repetition(metrics, OTHER, Evidence(metrics, readings=found))
    assert (by_readings.word, by_readings.remark) == ("Not by this run", "readings of it beside")
    assert "Trained beside this run: 2 readings of its text on photos (run r)." in by_readings.sentences
    found["r"]["answer"] = ["None of the 2 reaches 91.2%.", "More."]
    assert (
        answers.repetition(metrics, OTHER, Evidence(metrics, readings=found)).sentences[-2] == found["r"]["answer"][0]
    )
    paper = metrics | {"run": metrics["run"] | {"profile": "paper"}}
    assert answers.repetition(paper, SAME, Evidence(paper)).word == "On other photos"


@pytest.mark.parametrize(
    ("rendered", "says"),
    [(True, "made by a program"), (False, "photographs as far as the data tell"), (None, "is not recorded")],
)
def test_what_the_photos_are_comes_first(metrics, rendered, says):
    text = answers.kind_of_photos(metrics, rendered)
    assert says in text and "“rendered” (1,239 train, 2,000 validation, 148 test)" in text


def test_runs_on_other_data_stand_beside_the_photos(metrics):
    other = make_metrics() | {"data": {"name": "photos", "masks": "pseudo"}, "splits": {"test": make_split(600, 722)}}
    rows = claim_rows(Evidence(metrics, others={"b": other}), audit())
    assert answers.beside(rows) == ["Beside it, run b on photos: 83.1% of 722 test photos (80.2–85.7%), below 91.2%."]


def test_the_roles_of_the_splits_name_both_epochs(metrics):
    history = pd.concat([make_history(), make_history().iloc[:1].assign(epoch=3, validation_accuracy=0.93)])
    text = " ".join(answers.roles_of_splits(Evidence(metrics, history)))
    assert "validation chose the epoch (epoch 2 of 3, 94.0% of 722); after the last epoch it is 93.0%." in text
    assert "settings of the profiles were chosen by validation accuracy too" in text
    assert "Test chose no epoch" in text
    assert "Test" not in " ".join(answers.roles_of_splits(Evidence({"splits": {"validation": {}}})))


def test_the_summary_has_the_six_parts_of_the_template(metrics):
    known = Evidence(metrics, make_history())
    rows = claim_rows(known, audit(suv_f1="impossible as printed"))
    given = [
        answers.consistency(rows, CHECKS),
        answers.repetition(metrics, OTHER, known),
        answers.reached(rows, OTHER, known),
    ]
    provenance = {"hardware": {"processor": "A plain processor", "cores": 2, "gpus": []}, "seconds": 600}
    parts = dict(summary_parts(known, rows, given, OTHER, provenance, "Photos."))
    assert list(parts) == [
        "Scope of reproducibility",
        "Methodology",
        "Results",
        "What was easy",
        "What was difficult",
        "Communication with the original authors",
    ]
    text = {name: " ".join(paragraphs) for name, paragraphs in parts.items()}
    assert f"{len(claims.FIGURES)} figures" in text["Scope of reproducibility"]
    assert "A plain processor, 2 cores, no GPU; 10 min in all" in text["Methodology"]
    assert DIFFER in text["Methodology"]
    for answer in given:
        assert f"{answer.question} {answer.word}" in text["Results"]
    assert "1 impossible as printed" in text["Results"]
    assert "the run has its batch size" in text["What was easy"]
    assert "Points that the text leaves open: 1 (weight decay)." in text["What was difficult"]
    assert text["Communication with the original authors"].startswith("None.")
    assert sum(state_counts(rows).values()) == 29


def test_the_summary_without_provenance_leaves_the_machine_out(metrics):
    known = Evidence(metrics)
    rows = claim_rows(known, audit())
    given = [
        answers.consistency(rows, CHECKS),
        answers.repetition(metrics, SAME, known),
        answers.reached(rows, SAME, known),
    ]
    assert "Machine" not in str(summary_parts(known, rows, given, SAME, {}, "Photos."))
