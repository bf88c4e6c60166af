import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report

from carseg_lib.core.errors import CarsegError
from carseg_lib.paper.report_file import described, read_report

CSV = """type,Precision,Recall,F1-Score,Accuracy
suv,0.814,0.781,0.890,0.825
sedan,0.750,0.717,0.672,0.876
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_table_as_printed(write):
    report = read_report(write(CSV))
    assert report.names == ("suv", "sedan") and report.columns == ("precision", "recall", "f1", "accuracy")
    assert report.cells["sedan", "precision"].text == "0.750"
    assert report.interval("sedan", "precision") == pytest.approx((0.7495, 0.7505))
    assert report.total is None and not report.support and not report.headline and report.accuracy is None
    assert described(report).endswith(
        "table.csv: 2 classes (suv, sedan); columns precision, recall, f1, accuracy; number of photos not known"
    )


def test_what_is_known_beside_the_table(write):
    report = read_report(write(CSV), "590", "accuracy=91.2% f1=0.9", "rounding=down digits=3 counts=400,190")
    assert report.total == 590 and report.support == (400, 190)
    assert report.headline["accuracy"].interval == pytest.approx((0.912, 0.913))
    assert report.headline["f1"].interval == pytest.approx((0.9, 0.901))
    assert report.interval("suv", "recall") == pytest.approx((0.781, 0.782))
    assert "headline accuracy 91.2%, f1 0.9; 590 photos" in described(report)


def test_classes_that_the_table_leaves_out(write):
    report = read_report(write(CSV), "590", options="rows=some counts=300,200")
    assert report.names == ("suv", "sedan", "other classes") and report.support == (300, 200, 90)
    assert read_report(write(CSV), options="rows=some").support == ()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_percentages_and_gaps(write, separator):
    text = "class,recall (%),support\na,81.4,\nb,–,90\n".replace(",", separator)
    report = read_report(write(text))
    assert report.cells.keys() == {("a", "recall")} and report.cells["a", "recall"].value == pytest.approx(0.814)
    assert report.support == ()  # not of all classes


def labels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    return truth, np.where(rng.random(300) < 0.8, truth, rng.integers(0, 3, 300))


NAMES = ["suv", "sports car", "van"]


def test_scikit_learns_printed_report(write):
    text = classification_report(*labels(), target_names=NAMES, digits=3)
    report = read_report(write(text, "report.txt"))
    table = classification_report(*labels(), target_names=NAMES, output_dict=True)
    assert report.names == tuple(NAMES) and report.total == 300
    assert report.support == tuple(int(table[name]["support"]) for name in NAMES)
    for name in NAMES:
        assert report.cells[name, "f1"].text == f"{table[name]['f1-score']:.3f}"
    assert set(report.averages) == {"macro", "weighted"}
    assert report.averages["macro"]["recall"].text == f"{table['macro avg']['recall']:.3f}"
    assert report.accuracy.text == f"{table['accuracy']:.3f}"
    assert report.texts()["weighted f1"] == report.averages["weighted"]["f1"].text


def test_scikit_learns_report_as_a_table(write, tmp_path):
    table = classification_report(*labels(), target_names=NAMES, output_dict=True)
    pd.DataFrame(table).T.to_csv(tmp_path / "table.csv")
    report = read_report(tmp_path / "table.csv")
    assert report.total == 300 and report.accuracy.value == pytest.approx(table["accuracy"])
    assert report.cells["van", "precision"].value == pytest.approx(table["van"]["precision"])
    assert report.averages["weighted"]["f1"].value == pytest.approx(table["weighted avg"]["f1-score"])


def test_averages_by_their_names(write):
    text = "class,recall\na,0.5\nb,0.7\nMacro average,0.6\nmicro avg,0.61\navg / total,0.62\n"
    report = read_report(write(text))
    assert {kind: some["recall"].text for kind, some in report.averages.items()} == {
        "macro": "0.6", "micro": "0.61", "weighted": "0.62"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("class,recall\na,0.5\nb,x\n", {}, "row 'b', column recall: 'x' is no number"),
        ("class,recall\na,0.5\nb,50\n", {}, "row 'b', column recall: 50 is above 1: write 50% if it is a percentage"),
        ("class,recall,auc\na,0.5,1\nb,0.5,1\n", {}, "unknown column 'auc'"),
        ("class,recall,sensitivity\na,0.5,1\nb,0.5,1\n", {}, "two columns are recall"),
        ("class,recall\na,0.5,0.6\nb,0.5\n", {}, "row 'a' has 2 values for 1 columns"),
        ("class,recall\na,0.5\na,0.5\n", {}, "two rows are named 'a'"),
        ("class,recall\na,0.5\n", {}, "a report needs a row for each class"),
        ('class,recall\n"a, b",0.5\nc,0.5\n', {}, "row 'a, b': a name with a comma"),
        ("class,recall\na,0.5\nb,0.5\nsamples avg,0.5\n", {}, "a photo of several classes"),
        ("class,recall,f1\na,0.5,1\nb,0.5,1\naccuracy,0.5,0.6\n", {}, "row 'accuracy' must have one number"),
        ("class,support\na,1\nb,2\n", {}, "no precision, recall, f1 or accuracy of a class"),
        ("class,support\na,x\nb,2\n", {}, "row 'a', column support: 'x' is no number of photos"),
        ("class,support,f1\na,0,0\nb,0,0\n", {}, "the classes have no photos"),
        ("", {}, "is empty"),
        (CSV, {"photos": "many"}, "N=many: must be a whole number"),
        (CSV, {"photos": "0"}, "N=0: must be 1 or more"),
        (CSV, {"options": "counts=1,2", "photos": "4"}, "the classes have 3 photos together, but N is 4"),
        (CSV, {"options": "counts=1"}, "1 counts for 2 classes"),
        (CSV, {"options": "rounding=odd"}, "SET: rounding=odd: must be one of nearest, down, up"),
        (
            CSV,
            {"options": "rows=some counts=3,4", "photos": "6"},
            "with rows=some, N must be the photos of all classes, 7",
        ),
        (CSV, {"options": "rows=few"}, "SET: rows=few: must be all or some"),
        (
            CSV,
            {"options": "digit=3"},
            "SET: 'digit=3' must be name=value, the name one of rounding, digits, counts, rows",
        ),
        (CSV, {"headline": "accuracy"}, "HEADLINE: 'accuracy' must be name=value"),
        (CSV, {"headline": "f1=0.5 f1=0.6"}, "HEADLINE: f1 is given twice"),
        (CSV, {"headline": "f1=2"}, "HEADLINE: f1: 2 is above 1"),
    ],
)
def test_mistakes_name_their_place(write, text, options, message):
    path = write(text)
    with pytest.raises(CarsegError) as refused:
        read_report(path, **options)
    assert message in str(refused.value) and "\n" not in str(refused.value)
    if not options:
        assert str(refused.value).startswith(str(path))


def test_files_that_are_none(tmp_path):
    with pytest.raises(CarsegError, match="there is no such file"):
        read_report(tmp_path / "none.csv")
    with pytest.raises(CarsegError, match="is no text file"):
        read_report(tmp_path)
    (tmp_path / "photo.csv").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(CarsegError, match="is no text file"):
        read_report(tmp_path / "photo.csv")
