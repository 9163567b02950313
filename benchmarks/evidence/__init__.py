"""Simulated evidence for `benchmarks.promotion`: streams of paired losses, and the tests that watch them."""
