"""One adapter, three scaffolds, three tasks."""
