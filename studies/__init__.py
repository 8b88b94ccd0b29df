"""Measurements of real and of planted tasks: how to run them, and what came out."""
