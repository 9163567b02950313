"""Errors of `streams`: one root, messages that say where, what was found and what is allowed."""


class StreamsError(Exception):
    """Root of every error that `streams` raises on purpose."""
