"""The claim table: every claim of the paper with a state, and what it rests on."""
