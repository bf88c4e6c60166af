"""Studies of many trainings: ablation, synthetic to real, benchmark, the segmenter; each built of trials."""
