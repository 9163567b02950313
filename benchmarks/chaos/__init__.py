"""Faults of every kind against a running service, and the proof that none lost, doubled or changed anything."""
