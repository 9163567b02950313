"""Errors of `agents`: one root, messages that say where, what was found and what is allowed."""


class AgentsError(Exception):
    """Root of every error that `agents` raises on purpose."""

    def __init__(self, where: str, found: object, allowed: str) -> None:
        super().__init__(where, found, allowed)

    def __str__(self) -> str:
        return "{}: found {}, allowed: {}".format(*self.args)


class GenomeError(AgentsError, ValueError):
    """A genome that can't be built; scikit-learn's too."""


class TrainingDataError(AgentsError, ValueError):
    """Rows that nothing can be learnt from; scikit-learn's too."""


class WeightsError(AgentsError):
    """Saved weights that can't be trusted or don't fit."""


class ExpressionError(AgentsError):
    """A condition over columns that means nothing."""
