"""Binary files of carseg: the built-in data set, the car segmenter, their checksums and cards."""
