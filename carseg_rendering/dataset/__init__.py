"""The data set: its plan, rendering in shards, its data card, checks."""
