"""A model that can't become an agent."""

from __future__ import annotations

from agents.errors import AgentsError


class BringError(AgentsError, ValueError):
    """A model from another library that is refused: where, found, allowed."""
