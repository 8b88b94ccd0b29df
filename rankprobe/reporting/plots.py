"""Figures of results: each function takes records and returns matplotlib axes."""

from rankprobe.reporting.curve import plot_curve
from rankprobe.reporting.overlay import plot_results
from rankprobe.reporting.rates import plot_rates
from rankprobe.reporting.style import image_bytes, png_bytes, save_png

__all__ = ["image_bytes", "plot_curve", "plot_rates", "plot_results", "png_bytes", "save_png"]
