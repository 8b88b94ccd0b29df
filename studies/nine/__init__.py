"""Nine kinds of task side by side: one table, one figure, and each beside what was published."""
