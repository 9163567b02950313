"""Every gate and activation on tabular sets, by segment, with few frauds; `python -m benchmarks.tabular --data DIR`."""
