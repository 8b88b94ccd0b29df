"""MNIST: all 70,000 digits, tuned, and with the paper's fixed protocol."""
