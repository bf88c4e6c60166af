from carseg_lib.paper.audit import audit, figure_verdicts
from carseg_lib.paper.audit_text import WIDTH, audit_lines, gathered


def test_lines_of_an_audit():
    checks = audit()
    lines = audit_lines("Table 1", checks, figure_verdicts(checks))
    text = "\n".join(lines)
    assert max(map(len, lines)) <= WIDTH and lines[0] == "Table 1"
    assert "IMPOSSIBLE AS PRINTED (12)" in text and "5 of 16" in text
    assert [" ".join(line.split()) for line in lines].count("suv precision 0.814 impossible as printed") == 1
    for row in checks.itertuples():
        assert " ".join(row.check.split()) in " ".join(text.split())
    assert lines[-2].startswith(f"{len(checks)} checks: 12 impossible as printed")
    assert lines[-1].startswith("37 figures: 17 impossible as printed, 2 not by this reading, 12 consistent")


def test_names_are_gathered_by_class():
    assert gathered("suv recall, suv f1") == "suv recall, f1"
    assert gathered("suv recall, sedan f1") == "suv recall; sedan f1"
    assert gathered("a f1, b f1, c f1") == "f1 of a, b, c"
    assert gathered("accuracy") == "accuracy" and gathered("headline f1") == "headline f1"
