"""Data of the studies: where each comes from, and how files of a package become its files."""
