"""When each row happened: a time, steps since a beginning, or the order of rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.durations import UNITS_MS, parse_duration
from streams.infer.answers import ROWS, UnclearError
from streams.infer.columns import Column
from streams.infer.sample import Sample, rising_share
from streams.spec import StreamSpec, TableSpec
from streams.table_columns import NO_TIME, times

FLAG = "--time"
DAY_MS = 86_400_000
SPAN_WANTED_MS = 90 * DAY_MS  # of a table whose rows say nothing of time
NICE = ("1s", "2s", "5s", "10s", "15s", "20s", "30s", "1m", "2m", "5m", "10m", "15m", "20m", "30m", "1h", "2h", "3h",
        "6h", "12h", "1d")  # fmt: skip
TIME_WORDS = {"time", "timestamp", "datetime", "date", "ts", "dt", "day", "days", "step", "seconds", "secs", "hours",
              "minutes", "at", "when", "moment", "created", "occurred"}  # fmt: skip
FORMATS = ("%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M",
           "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S",
           "%Y/%m/%d", "%Y%m%d", "%Y%m%d%H%M%S")  # fmt: skip
EPOCHS: tuple[tuple[Literal["s", "ms", "us"], float], ...] = (("s", 1.0), ("ms", 1e3), ("us", 1e6))
EPOCH_FROM_S, EPOCH_TO_S = 6e8, 2.3e9  # 1989 to 2042
READABLE = 0.99  # share of the values that a format reads
RISING = 0.98
RISES_TO_THE_END = 0.9  # correlation with the row's number
COUNTER_VALUES_MIN = 20
CYCLE_MAX = 366


@dataclass(frozen=True, slots=True)
class Clock:
    """How event time is read.

    Attributes:
        column: None where the order of rows is all there is.
        unit: see `StreamSpec.event_time_unit`.
        table: with time_every, time_start and time_format.
        reason: why.
        days: that the table spans.
        gap_days: longest time without a row.
        has_calendar: hours and weekdays mean something.
        is_daily: every time is a midnight.
    """

    column: Column | None
    unit: Literal["ms", "s", "us", "iso8601"]
    table: TableSpec
    reason: str
    days: float = 0.0
    gap_days: float = 0.0
    has_calendar: bool = True
    is_daily: bool = False

    @property
    def name(self) -> str:
        """The column's, empty for the order of rows."""
        return self.column.name if self.column else ""


def clock(sample: Sample, columns: Sequence[Column], named: str | None) -> Clock:
    """The column of event time.

    Raises:
        UnclearError: several columns, none better than the others, or the named one is no time.
    """
    if named is not None and named not in {c.name for c in columns} and re.fullmatch(rf"{ROWS}(:\d+[smhd])?", named):
        return _spanned(sample, _in_order(sample.rows, named.partition(":")[2]))
    if named is not None:
        column = next(c for c in columns if c.name == named)
        found = _moments(column) or _steps(column, sample)
        if found is None:
            raise UnclearError(FLAG, f"{named}, whose values are no times", [*_candidates(columns), ROWS])
        return _spanned(sample, found)
    return _spanned(sample, _best(sample, columns) or _in_order(sample.rows, ""))


def _best(sample: Sample, columns: Sequence[Column]) -> Clock | None:
    moments = [found for c in columns if (found := _moments(c)) is not None]
    called = [m for m in moments if m.column is not None and TIME_WORDS & set(m.column.words)]
    counters = [c for c in columns if TIME_WORDS & set(c.words) and _counts_up(c)]
    steps = [found for c in counters if goes_with_rows(c) and (found := _steps(c, sample)) is not None]
    for tier in (called, moments, steps):
        if tier:
            return _one_of(tier)
    if counters:
        why = "columns called like a time, and rows in the order of none of them"
        raise UnclearError(FLAG, why, [*(c.name for c in counters), ROWS])
    return None


def _one_of(tier: Sequence[Clock]) -> Clock:
    """The one in whose order the rows are; the finer of two that both are."""
    rising = [c for c in tier if c.column is not None and _is_rising(c.column, c)]
    finest = sorted(rising or tier, key=lambda c: -(c.column.distinct if c.column else 0))
    if len(finest) > 1 and not rising:
        raise UnclearError(FLAG, "several columns that could be the time", [c.name for c in tier])
    return finest[0]


def _is_rising(column: Column, found: Clock) -> bool:
    return rising_share(_ms(column.values, found).astype(np.float64)) >= RISING


def _moments(column: Column) -> Clock | None:
    """A time with a date, however it is written."""
    if column.kind == "time":
        return Clock(column, "iso8601", TableSpec(), f"{column.name} is a column of times")
    if column.kind == "text":
        return _written(column)
    if column.kind != "number" or not column.rows:
        return None
    low, high = np.nanmin(column.numbers), np.nanmax(column.numbers)
    for unit, per_s in EPOCHS:
        if low >= EPOCH_FROM_S * per_s and high <= EPOCH_TO_S * per_s and (column.distinct > 1):
            return Clock(column, unit, TableSpec(), f"{column.name} counts {unit} since 1970")
    if column.is_whole and low >= 19_000_101 and high <= 20_991_231:
        found = _written(replace(column, values=pc.cast(pc.cast(column.values, pa.int64()), pa.string())))
        return None if found is None else replace(found, column=column)
    return None


