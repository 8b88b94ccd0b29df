"""Subjects of papers from their words and citations."""
