"""Errors of `rlfa`: one root, messages that say where, what was found and what is allowed."""

from typing import ClassVar


class RlfaError(Exception):
    """Root of every error that `rlfa` raises on purpose."""


QUOTED = "{}: found {!r}, allowed: {}"


class NotAllowedError(RlfaError):
    """Something that isn't allowed, in one line.

    Args:
        where: the key, file or command.
        found: there.
        allowed: what would do.
    """

    template: ClassVar[str] = "{}: found {}, allowed: {}"

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return self.template.format(*self.args)


class ConfigError(NotAllowedError):
    """A setting that the service refuses to start with."""

    template = QUOTED


class PolicyError(NotAllowedError):
    """A learned policy's file that isn't played."""

    template = QUOTED
