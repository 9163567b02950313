"""A real service on a real broker under load: what benchmarks of the whole path share."""
