"""`rlfa metrics dashboard|alerts`: what Grafana and Prometheus need to show a service."""

from __future__ import annotations

from pathlib import Path

import typer

import rlfa.metrics

FILES = Path(rlfa.metrics.__file__).parent / "files"
app = typer.Typer(no_args_is_help=True, help="Print what Grafana and Prometheus need to show a service.")


@app.command()
def dashboard() -> None:
    """Print the Grafana dashboard, JSON.

    Example: rlfa metrics dashboard > rlfa.json
    """
    typer.echo((FILES / "dashboard.json").read_text(), nl=False)


@app.command()
def alerts() -> None:
    """Print the Prometheus alerting rules, YAML.

    Example: rlfa metrics alerts > /etc/prometheus/rules/rlfa.yaml
    """
    typer.echo((FILES / "alerts.yaml").read_text(), nl=False)
