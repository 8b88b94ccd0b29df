"""From results and a dataset.yaml to a plan of a measurement."""
