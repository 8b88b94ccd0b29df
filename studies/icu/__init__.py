"""Irregular clinical series, and how the minimal rank moves with the size of the state."""
