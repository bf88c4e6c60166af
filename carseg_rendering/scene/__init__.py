"""The surroundings of a car: grounds, buildings, plants, people, occluders."""
