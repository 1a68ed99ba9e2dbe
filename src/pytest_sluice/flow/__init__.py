"""A run, from the declaration to the landing."""
