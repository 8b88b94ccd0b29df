"""Is the instrument right? The full calibration, measured and held against its goals."""
