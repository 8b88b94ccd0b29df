"""From scores to the minimal rank, with intervals. Imports neither torch nor optuna."""
