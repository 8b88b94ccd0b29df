"""How long a training step takes: cohorts against a loop over single members."""
