"""Commands on the paper: the audit of its numbers, or of another classification report."""

from __future__ import annotations

from pathlib import Path

import click

from carseg_lib.core.cli import CarsegCommand, option
from carseg_lib.core.errors import CarsegError
from carseg_lib.workflow.commands.options import variables

_SET = (
    'how TABLE is printed: "rounding=nearest" (default; or down, up), "digits=3" (decimals that every number has at '
    'least), "counts=259,140,55,136" (photos of each class), "rows=some" (there are more classes than rows)'
)


@click.command("audit", cls=CarsegCommand, help="check a classification report by arithmetic")
@variables("table", "n", "headline")
@option("set", _SET)
def audit(table: str, n: str, headline: str, set: str) -> None:
    """Check a classification report, the paper's if none is named; writes nothing."""
    given = {"N": n, "HEADLINE": headline, "SET": set}
    if not table and (needless := [name for name, value in given.items() if value]):
        raise CarsegError(f"{needless[0]} is for a report of your own: name it by TABLE=table.csv")
    from carseg_lib.paper import verdicts
    from carseg_lib.paper.audit import audit as audit_paper
    from carseg_lib.paper.audit import audit_report, figure_verdicts
    from carseg_lib.paper.audit_text import audit_lines
    from carseg_lib.paper.report_file import described, read_report

    if table:
        report = read_report(Path(table).expanduser(), n, headline, set)
        checks = audit_report(report)
        lines = audit_lines(described(report), checks, verdicts.figure_verdicts(checks, report.texts()))
    else:
        checks = audit_paper()
        lines = audit_lines("the paper: its setup, Table 1 and headline", checks, figure_verdicts(checks))
    print("\n".join(lines))


COMMANDS = (audit,)
