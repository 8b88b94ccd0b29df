"""Many classes and few examples, and what frozen features are worth there."""
