"""Settings for a backtest of a table that nobody has configured: slots, genomes, and sizes taken from the table."""

from __future__ import annotations

import numpy as np

from rlfa.backtest import baseline
from rlfa.lineup.slots import DAY_MS, Day
from streams.codec import raw_feature_names
from streams.features.windows import FeatureState
from streams.history import FRAUD, History
from streams.spec import StreamSpec

VALUES_MAX = 8_000_000  # rows x features of one training
VALUES_ALL = 150_000_000  # of all renewals together: what a few minutes can learn from
RENEWAL_DAYS = (7, 14, 28, 56)  # the first that keeps within these
NEVER = 0
WINDOW_DAYS = (14, 120)  # of a training, at least and at most
SLOTS = 3
ALERT_SHARES = (0.005, 0.2)  # of the transactions, at least and at most
TREES = """
[slots]
a = "trees"
b = "newest"
c = "wide"

# Gradient-boosted trees; the same with old rows counting less; and with more leaves.
[genomes.trees]
expert = "trees"
experts = 3
seed = 1

[genomes.newest]
expert = "trees"
experts = 3
half_life_days = 30.0
seed = 2

[genomes.wide]
expert = "trees"
experts = 3
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
# As many of the newest matured days, and renewals as often, as a few minutes allow on a table of this size.
[trainers]
window_days = {window}
threads = {threads}

[free_agency.renewal]
every_days = {renewal}

[free_agency.scout]
candidates = 1

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


def default_settings(history: History, spec: StreamSpec, first_day: Day, threads: int = 1) -> str:
    """The text of a `rlfa.toml`, without its first keys.

    Args:
        history: whose days before play give sizes.
        spec: of the stream.
        first_day: of play.
        threads: of one training.
    """
    day = history.event_time // DAY_MS
    before = day < first_day
    days, played = len(np.unique(day[before])), len(np.unique(day[~before]))
    a_day = before.sum() / days
    values_a_day = a_day * (len(raw_feature_names(spec)) + len(FeatureState(spec.windows, tuple(spec.entities)).names))
    window = int(np.clip(VALUES_MAX / values_a_day, *WINDOW_DAYS))
    round_of_trainings = SLOTS * window * values_a_day
    affordable = (d for d in RENEWAL_DAYS if played / d * round_of_trainings <= VALUES_ALL)
    frauds = (history.label[before] == FRAUD).sum() / days
    low, high = ALERT_SHARES
    budget = max(round(float(np.clip(2.0 * frauds, low * a_day, high * a_day))), 1)
    text = (TREES if baseline.is_installed() else NETWORKS) + SETTINGS.format(
        window=window,
        renewal=next(affordable, NEVER),
        threads=threads,
        budget=budget,
        low=low,
        high=high,
    )
    return text if spec.amount else text + COUNTS
