"""Exact windows over event time, kept incrementally."""
