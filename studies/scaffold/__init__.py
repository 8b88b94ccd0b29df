"""What the scaffold does."""
