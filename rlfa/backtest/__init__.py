"""The past again: features, lineup, rewards and free agency over columns, with event time as the only clock.

`run` plays a `streams.history.History` with a service's settings. The parts are the live service's own (`Intake.take`,
`judge`, `FrontOffice`, `fulfil`); broker and Ray aren't needed, and one process does it.
"""

from rlfa.backtest.engine import Signing, run
from rlfa.backtest.played import Played

__all__ = ["Played", "Signing", "run"]
