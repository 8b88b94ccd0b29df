"""A model as one file: the seed of what is frozen, and what was trained."""
