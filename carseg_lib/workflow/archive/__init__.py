"""The archive of a run: one zip with code, data or their digests, results and metadata; and running it again."""
