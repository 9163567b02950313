"""Settings for a backtest of a table that nobody has configured: slots, genomes, and sizes taken from the table."""

from __future__ import annotations

import numpy as np

from rlfa.backtest import baseline
from rlfa.lineup.slots import DAY_MS, Day
from streams.codec import raw_feature_names
from streams.history import FRAUD, History
from streams.spec import StreamSpec

VALUES_MAX = 40_000_000  # rows x features of one training
WINDOW_DAYS = (14, 120)  # of a training, at least and at most
ALERT_SHARES = (0.005, 0.2)  # of the transactions, at least and at most
TREES = """
[slots]
a = "trees"
b = "newest"
c = "wide"

# Gradient-boosted trees; the same with old rows counting less; and with more leaves.
[genomes.trees]
expert = "trees"
seed = 1

[genomes.newest]
expert = "trees"
half_life_days = 30.0
seed = 2

[genomes.wide]
expert = "trees"
leaves = 31
seed = 3
"""
NETWORKS = """
[slots]
a = "piecewise"
b = "periodic"
c = "logistic"

# LightGBM isn't installed (extra `trees`): mixtures of small networks and of logistic experts.
[genomes.piecewise]
seed = 1

[genomes.periodic]
encoder = "periodic"
seed = 2

[genomes.logistic]
expert = "logistic"
seed = 3
"""
SETTINGS = """
# Trainings take so many of the newest matured days, and every slot is renewed weekly.
[trainers]
window_days = {window_days}

[free_agency.renewal]
every_days = 7

[free_agency.exploration]
# The table says what every transaction was, whatever would have been done with it.
declined_labels = "all"

[free_agency.costs]
# Twice the frauds of the days before play, within {low:.1%} and {high:.0%} of the transactions.
alert_budget_per_day = {budget}
"""
# Without amounts a fraud costs 1, and everything else is a part of that.
COUNTS = """prevented_share = 1.0
false_positive = 0.1
review = 0.02
"""


def default_settings(history: History, spec: StreamSpec, first_day: Day) -> str:
    """The text of a `rlfa.toml`, without its first keys.

    Args:
        history: whose days before play give sizes.
        spec: of the stream.
        first_day: of play.
    """
    before = history.event_time // DAY_MS < first_day
    days = max(len(np.unique(history.event_time[before] // DAY_MS)), 1)
    a_day = before.sum() / days
    values_a_day = a_day * (len(raw_feature_names(spec)) + 1)
    window = int(np.clip(VALUES_MAX / max(values_a_day, 1.0), *WINDOW_DAYS))
    frauds = (history.label[before] == FRAUD).sum() / days
    budget = max(round(float(np.clip(2.0 * frauds, ALERT_SHARES[0] * a_day, ALERT_SHARES[1] * a_day))), 1)
    slots = TREES if baseline.is_installed() else NETWORKS
    low, high = ALERT_SHARES
    text = slots + SETTINGS.format(window_days=window, budget=budget, low=low, high=high)
    return text if spec.amount else text + COUNTS
