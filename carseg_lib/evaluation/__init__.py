"""Evaluation of predictions: classification metrics, average precision, intervals, slices."""
