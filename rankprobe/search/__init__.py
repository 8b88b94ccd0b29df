"""The search: which members are trained, where, and how they are recorded."""
