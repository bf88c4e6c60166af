"""Things that are no cars, for pictures without a car: families of things, made from parameters."""
