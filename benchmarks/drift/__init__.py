"""Free agency against what teams do today, on streams whose fraud changes; `python -m benchmarks.drift --data DIR`."""
