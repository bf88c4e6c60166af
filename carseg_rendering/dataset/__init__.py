"""The data set: its plan, rendered in parts, its card, and checks of what was rendered."""
