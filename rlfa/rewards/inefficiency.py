"""Inefficiency, the third part of the reward: an agent's latency and memory over their limits, in money.

Both are facts of an agent and not of a day: latency is measured once, when the agent is stored, and kept on its data
card. Measured again every day it would make rewards that nobody can compute again. Tests and promotion don't see it:
who is let in by evidence doesn't depend on how fast a machine was.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_MIB = 1 << 20


class EfficiencyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an agent's latency and memory over their limits cost. Promotion by evidence doesn't look at it."""

    latency_us_max: Annotated[float, Meta(ge=0, le=1e9)] = 500.0
    """Scoring time per transaction that costs nothing, in microseconds of one thread on the processor, as measured when
    the agent was stored. Agents of the usual sizes take 1 to 50."""
    weights_mib_max: Annotated[float, Meta(ge=0, le=1e6)] = 64.0
    """Size of the weights' file that costs nothing, in MiB."""
    scoring_second: Annotated[float, Meta(ge=0, le=1e6)] = 0.05
    """Cost of a second of scoring over the limit, in the stream's currency: payments wait for it. 0 where rewards shall
    come out alike on machines of different speed even for agents over the limit."""
    mib_day: Annotated[float, Meta(ge=0, le=1e6)] = 0.01
    """Cost of a MiB over the limit for a day, in the stream's currency."""


class Footprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an agent needs to score."""

    latency_us: float
    """Per transaction."""
    weights_bytes: int


def inefficiency(footprint: Footprint | None, rows: int, rules: EfficiencyRules) -> float:
    """Money that an agent's footprint costs on one cohort.

    Args:
        footprint: of the agent; None where nobody measured it, which costs nothing.
        rows: of the cohort, each scored once.
        rules: of the user.
    """
    if footprint is None:
        return 0.0
    seconds = rows * max(footprint.latency_us - rules.latency_us_max, 0.0) * 1e-6
    mib = max(footprint.weights_bytes / _MIB - rules.weights_mib_max, 0.0)
    return seconds * rules.scoring_second + mib * rules.mib_day
