"""What predictions are worth: classification metrics, average precision, intervals, slices."""
