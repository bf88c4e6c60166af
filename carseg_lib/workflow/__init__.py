"""The study as a whole: the command line, its stages, what is up to date, provenance, the reference of a run."""
