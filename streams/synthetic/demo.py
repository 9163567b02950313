"""The demo's stream: known frauds for a month, then new ones that the first agents have never seen."""

from __future__ import annotations

from streams.synthetic.scenario import (
    AccountTakeover,
    CardTesting,
    Change,
    CompromisedTerminal,
    LabelDelays,
    Scenario,
    StolenCard,
)

DEMO_HISTORY_DAYS = 30
DEMO_DAYS = 75
DEMO_CHANGE_DAY = 40
DEMO_MATURITY_DAYS = 4


def demo_scenario() -> Scenario:
    """30 days of history with two kinds of fraud, and two others that take over on day 40."""
    fading = (Change(day=DEMO_CHANGE_DAY, set={"intensity": 1.75}),)
    return Scenario(
        transactions_per_day=6000,
        customers=4000,
        terminals=2000,
        labels=LabelDelays(max_days=float(DEMO_MATURITY_DAYS)),
        campaigns=(
            StolenCard(
                name="stolen_cards",
                start_day=-10,
                intensity=3.5,
                amount_factor=3.5,
                frauds_per_day=3.0,
                duration_days=2.0,
                night_share=0.2,
                changes=fading,
            ),
            CompromisedTerminal(
                name="compromised_terminals",
                start_day=-20,
                intensity=3.5,
                amount_factor=2.5,
                frauds_per_day=4.0,
                duration_days=10.0,
                night_share=0.2,
                changes=fading,
            ),
            CardTesting(name="card_testing", start_day=DEMO_CHANGE_DAY, intensity=3.5, cards_per_burst=8),
            AccountTakeover(
                name="account_takeover",
                start_day=DEMO_CHANGE_DAY,
                intensity=4.0,
                night_share=0.95,
                amount_factor=2.0,
                frauds_per_day=3.0,
                duration_days=1.5,
            ),
        ),
    )
