"""RLFA: fraud detection by agents that must keep earning their place in the lineup.

The folders, in the order in which a transaction meets them and then its label:

- `lanes`: one unit of stream work, from a batch of records to a batch of decisions.
- `hosts`: agents in memory, inline in a lane or behind a Ray actor.
- `lineup`: who decides, and how scores become an action.
- `rules`: the user's own lists and conditions around the lineup.
- `outcomes`: the log of what was decided, joined with the truth days later.
- `rewards`: what each agent earned, and the bounded losses that the tests compare.
- `free_agency`: watch, scouting, probation, swap.
- `trainers`: new free agents from matured outcomes.
- `metrics`: what each of them counts, and the endpoint that shows it.
- `store`: the ledger and everything else that is kept in SQL.
- `backtest`: all of it over a history of columns, without a broker.
- `stress`: load on a running service, and what became of it.
- `cli`: the `rlfa` command.
"""

__version__ = "0.1.0"
