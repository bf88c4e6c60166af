import pytest

from carseg_lib.workflow.cli import main

TABLE = """class,precision,recall,f1,support
a,0.90,0.90,0.90,100
b,0.90,0.90,0.90,100
accuracy,,,0.90,200
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return str(path)


def test_a_table_that_fits(table, capsys):
    assert main(["audit", "--table", table, "--headline", "f1=90%"]) == 0
    out = capsys.readouterr().out
    assert "headline f1 90%" in out and "0 impossible as printed" in out and "a matrix" not in out.lower()[:80]
    assert "90 10 0 / 10 90 0" in out  # a matrix that gives the table


def test_a_table_that_does_not(table, capsys):
    assert main(["audit", "--table", table, "--headline", "accuracy=99%"]) == 0
    out = capsys.readouterr().out
    assert "IMPOSSIBLE AS PRINTED (" in out and "headline accuracy" in out


def test_the_paper_without_a_table(capsys):
    assert main(["audit"]) == 0
    assert "suv f1 0.890: F1 from precision and recall" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--n", "590"], "carseg: N is for a report of your own: name it by TABLE=table.csv"),
        (["--table", "none.csv"], "carseg: none.csv: there is no such file"),
        (["--table", "", "--set", "rounding=up"], "carseg: SET is for a report of your own"),
    ],
)
def test_mistakes_are_one_line(options, message, capsys):
    assert main(["audit", *options]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(message)
