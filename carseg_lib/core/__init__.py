"""What every package uses: errors, files, configuration, a run's paths, the fingerprint of code."""
