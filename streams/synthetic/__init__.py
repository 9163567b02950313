"""A card portfolio from a seed, with fraud campaigns that start, change and end."""

from streams.synthetic.demo import (
    DEMO_CHANGE_DAY,
    DEMO_DAYS,
    DEMO_HISTORY_DAYS,
    DEMO_MATURITY_DAYS,
    demo_scenario,
)
from streams.synthetic.scenario import LabelDelays, Scenario, ScenarioError, load_scenario
from streams.synthetic.simulator import Simulator
from streams.synthetic.tables import Day, write_parquet

__all__ = [
    "DEMO_CHANGE_DAY",
    "DEMO_DAYS",
    "DEMO_HISTORY_DAYS",
    "DEMO_MATURITY_DAYS",
    "Day",
    "LabelDelays",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "demo_scenario",
    "load_scenario",
    "write_parquet",
]
