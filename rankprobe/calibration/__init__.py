"""Is the instrument right? Tasks whose rank is known are planted, measured, and compared."""
