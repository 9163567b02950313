"""A rule set on the handbook, as its fraud team might have written it, that competes as an agent.

Written from the handbook's own account of its three kinds of fraud (amounts over 220, terminals under an attacker,
customers who suddenly spend several times as much), and not tuned: the one number taken from the data is the weight of
each rule.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from msgspec.structs import replace

from agents.expressions import Fields
from agents.genome import Genome
from agents.training import train
from benchmarks.learners import THREADS, Choice, Learner, Rows, Score
from rlfa.rules.agent import genome_of
from rlfa.rules.reading import rules_of
from streams.spec import load_spec

SPEC = Path(__file__).parents[1] / "streams" / "handbook.toml"
RULES = """
[[rules]]
name = "large"
action = "decline"
when = "amount > 220"

[[rules]]
name = "terminal-now"
action = "decline"
when = "terminal_fraud_share_7d > 0.5"

[[rules]]
name = "terminal-lately"
action = "review"
when = "terminal_fraud_share_7d > 0.1"

[[rules]]
name = "terminal-once"
action = "review"
when = "terminal_fraud_share_30d > 0.03"

[[rules]]
name = "terminal-often"
action = "review"
when = "terminal_fraud_share_30d > 0.2"

[[rules]]
name = "five-times"
action = "review"
when = "amount > 4 * customer_mean_30d and amount > 50"

[[rules]]
name = "spending-more"
action = "review"
when = "customer_mean_1d > 2 * customer_mean_30d and amount > 2 * customer_mean_30d"
"""


def genome(names: tuple[str, ...]) -> Genome:
    """The recipe of the agent that the rules make on columns of these names."""
    fields = Fields(names, frozenset())
    return genome_of(rules_of(RULES, load_spec(SPEC), fields, where="handbook rules", folder=SPEC.parent), fields)


def fit(rows: Rows, _choice: Choice, seed: int) -> Score:
    """Weigh the rules; nothing else of them is learnt or tuned."""
    agent = train(
        replace(genome(rows.names), seed=seed),
        rows.x,
        rows.fraud,
        rows.event_time,
        feature_names=rows.names,
        threads=THREADS,
    )
    return lambda x: agent.logits(x).astype(np.float64)


ANALYSTS = Learner(name="rules, weighed", choices={}, fit=fit)