def _written(column: Column) -> Clock | None:
    """Text: ISO 8601, or the first of the formats that reads (nearly) all of it."""
    there = column.values.drop_null()
    some = there.take(pa.array(np.linspace(0, len(there) - 1, min(len(there), 2_000)).astype(np.int64)))
    if not len(some) or not any(ch.isdigit() for ch in str(some[0].as_py())):
        return None
    iso = Clock(column, "iso8601", TableSpec(), f"{column.name} is written in ISO 8601")
    if _reads(some, iso) and column.kind == "text":
        return iso
    fit = [found for text in FORMATS if _reads(some, found := _formatted(column, text))]
    # 03/04 is a day of March or of April: the rows are rather in the order of the right one.
    return max(fit, key=lambda c: rising_share(_ms(some, c).astype(np.float64)), default=None)


def _formatted(column: Column, text: str) -> Clock:
    return Clock(column, "iso8601", TableSpec(time_format=text), f"{column.name} is written as {text}")


def _reads(values: pa.Array, found: Clock) -> bool:
    try:
        return float((_ms(values, found) > NO_TIME).mean()) >= READABLE
    except pa.ArrowInvalid:
        return False


def _steps(column: Column, sample: Sample) -> Clock | None:
    """Whole numbers from a beginning that the table doesn't name."""
    if column.kind != "number" or not column.is_whole or column.distinct < 3 or np.nanmin(column.numbers) < 0:
        return None
    low, high = float(np.nanmin(column.numbers)), float(np.nanmax(column.numbers))
    if column.distinct == column.rows and high - low + 1 <= sample.rows * 1.01:
        every = _nice(SPAN_WANTED_MS / sample.rows)
        reason = f"{column.name} numbers the rows; that one lasts {every} is a guess, for about 90 days in all"
        return Clock(column, "ms", TableSpec(time_every=every), reason, has_calendar=False)
    unit, why = _unit(column, high - low)
    reason = f"{column.name} counts steps from a beginning that the table doesn't name; {why}"
    return Clock(column, "ms", TableSpec(time_every=f"1{unit}"), reason, has_calendar=unit != "d")


def _counts_up(column: Column) -> bool:
    """A count of steps, sorted or not; hours of a day and days of a year come again."""
    return column.kind == "number" and column.is_whole and (column.distinct > CYCLE_MAX or goes_with_rows(column))


def goes_with_rows(column: Column) -> bool:
    """Rises from the first row to the last; a flag that is nearly always 0 hardly ever falls either."""
    there = np.isfinite(column.numbers)
    if column.distinct < 2 or rising_share(column.numbers) < RISING:
        return False
    return bool(np.corrcoef(np.flatnonzero(there), column.numbers[there])[0, 1] > RISES_TO_THE_END)


def _unit(column: Column, steps: float) -> tuple[str, str]:
    said = {"s": ("seconds", "second", "sec", "secs"), "m": ("minutes", "minute", "min"), "h": ("hours", "hour")}
    for unit, names in {**said, "d": ("days", "day", "date")}.items():
        if set(names) & set(column.words):
            return unit, f"by its name a step is 1{unit}"
    if "step" in column.words:
        return "h", "1h a step is a guess, as in PaySim"
    for unit in ("s", "m", "h"):
        if steps * UNITS_MS[unit] >= DAY_MS * 1.5:
            return unit, f"1{unit} a step is a guess, by how far they go"
    return "d", "1d a step is a guess, by how far they go"


def _in_order(rows: int, every: str) -> Clock:
    lasts = every or _nice(SPAN_WANTED_MS / rows)
    why = "as you say" if every else "a guess, for about 90 days in all"
    reason = f"no column is a time: the rows are taken in their order, {lasts} each ({why})"
    return Clock(None, "ms", TableSpec(time_every=lasts), reason, has_calendar=bool(every))


def _nice(wanted_ms: float) -> str:
    return max((d for d in NICE if parse_duration(d) <= wanted_ms), key=parse_duration, default=NICE[0])


def _ms(values: pa.Array | None, found: Clock, rows: int = 0) -> NDArray[np.int64]:
    spec = StreamSpec(
        tx_id="", event_time=found.name, event_time_unit=found.unit, amount="", entities={}, table=found.table
    )
    return times(values, spec, 0, rows if values is None else len(values))


def _spanned(sample: Sample, found: Clock) -> Clock:
    """With how far it goes and its longest gap, from all rows."""
    values = None if found.column is None else sample.whole(found.name)
    ms = np.sort(_ms(values, found, sample.rows))
    ms = ms[ms > NO_TIME]
    if len(ms) < 2:
        return found
    return replace(
        found,
        days=float(ms[-1] - ms[0]) / DAY_MS,
        gap_days=float(np.diff(ms).max()) / DAY_MS,
        is_daily=bool((ms % DAY_MS == 0).all()),
    )


def _candidates(columns: Sequence[Column]) -> list[str]:
    return [c.name for c in columns if c.kind in {"time", "text"} or (c.kind == "number" and c.is_whole)]


def is_another_clock(column: Column) -> bool:
    """A second time beside the clock: dates, or whole numbers that rise with the rows as the clock does."""
    if _moments(column) is not None:
        return True
    is_counter = column.kind == "number" and (column.is_whole or bool(TIME_WORDS & set(column.words)))
    return is_counter and column.distinct > COUNTER_VALUES_MIN and goes_with_rows(column)
