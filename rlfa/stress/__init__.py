"""Load on a running service: transactions of its own, and what became of each."""
