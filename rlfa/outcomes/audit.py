"""What is kept of why an alert was raised: its reasons as sent, where they start from, and which experts spoke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from rlfa.hosts.scoring import Features, Host, Reasoning
from rlfa.lineup.reasons import strongest
from rlfa.lineup.slots import Lineup
from rlfa.lineup.voting import NOBODY
from rlfa.lineup.wording import Wording
from streams.codec import Transactions, categories, feature_of
from streams.decisions import Reason
from streams.spec import StreamSpec


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's gate on one transaction."""

    expert: int
    """The one with the largest part of the probability of fraud, counted from 0 over all of the agent's mixtures."""
    weights: tuple[float, ...]
    """Of every expert; they sum to 1."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one alert: `start`, the contributions of its reasons and `rest` add up to the lineup's logit."""

    start: float
    """Logit of the typical genuine transaction, as the agents that spoke know it."""
    reasons: tuple[Reason, ...]
    """As they were sent."""
    rest: float
    """What all other features add."""
    gates: dict[str, Spoken]
    """By agent, of those whose gate can be asked."""

    @property
    def logit(self) -> float:
        """What it all adds up to."""
        return self.start + sum(reason.contribution for reason in self.reasons) + self.rest


NO_AUDIT: Mapping[int, Audit] = {}


def encode(audit: Audit) -> str:
    """JSON, for the journal."""
    return msgspec.json.encode(audit).decode()


def decode(text: str) -> Audit:
    """From the journal."""
    return msgspec.json.decode(text, type=Audit)


def audits(
    transactions: Transactions,
    features: Features,
    alerts: NDArray[np.intp],
    logit: NDArray[np.float64],
    spoke: NDArray[np.intp],
    spec: StreamSpec,
    names: Sequence[str],
    lineup: Lineup,
    host: Host,
) -> dict[int, Audit]:
    """By row, why the lineup says of these rows what it says.

    Args:
        transactions: n of them.
        features: float32[n, d].
        alerts: the rows to be explained.
        logit: float64[n], the lineup's.
        spoke: intp[n, s], the agent whose score speaks for each slot; `NOBODY` where none does.
        spec: of the stream.
        names: of the features.
        lineup: of the agents.
        host: that holds them.
    """
    out: dict[int, Audit] = {}
    if not len(alerts):
        return out
    wording = Wording.of(spec)
    labels = {feature_of(field): transactions.categorical[field] for field in categories(spec)}
    patterns, of_pattern = np.unique(spoke[alerts], axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):  # one, unless segments or trials let others vote on some rows
        rows = alerts[of_pattern.reshape(-1) == i]
        x = features[rows]
        found = speaking(pattern, lineup, host, x)
        for at, row in enumerate(rows.tolist()):
            of_row = {name: texts[row] for name, texts in labels.items()}
            currency = of_row.get(feature_of(spec.currency)) if spec.currency else None
            out[row] = audit_of(found, x, at, float(logit[row]), names, wording, of_row, currency or "")
    return out


def speaking(pattern: NDArray[np.intp], lineup: Lineup, host: Host, x: Features) -> Reasoning:
    """The reasoning of the agents intp[s] that speak for the slots on rows float32[n, d]."""
    scorers = lineup.scorers
    heard = [(scorers[k], slot.weight) for k, slot in zip(pattern, lineup.slots, strict=True) if k != NOBODY]
    return host.reasons([agent for agent, _ in heard], np.array([weight for _, weight in heard]), x)


def audit_of(
    found: Reasoning,
    x: Features,
    at: int,
    logit: float,
    names: Sequence[str],
    wording: Wording,
    labels: Mapping[str, str | None],
    currency: str = "",
) -> Audit:
    """The record of one of the rows that were reasoned about.

    Args:
        found: of n rows.
        x: float32[n, d].
        at: which of them.
        logit: of the lineup.
        names: of the features.
        wording: of the stream.
        labels: texts of the categories that are at hand.
        currency: of the amount.
    """
    added = found.contributions[at].astype(np.float64)
    reasons = []
    for j in strongest(added[None])[0]:
        number, name = float(x[at, j]), names[j]
        known = number if np.isfinite(number) else None
        label = labels.get(name)
        text = wording.text(name, number, float(found.usual[j]), label=label, currency=currency)
        reasons.append(Reason(name, label if name in labels else known, float(added[j]), text))
    total = float(added.sum())
    return Audit(
        start=logit - total,
        reasons=tuple(reasons),
        rest=total - sum(reason.contribution for reason in reasons),
        gates={
            agent: Spoken(expert=int(voices.spoke[at]), weights=tuple(voices.weights[at].tolist()))
            for agent, voices in found.voices.items()
        },
    )
