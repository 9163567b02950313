"""`rlfa train`: history in, warm windows and the first lineup out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from rlfa.config import Service, load_service
from rlfa.errors import RlfaError
from rlfa.lineup.plan import Plan
from rlfa.lineup.slots import DAY_MS, Day
from rlfa.outcomes import journal
from rlfa.outcomes.history import absorb_history, close_history
from rlfa.rules.loading import load_rules
from rlfa.rules.ruleset import NO_RULES
from rlfa.trainers.first_lineup import train_first_lineup
from streams.durations import parse_duration
from streams.kafka.source import Record
from streams.recordings import read_recording
from streams.replay import Chunk, in_event_time_order
from streams.spec import refuse_tables_only

SLICE = 20_000  # records taken in at once


def train(
    data: Annotated[Path, typer.Option(help="Folder of recorded transactions and labels.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="The service's settings.")] = Path("rlfa.toml"),
    days: Annotated[int | None, typer.Option(min=1, help="Days of history; else all.")] = None,
    label_delay: Annotated[str | None, typer.Option(help="Every fraud is reported so late, e.g. 7d.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rules file that acts from the first transaction on.")] = None,
) -> None:
    """Learn from history: warm the windows, train an agent for each slot, and begin the ledger.

    Example: rlfa train --data .rlfa/simulated --days 30
    """
    service = load_service(config)
    recording = read_recording(data, parse_duration(label_delay) if label_delay else None)
    plan = learn(service, recording.between(None, days).chunks(), Console(stderr=True), rules)
    typer.echo("\n".join(f"{slot.id}: {slot.incumbent}" for slot in plan.lineup.slots))


def learn(service: Service, chunks: Iterable[Chunk], console: Console, rules: Path | None = None) -> Plan:
    """Take history in and train the first lineup, with a progress bar for each slot.

    Raises:
        RlfaError: a service that has begun already, or history without a matured fraud.
        streams.errors.SpecError: a spec that only a table can be read with.
    """
    if service.lineup_file.exists():
        raise RlfaError(f"{service.state}: found a lineup, allowed: a state folder that nothing has begun in")
    refuse_tables_only(service.spec, service.settings.stream)
    ruled = load_rules(service, rules) if rules else NO_RULES
    partitions = service.settings.topics.partitions
    taken = absorb_history(service, _batches(service, chunks), partitions)
    closed = close_history(service)
    console.print(f"history: {taken:,} transactions, {len(closed)} matured days")
    first_day = Day(journal.days(service.journals, journal.DECISIONS)[-1] + 1)
    with Progress(TextColumn("training {task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as bars:
        tasks = {
            slot: bars.add_task(f"{slot} ({family})", total=1.0) for slot, family in service.settings.slots.items()
        }
        return train_first_lineup(
            service,
            closed,
            first_day,
            recorded_at=time.time_ns() // 1_000_000,
            progress=lambda slot, done: bars.update(tasks[slot], completed=done),
            rules=ruled,
        )


def _batches(service: Service, chunks: Iterable[Chunk]) -> Iterator[tuple[list[Record], list[Record]]]:
    """Messages as the records that the broker would have made of them; labels known by the history's end only."""
    topics = service.settings.topics
    now = time.time_ns() // 1_000_000
    offset = 0
    newest = -1
    for stretch in in_event_time_order(chunks):
        if len(stretch.time) and not stretch.is_label.all():
            newest = max(newest, (int(stretch.time[~stretch.is_label].max()) // DAY_MS + 1) * DAY_MS)
        for begin in range(0, len(stretch.time), SLICE):
            records: tuple[list[Record], list[Record]] = ([], [])
            for i in range(begin, min(begin + SLICE, len(stretch.time))):
                is_label = bool(stretch.is_label[i])
                if not is_label or stretch.time[i] <= newest:
                    topic = topics.labels if is_label else topics.transactions
                    records[is_label].append(Record(topic, -1, offset, now, stretch.key[i], stretch.value[i]))
                    offset += 1
            yield records
