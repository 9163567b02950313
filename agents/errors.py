"""Errors of `agents`: one root, messages that say where, what was found and what is allowed."""


class AgentsError(Exception):
    """Root of every error that `agents` raises on purpose."""
