"""Rules as inputs: conditions of the genome's, whose hits enter an agent beside the features, or alone.

With the hits alone and one logistic expert the agent is a rule set whose weights are learnt: each rule adds to the
logit where it hits, and the calibration makes the sum a probability. The conditions stand in the genome; no code does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.errors import ExpressionError, GenomeError
from agents.genome import Genome

if TYPE_CHECKING:  # Arrow starts threads, which a sealed process may not have: only who has rules imports it
    from agents.expressions import Condition

PREFIX = "rule "  # of a hit's name
CACHED = 64  # genomes whose conditions are kept read

Features = NDArray[np.float32]  # [n, d]


def seen_names(genome: Genome, names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that an agent's inputs are made of.

    Args:
        genome: the recipe.
        names: of the d features that it is given.
    """
    hits = tuple(f"{PREFIX}{text}" for text in genome.rules)
    return hits if genome.rules_only else (*names, *hits)


def seen_categorical(genome: Genome, categorical: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the categorical features that enter as such."""
    return () if genome.rules_only else categorical


def seen(genome: Genome, names: tuple[str, ...], x: Features) -> Features:
    """Features float32[n, d] to the columns of `seen_names`; a rule's is 1 where it hits and 0 elsewhere.

    Raises:
        GenomeError: a rule means nothing on these features.
    """
    if not genome.rules:
        return x
    from agents.expressions import met

    rules = _conditions(genome.rules, names)
    place = {name: j for j, name in enumerate(names)}
    columns = {name: x[:, place[name]] for rule in rules for name in rule.reads}
    hits = met(rules, columns, len(x)).astype(np.float32)
    return hits if genome.rules_only else np.hstack([x, hits])


@lru_cache(CACHED)
def _conditions(rules: tuple[str, ...], names: tuple[str, ...]) -> tuple[Condition, ...]:
    return tuple(_condition(text, names) for text in rules)


def _condition(text: str, names: tuple[str, ...]) -> Condition:
    """Over numbers: a category is its code here, and code 0 where it is missing."""
    from agents.expressions import Fields, condition

    try:
        return condition(text, Fields(names, frozenset()), _no_codes)
    except ExpressionError as error:
        _, found, allowed = error.args
        raise GenomeError(f"genome.rules {text!r}", found, allowed) from error


def _no_codes(texts: object) -> NDArray[np.float32]:
    raise AssertionError(f"no category is known here, and yet {texts}")
