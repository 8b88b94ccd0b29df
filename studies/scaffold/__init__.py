"""What the frozen random network does, and what a model takes that is a seed and an adapter."""
