"""The car segmenter that comes with carseg: trained, measured and described."""
