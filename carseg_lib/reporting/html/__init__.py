"""The HTML report of a run, and the list of all runs."""
