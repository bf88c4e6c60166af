"""Masks for photos that have none: annotators, what is kept of what they see, and a run's pseudo-labelling."""
