"""Data: sources, one file each, and the `Task` they all become."""
