"""The paper's results as 22 figures, and what it says in words as seven statements."""

from __future__ import annotations

from carseg_lib.evaluation.claim_table import statements
from carseg_lib.paper import claims
from tests.paper.quotes import is_of_the_paper


def test_the_papers_results_are_22_figures():
    assert len(claims.FIGURES) == len(set(claims.FIGURES)) == 22
    assert set(claims.AVERAGES) == {"average validation accuracy", "average training accuracy"}
    assert {f"headline {metric}" for metric in claims.HEADLINE} <= set(claims.FIGURES)
    cells = {f"{name} {metric}" for name in claims.TABLE_1.index for metric in claims.TABLE_1.columns}
    assert cells <= set(claims.FIGURES)


def test_seven_statements_have_a_quote_of_the_paper_and_a_test_that_exists():
    assert len(claims.STATEMENTS) == len({statement.what for statement in claims.STATEMENTS}) == 7
    assert not {statement.what for statement in claims.STATEMENTS} & {claim.what for claim in claims.CLAIMS}
    for statement in claims.STATEMENTS:
        assert is_of_the_paper(statement.quote), statement
        assert statement.tested_as.endswith(".")
        assert statement.section in ("Abstract", "IV. Methods", claims.VI, claims.VII)
        assert statement.test["name"] in statements._TESTS
