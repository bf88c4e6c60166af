"""`make bench`: this project beside what a reader would use instead, measured in one run."""
