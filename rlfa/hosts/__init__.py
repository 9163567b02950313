"""Agents in memory: inline in a lane, or behind a Ray actor."""
