"""`rlfa replay`: recorded transactions and their labels to the broker, in the order of event time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from rlfa.cli.publishing import BootstrapServers, Config, Rate, Speedup, publish_chunks, wanted_pace
from streams.durations import parse_duration
from streams.recordings import read_recording

Data = Annotated[Path, typer.Option(help="Folder of the handbook's data, or of `rlfa simulate --out`.")]
First = Annotated[
    dt.datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], help="First day; else all from the first."),
]
Delay = Annotated[
    str | None, typer.Option(help="Every fraud is reported so late, e.g. 7d; else the folder's own labels.")
]


def replay(
    data: Data,
    first: First = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days of event time; else all.")] = None,
    label_delay: Delay = None,
    bootstrap_servers: BootstrapServers = None,
    config: Config = None,
    rate: Rate = None,
    speedup: Speedup = None,
) -> None:
    """Publish recorded transactions, and each label when it became known.

    Example: rlfa replay --data data/handbook --from 2018-05-01 --days 60 --label-delay 7d
    """
    pace = wanted_pace(rate, speedup)
    recording = read_recording(data, parse_duration(label_delay) if label_delay else None)
    chosen = recording.between(first.date() if first else None, days)
    publish_chunks(chosen.chunks(), bootstrap_servers, config, pace)
