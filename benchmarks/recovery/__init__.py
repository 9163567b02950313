"""How fast mixtures are recovered, the features a lasso finds, the choice of k: `python -m benchmarks.recovery`."""
