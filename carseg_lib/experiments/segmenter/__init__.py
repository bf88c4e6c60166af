"""The built-in car segmenter: training, evaluation and model card."""
