"""Tasks whose order is expected, measured with one set of settings."""
