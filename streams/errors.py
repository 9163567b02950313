"""Errors of `streams`: one root, messages that say where, what was found and what is allowed."""

from typing import ClassVar


class StreamsError(Exception):
    """Root of every error that `streams` raises on purpose."""


QUOTED = "{}: found {!r}, allowed: {}"


class NotAllowedError(StreamsError):
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


class SpecError(NotAllowedError):
    """A stream spec that can't be used: where, found, allowed."""

    template = QUOTED


class BrokerError(NotAllowedError):
    """The broker is away, refuses, or can't be started: where, found, allowed."""


class UnknownOutcomeError(StreamsError):
    """A commit without an answer: make every client anew and go on from the committed offsets."""
