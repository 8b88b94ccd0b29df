"""Simulated measurements of known truth, for the readings that rest on several results."""
