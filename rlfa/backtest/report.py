"""A backtest as one HTML file that loads nothing: figures by week, the roster's history, the reasons of each move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from rlfa import __version__
from rlfa.backtest.baseline import rows_of_a_training
from rlfa.backtest.charts import Chart, chart
from rlfa.backtest.figures import WEEK_DAYS, Figures, Week
from rlfa.backtest.played import Played
from rlfa.free_agency.events import EpochChanged
from rlfa.lineup.slots import DAY_MS, date_of
from rlfa.store.ledger import Entry
from streams.cards import masked

SWAPS = frozenset({"Promoted", "Renewed", "RolledBack"})
ROUTINE = frozenset({"CohortTaken", "EvidenceAdded", "GuardAdded"})  # every cohort adds these


@dataclass(frozen=True, slots=True)
class Row:
    """One method of the table of totals."""

    name: str
    average_precision: str
    alerts: str
    caught: str
    value_detected: str
    cost: str


@dataclass(frozen=True, slots=True)
class Lineup:
    """Who decided from a day on."""

    epoch: int
    day: str
    slots: tuple[tuple[str, str, str], ...]
    """Slot, incumbent, weight."""


@dataclass(frozen=True, slots=True)
class Move:
    """One entry of the ledger."""

    day: str
    epoch: int
    kind: str
    slot: str
    agent: str
    who: str
    why: str
    is_swap: bool


@dataclass(frozen=True, slots=True)
class Page:
    """All that the template shows."""

    title: str
    version: str
    facts: tuple[tuple[str, str], ...]
    totals: tuple[Row, ...]
    charts: tuple[Chart, ...]
    lineups: tuple[Lineup, ...]
    swaps: tuple[Move, ...]
    moves: tuple[Move, ...]


def report(played: Played, weeks: Sequence[Week], totals: dict[str, Figures], title: str) -> str:
    """The page.

    Args:
        played: the backtest.
        weeks: its figures by week.
        totals: its figures as a whole.
        title: of the page, such as the table's name.

    Returns:
        HTML; all texts escaped, and card numbers in them masked.
    """
    moves = tuple(_move(entry) for entry in played.entries if entry.kind not in ROUTINE)
    page = Page(
        title=masked(title),
        version=__version__,
        facts=_facts(played),
        totals=tuple(_row(name, figures) for name, figures in totals.items()),
        charts=tuple(_charts(weeks, played)),
        lineups=tuple(_lineups(played)),
        swaps=tuple(move for move in moves if move.is_swap),
        moves=moves,
    )
    loader = PackageLoader("rlfa.backtest", "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html").render(page=page)


def _facts(played: Played) -> tuple[tuple[str, str], ...]:
    history = played.history
    spec = played.service.spec
    refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(played.refused.items())) or "none"
    return (
        ("rows in the table", f"{len(history) + sum(history.refused.values()):,}, refused: {refused}"),
        ("rows played", f"{len(played.rows):,}, from {date_of(played.first_day)} to {date_of(int(played.day[-1]))}"),
        ("features", f"{len(played.feature_names):,}"),
        ("label delay", spec.windows.label_delay),
        ("alert budget a day", f"{played.service.settings.free_agency.costs.alert_budget_per_day:,}"),
        ("rows of each training of the rival, at most", f"{rows_of_a_training(played):,}, the newest"),
        ("policy", played.service.settings.free_agency.policy),
    )


def _row(name: str, f: Figures) -> Row:
    return Row(
        name=name,
        average_precision="" if f.average_precision is None else f"{f.average_precision:.3f}",
        alerts=f"{f.alerts:,}",
        caught=f"{f.caught:,} of {f.frauds:,}",
        value_detected="" if f.value_detection_rate is None else f"{f.value_detection_rate:.1%}",
        cost=f"{f.cost_per_1000:,.2f}",
    )


def _charts(weeks: Sequence[Week], played: Played) -> list[Chart]:
    dates = [date_of(week.first_day) for week in weeks]
    swaps = [e.event_at / DAY_MS for e in played.entries if e.kind in SWAPS]
    marks = [min((at - weeks[0].first_day) / WEEK_DAYS, len(weeks) - 1) for at in swaps]
    names = list(weeks[0].methods)
    ranked = [n for n in names if any(w.methods[n].average_precision is not None for w in weeks)]
    return [
        chart(
            "average precision by week",
            dates,
            {n: [w.methods[n].average_precision for w in weeks] for n in ranked if n != names[0]},
            marks,
        ),
        chart("cost per 1,000 by week", dates, {n: [w.methods[n].cost_per_1000 for w in weeks] for n in names}, marks),
    ]


def _lineups(played: Played) -> list[Lineup]:
    changes = [(e, e.event) for e in played.entries if e.kind == EpochChanged.__name__]
    return [
        Lineup(
            epoch=entry.epoch,
            day=date_of(entry.event_at // DAY_MS),
            slots=tuple((slot.id, slot.incumbent, f"{slot.weight:.3g}") for slot in event.slots),
        )
        for entry, event in changes
        if isinstance(event, EpochChanged)
    ]


def _move(entry: Entry) -> Move:
    return Move(
        day=date_of(entry.event_at // DAY_MS),
        epoch=entry.epoch,
        kind=entry.kind,
        slot=entry.slot,
        agent=entry.agent,
        who=entry.who,
        why=masked(entry.why),
        is_swap=entry.kind in SWAPS,
    )
