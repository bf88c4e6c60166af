"""Training and inference: the loop, optimiser, checkpoints, processes, predictions."""
