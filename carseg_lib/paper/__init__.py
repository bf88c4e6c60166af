"""The paper: its claims as data, the arithmetic its numbers must obey, and a run compared with it."""
