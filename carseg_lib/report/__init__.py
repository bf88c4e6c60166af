"""The HTML report of a run, and the list of all runs."""

from carseg_lib.report.page import write_index, write_report

__all__ = ["write_index", "write_report"]
