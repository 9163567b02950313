"""Errors of `streams`: one root, messages that say where, what was found and what is allowed."""


class StreamsError(Exception):
    """Root of every error that `streams` raises on purpose."""


class SpecError(StreamsError):
    """A stream spec that can't be used: where, found, allowed."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {!r}, allowed: {}".format(*self.args)


class BrokerError(StreamsError):
    """The broker is away, refuses, or can't be started: where, found, allowed."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {}, allowed: {}".format(*self.args)


class UnknownOutcomeError(StreamsError):
    """A commit without an answer: make every client anew and go on from the committed offsets."""
