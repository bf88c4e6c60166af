"""What each part of the recipe is worth: variants of a profile, trained alike."""
