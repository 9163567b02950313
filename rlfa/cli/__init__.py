"""The `rlfa` command: a module per command group, data to stdout, messages to stderr."""

from __future__ import annotations

import sys

import typer

from agents.errors import AgentsError
from rlfa.cli import (
    agents,
    backtest,
    broker,
    by_hand,
    cohorts,
    demo,
    explain,
    metrics,
    replay,
    roster,
    rules,
    serve,
    simulate,
    spec,
    stress,
    topics,
    train,
)
from rlfa.errors import RlfaError
from rlfa.telemetry import configure_logs
from streams.errors import StreamsError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fraud detection by agents that must keep earning their place in the lineup.",
)
app.command()(demo.demo)
app.command()(serve.serve)
app.command()(train.train)
app.command()(simulate.simulate)
app.command()(replay.replay)
app.command()(backtest.backtest)
app.command()(stress.stress)
app.command()(broker.broker)
app.add_typer(topics.app, name="topics")
app.add_typer(by_hand.app, name="roster")
app.add_typer(agents.app, name="agents")
app.add_typer(spec.app, name="spec")
app.add_typer(metrics.app, name="metrics")
app.add_typer(rules.app, name="rules")
app.command()(roster.ledger)
app.command(name="cohorts")(cohorts.command)
app.command(name="explain")(explain.command)


@app.callback()
def _logs() -> None:
    configure_logs()


def run() -> None:
    """Run a command; an error of ours is one line and exit 1, Ctrl-C is exit 130."""
    try:
        app()
    except (RlfaError, StreamsError, AgentsError) as error:
        print(f"rlfa: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
