"""The pictures that the README shows, and the command that redraws every picture."""
