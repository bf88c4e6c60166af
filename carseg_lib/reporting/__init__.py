"""The figures and the HTML report."""
