"""What is seen in a run, in sentences that are computed from it; the notebooks show them after their questions.

A figure says its own (`AccessibleFigure.finding`); here are those of tables. Import from the modules of this package.
"""
