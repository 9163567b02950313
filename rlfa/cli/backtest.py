"""`rlfa backtest`: a table of past transactions in; ledger, agents, outcome log and a report out."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from rlfa.backtest import baseline, engine, run
from rlfa.backtest.defaults import default_settings
from rlfa.backtest.figures import Figures, by_week, figures
from rlfa.backtest.played import Played
from rlfa.backtest.report import report
from rlfa.cli.agents import take_in
from rlfa.cli.roster import AsJson, console
from rlfa.config import Service, load_service
from rlfa.errors import ConfigError
from rlfa.lineup.slots import SlotId, date_of
from rlfa.rules.loading import load_rules
from rlfa.rules.ruleset import NO_RULES
from streams.history import History
from streams.spec import load_spec
from streams.tables import read_history

RIVAL = "LightGBM, every day"
MARK = "# Written by `rlfa backtest`; another one may replace it and its state folder."
FIRST_KEYS = 'name = "backtest"\nstream = "stream.toml"\nstate = "state"\nlog_level = "warning"\n'
OWN_KEYS = ("name", "stream", "state", "database", "database_password_env", "database_password_file", "log_level")


@dataclass(slots=True)
class _Line:
    """The progress line."""

    bars: Progress
    task: TaskID

    def told(self, progress: engine.Progress) -> None:
        """By the engine, after each day."""
        epoch = f", epoch {progress.epoch}" if progress.epoch else ""
        self.show(f"{progress.stage}, {date_of(progress.day)}{epoch}", progress.rows / max(progress.of_rows, 1))

    def show(self, text: str, done: float) -> None:
        """Say what is under way, and which part of it is done."""
        self.bars.update(self.task, description=text, completed=done)


def backtest(
    spec: Annotated[Path, typer.Option(help="The table's stream spec, see `rlfa spec infer`.")],
    data: Annotated[Path, typer.Option(help="Table of past transactions with their truth: CSV or Parquet.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Settings; sensible ones by default.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report, ledger and outcome log.")] = Path(".rlfa/backtest"),
    rules: Annotated[Path | None, typer.Option(help="Rules file that acts around the lineup.")] = None,
    agent: Annotated[Path | None, typer.Option(help="Folder of an agent from outside, which plays --slot.")] = None,
    checksum: Annotated[str, typer.Option("--checksum", help="SHA-256 of its weights, as their maker gave it.")] = "",
    slot: Annotated[str, typer.Option("--slot", help="Its slot; it has it from the first day on.")] = "",
    rival: Annotated[bool, typer.Option(help="Compare with a LightGBM that is trained every day.")] = True,
    threads: Annotated[int, typer.Option(min=1, help="Of that LightGBM, and of trainings unless settings say.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Play the past through the whole of free agency, and report what it would have been worth.

    Example: rlfa backtest --spec stream.toml --data transactions.parquet
    """
    screen = Console(stderr=True)
    with Progress(BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=screen) as bars:
        line = _Line(bars, bars.add_task("reading", total=1.0))
        history = read_history(data, load_spec(spec))
        service = set_up(out, spec, config, history, threads)
        ruled = load_rules(service, rules) if rules else NO_RULES
        signed = [_seated(service, agent, checksum, slot)] if agent else []
        played = run(service, history, rules=ruled, signed=signed, progress=line.told)
        rivals = {}
        if rival and baseline.is_installed():
            rivals[RIVAL] = baseline.daily_lightgbm(
                played, threads=threads, progress=lambda done: line.show(RIVAL, done)
            )
        totals, weeks = figures(played, rivals), by_week(played, rivals)
        page = out / "report.html"
        page.write_text(report(played, weeks, totals, data.name), encoding="utf-8")
    if rival and not rivals:
        screen.print("no LightGBM to compare with: it comes with the extra `trees`")
    if as_json:
        typer.echo(msgspec.json.encode({"methods": totals, "weeks": weeks, "swaps": swaps_of(played)}).decode())
    else:
        console().print(_table(totals))
    screen.print(f"report: {page}; who plays and why: rlfa roster -c {out / 'rlfa.toml'}, rlfa ledger, rlfa explain")


def _seated(service: Service, folder: Path, checksum: str, slot: str) -> engine.Signing:
    """An agent from outside, checked as `rlfa agents import` does."""
    if not (checksum and slot):
        raise typer.BadParameter("found nothing, allowed: its checksum and its slot", param_hint="--checksum, --slot")
    taken = take_in(service, folder, checksum.lower(), (), "backtest", "what would it have been worth?")
    return engine.Signing(agent=taken, slot=SlotId(slot), seated=True)


def set_up(out: Path, spec: Path, config: Path | None, history: History, threads: int = 1) -> Service:
    """Settings and spec in a folder of the backtest's own, in place of an earlier backtest's.

    Raises:
        ConfigError: the folder holds something else.
    """
    settings = out / "rlfa.toml"
    if settings.exists() and settings.read_text().startswith(MARK):
        shutil.rmtree(out / "state", ignore_errors=True)
    elif out.exists() and any(out.iterdir()):
        raise ConfigError("--out", str(out), "an empty folder, or one of an earlier backtest")
    out.mkdir(parents=True, exist_ok=True)
    (out / "stream.toml").write_text(spec.read_text())
    if config is None:
        stream = load_spec(out / "stream.toml")
        first = engine.first_day_of(history, stream.label_delay_ms)
        text = default_settings(history, stream, first, threads)
    else:
        text = _without_own_keys(_read(config))
    settings.write_text(f"{MARK}\n{FIRST_KEYS}{text}")
    return load_service(settings)


def swaps_of(played: Played) -> int:
    """How often a slot changed hands."""
    return sum(entry.kind in {"Promoted", "Renewed", "RolledBack"} for entry in played.entries)


def _read(config: Path) -> str:
    try:
        return config.read_text()
    except OSError as error:
        raise ConfigError(str(config), error.strerror, "a readable TOML file") from error


def _without_own_keys(text: str) -> str:
    """Settings without the keys that say where a service lives: the backtest lives elsewhere."""
    table = re.search(r"^\s*\[", text, re.MULTILINE)
    first, rest = (text[: table.start()], text[table.start() :]) if table else (text, "")
    own = re.compile(rf"^\s*({'|'.join(OWN_KEYS)})\s*=")
    return "\n".join(line for line in first.splitlines() if not own.match(line)) + "\n" + rest


def _table(totals: dict[str, Figures]) -> Table:
    table = Table("method", title="what it would have been worth")
    for name in ("AP", "alerts", "frauds caught", "value detected", "cost per 1,000"):
        table.add_column(name, justify="right")
    for name, f in totals.items():
        table.add_row(
            name,
            "" if f.average_precision is None else f"{f.average_precision:.3f}",
            f"{f.alerts:,}",
            f"{f.caught:,} of {f.frauds:,}",
            "" if f.value_detection_rate is None else f"{f.value_detection_rate:.1%}",
            f"{f.cost_per_1000:,.2f}",
        )
    return table
