"""How accuracy grows with the training photos, and what it is on groups, car models say, that were never seen."""
