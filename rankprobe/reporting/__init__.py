"""Figures, tables and reports, made from results alone."""
