"""Five changes of fraud in our simulator: each a stream of its own, with the days on which fraud changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from benchmarks.drift.history import History, codes, with_windows
from streams.features.spec import WindowSpec
from streams.synthetic import LabelDelays, Scenario, Simulator
from streams.synthetic.scenario import (
    AccountTakeover,
    CardTesting,
    Change,
    CompromisedTerminal,
    MerchantCollusion,
    StolenCard,
)

DELAY_DAYS = 4
DAYS, FIRST_DAY, CHANGE_DAY = 64, 24, 38
TRANSACTIONS_A_DAY = 2000
WORDS = ("category", "channel", "country")
SPEC = WindowSpec(
    windows=("1h", "1d", "7d"),
    label_delay=f"{DELAY_DAYS}d",
    entities={
        "customer": ("count", "mean", "distinct", "since_last"),
        "terminal": ("count", "mean", "distinct", "delayed_count", "fraud_share"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A change of fraud: what happens, and when."""

    name: str
    scenario: Scenario
    changes: tuple[int, ...]


def _scenario(*campaigns: object) -> Scenario:
    return Scenario(
        transactions_per_day=TRANSACTIONS_A_DAY,
        customers=1400,
        terminals=700,
        labels=LabelDelays(max_days=float(DELAY_DAYS)),
        campaigns=campaigns,
    )


def _stolen(intensity: float, *changes: Change, **values: float | None) -> StolenCard:
    return StolenCard(
        name="stolen_cards", start_day=-10, intensity=intensity, amount_factor=2.5, changes=changes, **values
    )


def _terminals(intensity: float, *changes: Change, **values: float | None) -> CompromisedTerminal:
    return CompromisedTerminal(
        name="terminals", start_day=-20, intensity=intensity, amount_factor=1.6, changes=changes, **values
    )


def _new_pattern() -> Campaign:
    fading = Change(day=CHANGE_DAY, set={"intensity": 2.0})
    testing = CardTesting(name="card_testing", start_day=CHANGE_DAY, intensity=4.0, cards_per_burst=8)
    takeover = AccountTakeover(
        name="takeover", start_day=CHANGE_DAY, intensity=5.0, night_share=0.9, amount_factor=1.6, duration_days=1.5
    )
    scenario = _scenario(_stolen(4.0, fading), _terminals(4.0, fading), testing, takeover)
    return Campaign(name="new pattern", scenario=scenario, changes=(CHANGE_DAY,))


def _disappearing() -> Campaign:
    """What most frauds were is over from one day to the next; what is left was rare."""
    rare = AccountTakeover(
        name="takeover", start_day=-10, intensity=1.5, changes=(Change(day=CHANGE_DAY, set={"intensity": 5.0}),)
    )
    scenario = _scenario(_stolen(4.0), _terminals(5.0, end_day=CHANGE_DAY), rare)
    return Campaign(name="disappearing", scenario=scenario, changes=(CHANGE_DAY,))


def _seasonal() -> Campaign:
    """Two kinds take turns every fortnight, so that what was learnt before comes back."""
    turns = (24, 38, 52)
    low, high = {"intensity": 0.5}, {"intensity": 7.0}
    first = [Change(day=d, set=low if i % 2 == 0 else high) for i, d in enumerate(turns)]
    second = tuple(Change(day=d, set=high if i % 2 == 0 else low) for i, d in enumerate(turns))
    takeover = AccountTakeover(name="takeover", start_day=-10, intensity=0.5, changes=second)
    scenario = _scenario(_stolen(7.0, *first), _terminals(1.5), takeover)
    return Campaign(name="seasonal", scenario=scenario, changes=turns[1:])


def _gradual() -> Campaign:
    """Over four weeks thefts become nightly and cheap, and collusion takes over from them."""
    steps = range(8)
    thefts = [
        Change(
            day=34 + 3 * i, set={"amount_factor": 2.5 - 0.2 * i, "night_share": 0.1 + 0.1 * i, "intensity": 5 - i / 2}
        )
        for i in steps
    ]
    grown = tuple(Change(day=34 + 3 * i, set={"intensity": 0.5 + 0.7 * i}) for i in steps)
    collusion = MerchantCollusion(name="collusion", start_day=-10, intensity=0.5, changes=grown)
    scenario = _scenario(_stolen(5.0, *thefts), _terminals(2.0), collusion)
    return Campaign(name="gradual", scenario=scenario, changes=(34,))


def _fraud_rate() -> Campaign:
    """The same frauds, three times as many."""
    more = Change(day=CHANGE_DAY, set={"intensity": 7.0})
    takeover = AccountTakeover(name="takeover", start_day=-10, intensity=2.3, changes=(more,))
    scenario = _scenario(_stolen(2.3, more), _terminals(2.3, more), takeover)
    return Campaign(name="fraud rate", scenario=scenario, changes=(CHANGE_DAY,))


CAMPAIGNS = {c.name: c for c in (_new_pattern(), _disappearing(), _seasonal(), _gradual(), _fraud_rate())}


def simulated(campaign: Campaign, seed: int) -> History:
    """The campaign's transactions with the features of the simulator's stream spec."""
    days = list(Simulator(campaign.scenario, seed).days(0, DAYS))
    table = pa.Table.from_batches([day.transactions for day in days])
    day = np.concatenate([np.full(d.transactions.num_rows, d.number) for d in days])
    event_time = table["event_time"].to_numpy()
    amount = table["amount"].to_numpy()
    fraud = table["is_fraud"].to_numpy(zero_copy_only=False).astype(bool)
    ids = {name: codes(table[f"{name}_id"].to_pylist()) for name in ("customer", "terminal")}
    windows, values, entities = with_windows(SPEC, ids, event_time, amount, fraud, DELAY_DAYS)
    words = [codes(table[name].to_pylist()) for name in WORDS]
    hour = event_time % 86_400_000 / 3_600_000
    return History(
        name=f"simulator, {campaign.name}",
        names=("amount", "hour", *WORDS, *windows),
        categorical=WORDS,
        x=np.column_stack([amount, hour, *words, values]).astype(np.float32),
        fraud=fraud,
        day=day.astype(np.int64),
        event_time=event_time,
        amount=amount,
        entities=entities,
        delay_days=DELAY_DAYS,
        first_day=FIRST_DAY,
        changes=campaign.changes,
        budget=40,
    )
