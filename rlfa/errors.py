"""Errors of `rlfa`: one root, messages that say where, what was found and what is allowed."""


class RlfaError(Exception):
    """Root of every error that `rlfa` raises on purpose."""


class ConfigError(RlfaError):
    """A setting that the service refuses to start with."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {!r}, allowed: {}".format(*self.args)


class PolicyError(RlfaError):
    """A learned policy's file that isn't played."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {!r}, allowed: {}".format(*self.args)
