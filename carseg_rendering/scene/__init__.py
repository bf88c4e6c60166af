"""What stands around a car: grounds, buildings, plants, people, what hides it."""
