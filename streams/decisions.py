"""One decision per transaction, as JSON: single ones, and whole batches from columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray


class Reason(msgspec.Struct, frozen=True):
    """One reason of a decision: a feature, its value, what it adds to the logit, and all of that in words."""

    feature: str
    value: str | float | None
    contribution: float
    """Against the typical genuine transaction, in logits: see docs/explanation/reasons.md."""
    text: str = ""


class RuleReason(msgspec.Struct, frozen=True):
    """The user's rule that decided, and what it says."""

    name: str
    reason: str


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision; schema: `streams/schemas/decisions.json`."""

    tx_id: str
    score: float
    action: str
    reasons: list[Reason]
    epoch: int
    agents: dict[str, float]
    propensity: float
    event_time: int
    decided_at: int
    degraded: bool
    priority: float = 0.0
    """Of an alert: the largest should be looked at first. 0 for what was approved."""
    over_budget: bool = False
    """Would have been stopped, and is approved for the alert budget's sake."""
    rule: RuleReason | None = None
    """The user's rule that decided in place of the lineup, which gave its score all the same."""
    rule_hits: list[str] = []
    """Every rule that hit, those in test included."""


# The same fields in the same order, made by position and unknown to the garbage collector: a third of the time.
_Row = msgspec.defstruct("_Row", Decision.__struct_fields__, gc=False)
_encode = msgspec.json.Encoder().encode
SILENT = -1  # in `speakers`
_UNFIT = re.compile(r'["\\\x00-\x1f]')  # msgspec names no field like that


def encode_decisions(
    *,
    tx_id: Sequence[str],
    score: NDArray[np.float64],
    action: Sequence[str],
    reasons: Mapping[int, Sequence[Reason]],
    epoch: int,
    agents: Sequence[str],
    speakers: NDArray[np.intp],
    votes: NDArray[np.float64],
    propensity: NDArray[np.float64],
    event_time: NDArray[np.int64],
    decided_at: int,
    degraded: NDArray[np.bool_],
    priority: NDArray[np.float64],
    over_budget: NDArray[np.bool_],
    rules: Mapping[int, tuple[RuleReason | None, Sequence[str]]],
) -> list[bytes]:
    """JSON of n decisions, as `Decision` has them, from columns.

    Args:
        tx_id: n ids.
        score: float64[n].
        action: n words.
        reasons: by row, of those that have some.
        epoch: of all.
        agents: k ids.
        speakers: intp[n, s], which agent's score speaks for each slot; `SILENT` where none does.
        votes: float64[n, s], their probabilities.
        propensity: float64[n].
        event_time: int64[n].
        decided_at: of all.
        degraded: bool[n].
        priority: float64[n].
        over_budget: bool[n].
        rules: by row, the rule that decided and the names of all that hit, of those where some did.
    """
    n = len(tx_id)
    why: list[Sequence[Reason]] = [()] * n
    for i, found in reasons.items():
        why[i] = found
    rule: list[RuleReason | None] = [None] * n
    hits: list[Sequence[str]] = [()] * n
    for i, (decided, names) in rules.items():
        rule[i], hits[i] = decided, names
    columns = {
        "tx_id": tx_id,
        "score": score.tolist(),
        "action": action,
        "reasons": why,
        "epoch": repeat(epoch),
        "agents": _agents(agents, speakers, votes),
        "propensity": propensity.tolist(),
        "event_time": event_time.tolist(),
        "decided_at": repeat(decided_at),
        "degraded": degraded.tolist(),
        "priority": priority.tolist(),
        "over_budget": over_budget.tolist(),
        "rule": rule,
        "rule_hits": hits,
    }
    return list(map(_encode, map(_Row, *(columns[name] for name in Decision.__struct_fields__))))


def _agents(agents: Sequence[str], speakers: NDArray[np.intp], votes: NDArray[np.float64]) -> list[Any]:
    """Of each row a struct with the ids of who spoke as its fields; rows on which the same spoke are made together."""
    if len(speakers) and not (speakers != speakers[0]).any():
        return _who_spoke(agents, speakers[0], votes)
    out: list[Any] = [None] * len(speakers)
    patterns, of_pattern = np.unique(speakers, axis=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        rows = np.flatnonzero(of_pattern.reshape(-1) == p)
        for i, each in zip(rows.tolist(), _who_spoke(agents, pattern, votes[rows]), strict=True):
            out[i] = each
    return out


def _who_spoke(agents: Sequence[str], pattern: NDArray[np.intp], votes: NDArray[np.float64]) -> list[Any]:
    there = np.flatnonzero(pattern != SILENT)
    kind = _struct_of(tuple(agents[k] for k in pattern[there]))
    return list(map(kind, *votes[:, there].T.tolist())) if len(there) else [kind()] * len(votes)


@lru_cache(64)
def _struct_of(names: tuple[str, ...]) -> Callable[..., Any]:
    """What makes an object with these keys of as many values."""
    if any(_UNFIT.search(name) for name in names):
        return lambda *values: dict(zip(names, values, strict=True))
    fields = {f"agent{k}": name for k, name in enumerate(names)}
    return msgspec.defstruct("Agents", list(fields), rename=fields, gc=False)
